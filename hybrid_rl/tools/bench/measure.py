"""The parts of the benchmark that train: each loads its work, runs trainers in turn, and returns figures."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import fmean, median
from typing import Any

import torch

from hybrid_rl.config import composing
from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.tools.bench import limits, relay
from hybrid_rl.tools.bench.figures import ratio, summary
from hybrid_rl.tools.bench.presets import Preset
from hybrid_rl.tools.bench.workload import Workload, random_model
from hybrid_rl.verification.grader import Grader

_WHERE_IT_SHOWS = {
    "token_budget": ("hardware.micro_batch=16",),
    "early_verification": (
        "reward.verifier=hybrid_rl.tools.bench.verifier.slow",
        "hardware.generation_batch=32",
    ),
}
"""The settings under which a saving is measured that the preset's own work has little use for."""
Steps = Sequence[relay.Step]
_FIRST_PASS = 2
"""Steps of 8 prompts in which each of 16 questions comes once."""


class Bench:
    """The trained parts of a preset; every run gets a directory of its own under `directory`."""

    def __init__(self, preset: Preset, overrides: Sequence[str], directory: Path) -> None:
        self.preset = preset
        self.overrides = list(overrides)
        self.directory = directory
        self._runs = 0

    def against_plain(
        self, mixed_share: float, *more: str, model: tuple[int, int] | None = None, pairs: int = 0
    ) -> dict[str, Any]:
        """The times of our trainer and plain TRL in turn, with this share of groups that have advantages.

        `model`: hidden size and layers of random weights in place of the preset's.
        """
        steps = f"train.steps={(pairs or self.preset.pairs) + 1}"
        with ExitStack() as stack:
            workload = self._load(stack, mixed_share, steps, *more, model=model)
            ours, plain = (steps[1:] for steps in relay.run([workload.ours(), workload.plain()]))
            found = {"ratio": ratio(ours, plain), "ours": summary(ours), "plain": summary(plain)}
            return found | {"limits": self._limits(workload, ours, mixed_share)}

    def savings(self) -> dict[str, Any]:
        """The ratio of a step without each saving to one with all, where half of the groups have no advantage."""
        among = {name: _WHERE_IT_SHOWS.get(name, ()) for name in SpeedSettings.model_fields}
        wholes = list(dict.fromkeys(among.values()))
        work = [*wholes, *((f"speed.{name}=false", *more) for name, more in among.items())]
        with ExitStack() as stack:
            steps = f"train.steps={self.preset.pairs}"
            trainers = [self._load(stack, 0.5, steps, *more).ours() for more in work]
            runs = [steps[1:] for steps in relay.run(trainers)]
        whole = dict(zip(wholes, runs, strict=False))
        return {
            name: ratio(without, whole[among[name]])
            for name, without in zip(among, runs[len(wholes) :], strict=True)
        }

    def scaling(self) -> dict[str, Any]:
        """The times of ours and plain TRL as the work grows, where half of the groups have no advantage."""
        found: dict[str, Any] = {}
        for name, values in self.preset.scaling.items():
            for value in values:
                found[f"{name}: {value}"] = _short(self.against_plain(0.5, value, pairs=3))
        for name, model in self.preset.models.items():
            found[f"model: {name}"] = _short(self.against_plain(0.5, model=model, pairs=3))
        return found

    def methods(self) -> dict[str, Any]:
        """The profile of a step of each method, with the verifier's own verdicts."""
        found = {}
        for method in self.preset.methods:
            with ExitStack() as stack:
                workload = self._load(stack, None, f"method={method}", "train.steps=4")
                found[method] = summary(relay.run([workload.ours()])[0][1:])
        return found

    def search(self) -> dict[str, Any]:
        """The cost of BREAD's search on questions that all fail at first: sampled tokens per trained one, and time.

        Each way makes passes over 16 questions; the first pass, in which no anchor is known, does not count. `grpo` and
        `plain` have advantages in every group, and so as many rows to train on. `naive` tries every prefix from the
        shortest up.
        """
        bread, warm = "method=bread", "method.warm_start=true"
        ways = {
            "grpo": ("method=grpo",),
            "naive": (bread, "method.order=linear"),
            "bisect": (bread,),
            "bisect, last anchor first": (bread, warm),
            "last anchor first, stop in range": (bread, warm, "method.order=first_in_range"),
        }
        few = ["data.train.size=16", "train.prompts_per_step=8", "train.rollouts_every=100"]
        few.append(f"train.steps={_FIRST_PASS + self.preset.pairs}")
        with ExitStack() as stack:
            workloads = [
                self._load(stack, 1.0 if name == "grpo" else None, *few, *more)
                for name, more in ways.items()
            ]
            trainers = [*(workload.ours() for workload in workloads), workloads[0].plain()]
            *runs, plain = (steps[_FIRST_PASS:] for steps in relay.run(trainers))
        return {
            name: _search_cost(RunDir(workload.directory / "ours"), steps, runs[0], plain)
            for name, workload, steps in zip(ways, workloads, runs, strict=True)
        }

    def _limits(self, workload: Workload, steps: Steps, share: float) -> dict[str, Any]:
        """The limits of the device beside the needs of these steps, and which share of the limits they reach."""
        batch, hardware, model = workload.settings.batch, workload.settings.hardware, workload.model
        device = torch.device(hardware.device)
        compute = torch.bfloat16 if hardware.in_bfloat16 else model.dtype
        passes = median(step.passes for step in steps)
        work = limits.Work(
            prompt=fmean(len(example.prompt_ids) for example in workload.examples),
            completion=median(step.generated_tokens for step in steps) / batch.rows_per_device,
            prompts=batch.prompts_per_device,
            rows=batch.rows_per_device,
            trained_share=share,
            passes=passes,
        )
        needed = limits.needs(model, work, compute)
        torch.nn.Module.to(model, device)  # in place; transformers has no types for its own
        can = limits.ceilings(device, compute)
        one_token = limits.one_token_seconds(model, compute)
        least = limits.floors(needed, can, one_token, passes)
        spent = summary(steps)["phases_seconds"]
        return {
            "ceilings": can,
            "needs": needed,
            "floors": least,
            "share_of_ceiling": {
                "generate": least["generate_seconds"] / spent["generate"],
                "train": least["train_seconds"] / (spent["forward"] + spent["backward"]),
            },
        }

    def _load(
        self,
        stack: ExitStack,
        mixed_share: float | None,
        *more: str,
        model: tuple[int, int] | None = None,
    ) -> Workload:
        self._runs += 1
        directory = self.directory / f"run_{self._runs}"
        settings = composing.settings_of([*self.overrides, *more], directory)
        grader = stack.enter_context(Grader(settings.reward))
        workload = Workload.load(settings, grader, mixed_share)
        if size := model or self.preset.random:
            workload.model = random_model(workload.model, *size)
        return workload


def _short(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "ours_seconds": found["ours"]["seconds_per_step"],
        "plain_seconds": found["plain"]["seconds_per_step"],
        "ratio": found["ratio"]["median"],
    }


def _search_cost(run: RunDir, steps: Steps, grpo: Steps, plain: Steps) -> dict[str, Any]:
    """The figures of the `steps` of `run` that follow the first pass."""
    metrics, decisions = read_jsonl(run.metrics), read_jsonl(run.decisions)
    taken = [[g for g in line["groups"] if g["trained"]] for line in decisions[_FIRST_PASS:]]
    rows = [sum(g["size"] for g in gs if 0 < g["correct"] < g["size"]) for gs in taken]
    lengths = (line["completion_tokens_mean"] for line in metrics[_FIRST_PASS:])
    trained = sum(n * length for n, length in zip(rows, lengths, strict=True))
    sampled = sum(step.generated_tokens for step in steps)
    return {
        "sampled_per_trained_token": sampled / trained if trained else None,
        "rows_with_advantage_per_step": sum(rows) / len(rows),
        "seconds_per_step": median(step.seconds for step in steps),
        "step_over_grpo": ratio(steps, grpo),
        "step_over_plain": ratio(steps, plain),
    }
