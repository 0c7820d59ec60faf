"""The checks of task=doctor: whether an engine, on this machine, applies the gradients that it is given.

They take about a minute. `trial` runs the engine, `plain_model` knows the true gradients.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import gather_object

from hybrid_rl.config import hardware_rules
from hybrid_rl.config.settings import Settings
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.recording import environment
from hybrid_rl.recording.files import write_json
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting import closing_table
from hybrid_rl.tools.doctor.trial import Trial

TOLERANCE = {"float32": 1e-3, "bfloat16": 5e-2}
"""The largest distance from the plain gradient, rounded alike, as a share of its norm: our choice. The tiny model on a
CPU in bfloat16 showed up to 0.016 by the order of additions, and 0.04 with adapters under zero2; a mean of means is off
by 0.4, a lost micro-batch by 0.1 to 0.7."""
MASTERS = "updates are added up in float32"
MICRO_BATCH = 2
CLIPPED = 0.01
_DRAWN = 8  # tokens


@dataclass(frozen=True)
class Check:
    """A check with its result; `found` says in numbers what it found."""

    name: str
    passed: bool
    found: str


def run_doctor(settings: Settings, directory: RunDir) -> bool:
    """Runs all checks and says whether they passed. All ranks enter; rank 0 shows them, and writes doctor.json."""
    found = list(checks(settings))
    passed = all(check.passed for check in found)
    if PartialState().is_main_process:
        facts = _facts(settings)
        rows = [(check.name, "pass" if check.passed else "FAIL", check.found) for check in found]
        closing_table.show_checks(settings.hardware.name, facts, rows, advice(found))
        write_json(
            directory.path / "doctor.json",
            {"passed": passed, "machine": facts, "checks": [vars(check) for check in found]},
        )
    return passed


def advice(found: Sequence[Check]) -> str:
    """What the checks mean for the user, in a line."""
    failed = [check.name for check in found if not check.passed]
    if not failed:
        return "this engine can be trusted"
    if failed == [MASTERS]:
        return (
            "this engine computes the right gradients, but weights that are not float32 lose them (no master weights);"
            " set model.dtype=float32, or hardware=zero1"
        )
    return "do not train with this engine here"


def checks(settings: Settings) -> Iterator[Check]:
    """All checks in their order, which is the same on all ranks."""
    precision = "bfloat16" if settings.hardware.in_bfloat16 else "float32"
    most = TOLERANCE[precision]
    whole = Trial(settings, ["sft", "rl"], micro_batch=None)
    yield _masters(whole)
    for kind, off in zip(whole.kinds, whole.distances(), strict=True):
        yield Check(f"{kind.upper()} gradient, one batch", off < most, _off(off))
    cut = Trial(settings, ["sft", "rl", "rl", "sft"], MICRO_BATCH)
    count = cut.trainer.args.gradient_accumulation_steps
    windows = cut.distances()
    for kind, off in zip(cut.kinds[:2], windows[:2], strict=True):
        yield Check(f"{kind.upper()} gradient, {count} micro-batches", off < most, _off(off))
    for name, off in (("RL after SFT", windows[1]), ("SFT after RL", windows[3])):
        yield Check(f"consecutive windows, {name}", off < most, _off(off))
    naive = cut.distance(0, cut.mean_of_means())
    yield Check(
        "token mean over ranks and micro-batches",
        windows[0] < most < naive,
        f"{_off(windows[0])}; a mean of means would be off by {naive:.1g}",
    )
    clipped = Trial(settings, ["sft", "rl"], MICRO_BATCH, max_grad_norm=CLIPPED)
    for index, kind in enumerate(clipped.kinds):
        true, read, applied = clipped.norms(index)
        right = abs(read / true - 1) < most and abs(applied / CLIPPED - 1) < most
        yield Check(
            f"norm before clipping, {kind.upper()}",
            right,
            f"read {read:.5g}, true {true:.5g}; clipped to {applied:.4g}, wanted {CLIPPED}",
        )
    yield _same_weights(clipped)
    yield _generation(clipped, 1e-3 if precision == "float32" else 0.1)


def _masters(trial: Trial) -> Check:
    """Whether updates are added up in float32: weights in fewer bits lose what is small beside them."""
    if trial.keeps_masters:
        where = "in the weights" if trial.dtype == torch.float32 else "in DeepSpeed's own copy"
        return Check(MASTERS, True, where)
    bits = str(trial.dtype).removeprefix("torch.")
    found = f"no, in {bits}: a step of the usual size leaves {trial.unmoved:.0%} of the weights as they are"
    return Check(MASTERS, False, found)


def _same_weights(trial: Trial) -> Check:
    """Whether all ranks compute with the same weights, and with those that the optimizer has.

    The second says more under ZeRO-3, where each weight is but once.
    """
    same = len(set(gather_object([trial.fingerprint()]))) == 1
    astray = max(gather_object([trial.off_masters()]))
    found = "equal, and what the optimizer has" if same else "they differ"
    if same and astray:
        found = f"{astray} tensors are not what the optimizer has"
    return Check("the same weights on all ranks", same and not astray, found)


def _generation(trial: Trial, most: float) -> Check:
    """Whether greedy completions are right where all ranks but the first have nothing to draw; none may hang.

    They are right where no token is more than `most` nats below the likeliest, by a forward pass over the whole.
    """
    prompts = [example.prompt_ids for example in trial.examples]
    mine = prompts if PartialState().is_main_process else []
    drawn = trial.trainer.policy.sample(Request(mine), SamplingParams(0.0, 1.0, 0, _DRAWN))
    trial.plain.load(trial.after[-1])
    short, complete = 0.0, len(drawn) == len(mine)
    for prompt, ids in zip(mine, drawn, strict=False):
        with torch.no_grad():
            log_probs = trial.plain.log_probs(prompt, ids)
        chosen = log_probs.gather(-1, torch.tensor([ids], device=log_probs.device).T)[:, 0]
        short = max(short, float((log_probs.max(-1).values - chosen).max()))
        complete &= trial.vocabulary.has_ended(ids) or len(ids) == _DRAWN
    shares = gather_object([(short, complete)])
    worst, whole = max(share[0] for share in shares), all(share[1] for share in shares)
    told = f"tokens at most {worst:.1g} nats below the likeliest"
    told += "" if whole else "; some cut short"
    return Check("generation, other ranks idle", whole and worst < most, told)


def _facts(settings: Settings) -> dict[str, str]:
    """What the checks were made with: versions, devices, memory, and what is known against them."""
    hardware = settings.hardware
    described = environment.describe(Path.cwd())
    names = ["torch", "transformers", "trl", "accelerate", "deepspeed"]
    packages = {name: described["packages"].get(name, "not installed") for name in names}
    facts = {"python": described["python"], **packages}
    facts["devices"] = f"CPU, {described['cpu_count']} cores"
    if hardware.device == "cuda":
        found = map(torch.cuda.get_device_properties, range(torch.cuda.device_count()))
        gpus = (f"{gpu.name} ({gpu.total_memory / 2**30:.0f} GiB)" for gpu in found)
        facts["devices"] = ", ".join(gpus)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    facts["memory"] = f"{memory:.0f} GiB"
    facts["processes"] = f"{hardware.world_size} on {hardware.nodes} node(s)"
    facts["precision"] = "bfloat16" if hardware.in_bfloat16 else "float32"
    facts["generation"] = "transformers"
    if settings.rollout.engine != "transformers":
        facts["generation"] += f"; {settings.rollout.engine} is no part of these checks"
    if "deepspeed" in described["packages"]:
        bad = hardware_rules.known_bad(packages["deepspeed"], 2, offloads=True)
        facts["ZeRO-1/2 with offload"] = f"refused: {bad}" if bad else "nothing known against it"
    return facts


def _off(distance: float) -> str:
    return f"off by {distance:.1g}"
