"""The check of a GPU passes what works, fails what does not, and says so; here on a CPU, as far as that goes."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy")
torch = pytest.importorskip("torch")

from safetensors.numpy import save_file

from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.tools.gpu_check import __main__, checks, started
from hybrid_rl.tools.gpu_check.checks import Found, Place
from tests.fakes.programs import Programs

pytestmark = pytest.mark.slow


def place(directory: Path, seconds: float = 500.0) -> Place:
    return Place(directory, "cpu", 0, None, time.monotonic() + seconds)


def finished(path: Path, weight: float, reward: float, seconds: float) -> RunDir:
    """A run of two steps and one weight."""
    run = RunDir(path)
    run.model.mkdir(parents=True)
    save_file({"w": np.array([weight], np.float32)}, run.model / "model.safetensors")
    rows = [
        {"step": 1, "kind": "sft", "wall_seconds": seconds, "reward": 0.0},
        {"step": 2, "kind": "rl", "wall_seconds": 3 * seconds, "reward": reward},
    ]
    run.metrics.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return run


def test_runs_are_equal_but_for_their_clocks(tmp_path: Path) -> None:
    one = finished(tmp_path / "one", 1.0, 0.5, 1.0)
    assert checks._differences(one, finished(tmp_path / "same", 1.0, 0.5, 2.0)) == ""
    rounded = finished(
        tmp_path / "rounded", float(np.nextafter(np.float32(1), np.float32(2))), 0.5, 1.0
    )
    assert checks._differences(one, rounded) == "w"
    other = finished(tmp_path / "other", 1.0, 0.25, 1.0)
    assert checks._differences(one, other) == "metrics.jsonl from step 2 on"


def test_seconds_of_a_step_leave_out_the_first_of_its_kind(tmp_path: Path) -> None:
    run = finished(tmp_path / "run", 1.0, 0.5, 1.0)
    ended = started.Ended(0, 1.0, "")
    assert checks._timed(run, ended).figures == {"step_seconds": {"sft": 1.0, "rl": 2.0}}
    with run.metrics.open("a") as file:
        file.write(json.dumps({"step": 3, "kind": "rl", "wall_seconds": 3.5}) + "\n")
    assert checks._timed(run, ended).figures == {"step_seconds": {"sft": 1.0, "rl": 0.5}}


def test_a_doctor_that_finds_fault_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(arguments: list[str], *_: Any) -> started.Ended:
        directory = Path(arguments[-1].removeprefix("run_dir="))
        directory.mkdir()
        made = [{"name": "good", "passed": True, "found": "0"}]
        made.append({"name": "bad", "passed": False, "found": "off by 0.3"})
        (directory / "doctor.json").write_text(json.dumps({"passed": False, "checks": made}))
        return started.Ended(1, 1.0, "a check failed")

    monkeypatch.setattr(started, "run", run)
    found = checks._doctor("zero2")(place(tmp_path), "doctor")
    assert (found.verdict, found.found) == ("FAIL", "bad: off by 0.3")


def test_without_a_gpu_what_needs_one_is_skipped_with_the_reason(tmp_path: Path) -> None:
    here = place(tmp_path)
    named = checks.checks(here)
    for name in ("vLLM, colocated", "vLLM, server", "benchmark, large", "benchmark, medium"):
        found = named[name](here, "x")
        assert found.verdict == "skipped"
        assert "GPU" in found.found


def test_a_run_is_killed_resumed_and_compared(tmp_path: Path) -> None:
    found = checks._resume("cpu")(place(tmp_path), "resume")
    assert found == Found("pass", "killed, resumed: equal weights and metrics, bit by bit")
    state = json.loads((tmp_path / "resume-killed" / "status.json").read_text())
    assert [one.get("resumed") for one in state["history"]] == [None, True, None]


def test_steps_of_a_larger_model_are_timed(tmp_path: Path) -> None:
    found = checks._large(place(tmp_path), "large")
    assert found.verdict == "pass", found.found
    assert found.figures["step_seconds"].keys() == {"sft", "rl"}
    assert (tmp_path / "large_model" / "config.json").exists()


def test_each_check_is_written_and_none_is_begun_too_late(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    late = place(tmp_path, seconds=0.0)
    made = __main__.run(late, {"a check": lambda *_: Found("pass", "did run")}, out)
    assert made["a check"]["verdict"] == "skipped"
    made = __main__.run(place(tmp_path), {"a check": lambda _, name: Found("FAIL", name)}, out)
    assert json.loads(out.read_text())["checks"] == made
    assert made["a check"]["found"] == "a_check"


def test_a_check_that_breaks_does_not_keep_the_others_from_being_made(tmp_path: Path) -> None:
    def breaks(*_: Any) -> Found:
        raise FileNotFoundError("no vllm here")

    checked = {"first": breaks, "second": lambda *_: Found("pass", "was made")}
    made = __main__.run(place(tmp_path), checked, tmp_path / "out.json")
    assert (made["first"]["verdict"], made["second"]["verdict"]) == ("FAIL", "pass")
    assert made["first"]["found"] == "FileNotFoundError: no vllm here"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["json=x.json"], "device = cuda: torch finds no GPU here"),
        (["device=cpu"], "usage: python -m hybrid_rl.tools.gpu_check json=PATH"),
        (["json=x.json", "device=cpu", "minutes=soon"], "usage: "),
        (["json=x.json", "device=cpu", "gsm8k=nowhere"], "is no directory"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(
    programs: Programs, typed: list[str], told: str
) -> None:
    if "GPU" in told and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = programs.run("hybrid_rl.tools.gpu_check", *typed)
    assert done.code == 2
    assert told in done.text.splitlines()[-1]
