"""The evaluations of one run: before training, on dev during it, after it, and with the weights that were best on dev.

All of them share a verifier, prompts and generation code with training. Knows neither how a model is loaded nor how
it is trained.
"""

import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from accelerate import PartialState

from hybrid_rl.config.settings import Settings
from hybrid_rl.data.encoding import Examples
from hybrid_rl.evaluation import scores
from hybrid_rl.evaluation.evaluate import Evaluation
from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.models.policy import Policy
from hybrid_rl.recording import progress
from hybrid_rl.recording.run_directory import Moment, RunDir
from hybrid_rl.types import Example
from hybrid_rl.verification.grader import Grader

_WHEN = {"before": "before training", "after": "after training", "best": "best on dev"}


class Evaluator:
    """Evaluates `policy` as it is at the moment of the call, into the run directory. All ranks make the same calls."""

    def __init__(
        self,
        settings: Settings,
        directory: RunDir,
        examples: Examples,
        grader: Grader,
        policy: Policy,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._dev = examples.dev
        self._sets = {"dev": examples.dev, **examples.test}
        self._grader = grader
        self._policy = policy

    def at(self, moment: Moment, policy: Policy | None = None) -> dict[str, SetSummary]:
        """The summaries of all sets of `eval.sets`, saved as those of `moment`; `policy`: other weights."""
        if not self._settings.eval.sets:
            return {}
        out = self._directory.evaluation(moment) if PartialState().is_main_process else None
        wanted = {name: self._sets[name] for name in self._settings.eval.sets}
        name = f"evaluation {_WHEN[moment]}" if self._settings.task == "train" else "evaluation"
        with progress.phase(name) as phase:
            samples = self._settings.eval.samples
            found = self._found(wanted, out, moment, policy or self._policy, samples)
            most = self._settings.eval.max_completion_tokens
            limit = most or self._settings.train.max_completion_tokens
            phase.result = scores.in_words(found, limit)
        return found

    def copy_after_as_best(self) -> None:
        """Files the evaluation after training as that of the best weights too, for they are the last ones."""
        if PartialState().is_main_process:
            after, best = self._directory.evaluation("after"), self._directory.evaluation("best")
            shutil.copytree(after, best, dirs_exist_ok=True)

    def dev(self, step: int) -> SetSummary | None:
        """The summary of dev after `step`, for learning curves and selection; None where there is no dev set."""
        if not self._dev:
            return None
        samples = self._settings.eval.dev_samples
        return self._found({"dev": self._dev}, None, f"step {step}", self._policy, samples)["dev"]

    def _found(
        self,
        sets: Mapping[str, Sequence[Example]],
        out: Path | None,
        moment: str,
        policy: Policy,
        samples: int,
    ) -> dict[str, SetSummary]:
        with _own_randomness(f"{self._settings.seed}-{moment}"):
            sample = policy.sample_on_all_ranks
            evaluation = Evaluation(self._settings, self._grader, policy.vocabulary, sample)
            return evaluation.of(sets, out, samples)


@contextmanager
def _own_randomness(key: str) -> Iterator[None]:
    """Lets evaluation draw its own random numbers: how often one evaluates must not change what is trained."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(random.Random(f"{key}-{PartialState().process_index}").getrandbits(63))
        yield
