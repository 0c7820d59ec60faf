"""What is measured and on what: the model, the examples, and how a set of questions is evaluated.

Training and evaluation of a run share one workbench: the same verifier, the same prompts, the same generation code.
"""

import logging
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from accelerate import PartialState
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hybrid_rl.config.settings import Settings
from hybrid_rl.data.encoding import Examples, encode
from hybrid_rl.data.splits import load_questions
from hybrid_rl.evaluation import evaluate, scores
from hybrid_rl.evaluation.evaluate import SetSummary
from hybrid_rl.models import loading
from hybrid_rl.models.policy import sample_alone, sample_on_all_ranks
from hybrid_rl.models.sampling import Sample
from hybrid_rl.recording import environment, progress
from hybrid_rl.recording.run_directory import Moment, RunDir
from hybrid_rl.types import Example
from hybrid_rl.verification.grader import Grader, verifies_early

log = logging.getLogger(__name__)
SMALL = 10_000_000
"""Parameters below which threads wait for each other longer than they work."""


@dataclass
class Workbench:
    """All that a run works with. `sample` draws from the model as it is at the moment of the call."""

    settings: Settings
    directory: RunDir
    grader: Grader
    tokenizer: PreTrainedTokenizerBase
    examples: Examples
    model: PreTrainedModel
    eos_ids: list[int]
    sample: Sample

    @classmethod
    def load(cls, settings: Settings, directory: RunDir, grader: Grader) -> "Workbench":
        """Data first, so that bad data is refused before weights are read."""
        tokenizer = loading.load_tokenizer(settings.model)
        training = settings.task == "train"
        needs_traces = training and settings.method_class.needs_traces
        questions = load_questions(settings.data, grader, needs_traces, training)
        examples = encode(
            questions,
            tokenizer,
            settings.data,
            grader.answer_start,
            settings.train.max_completion_tokens,
            settings.train.on_long_trace,
        )
        if PartialState().is_main_process:
            _record(directory, questions.fingerprint, examples)
        model = loading.load_model(settings.model)
        count = loading.parameter_count(model)
        log.info("model: %s, %.3g parameters", settings.model.name, count)
        if (
            settings.hardware.device == "cpu"
            and settings.hardware.threads is None
            and count < SMALL
        ):
            torch.set_num_threads(1)
        eos_ids = loading.eos_token_ids(settings.model, tokenizer, model)
        sample = partial(
            sample_alone,
            model.to(PartialState().device),
            eos_ids,
            tokenizer.pad_token_id,
            settings.hardware,
            settings.speed,
        )
        return cls(settings, directory, grader, tokenizer, examples, model, eos_ids, sample)

    def evaluate(self, moment: Moment) -> dict[str, SetSummary]:
        """All sets of `eval.sets`, into the run directory."""
        sets = {"dev": self.examples.dev, **self.examples.test}
        out = self.directory.evaluation(moment) if PartialState().is_main_process else None
        when = "best on dev" if moment == "best" else f"{moment} training"
        name = f"evaluation {when}" if self.settings.task == "train" else "evaluation"
        with progress.phase(name) as phase:
            found = self._run({name: sets[name] for name in self.settings.eval.sets}, out, moment)
            phase.result = scores.in_words(found)
        return found

    def evaluate_best(
        self, step: int | None, last_step: int, last: dict[str, SetSummary]
    ) -> dict[str, SetSummary]:
        """All sets of `eval.sets`, with best_model, the weights of `step`; to be called when training is over.

        `last`: what was found with those of `last_step`, which may be the same.
        """
        if step is None:
            log.warning("eval.best: no evaluation on dev was made, so no weights were chosen")
            return {}
        if step == last_step:
            log.info("best on dev: the last weights, step %d", step)
            if PartialState().is_main_process:
                after, best = (self.directory.evaluation(m) for m in ("after", "best"))
                shutil.copytree(after, best, dirs_exist_ok=True)
            return last
        log.info("best on dev: the weights of step %d", step)
        self.model.to("cpu")
        own = {"gguf_file": None, "package": None, "lora": None, "revision": None}
        path = {"path": str(self.directory.best_model), "tokenizer": None}
        model = loading.load_model(self.settings.model.model_copy(update=own | path))
        self.sample = partial(
            sample_alone,
            model.to(PartialState().device),
            self.eos_ids,
            self.tokenizer.pad_token_id,
            self.settings.hardware,
            self.settings.speed,
        )
        return self.evaluate("best")

    def evaluate_dev(self, step: int) -> SetSummary | None:
        """The dev set with the current weights, for learning curves and selection; None where there is none."""
        if not self.examples.dev:
            return None
        return self._run({"dev": self.examples.dev}, None, f"step {step}")["dev"]

    def _run(
        self, sets: Mapping[str, Sequence[Example]], out: Path | None, moment: str
    ) -> dict[str, SetSummary]:
        settings = self.settings
        with _own_randomness(f"{settings.seed}-{moment}"):
            return evaluate.evaluate_sets(
                sets,
                partial(sample_on_all_ranks, self.sample),
                self.grader,
                self.tokenizer.decode,
                self.eos_ids,
                settings.eval,
                settings.eval.max_completion_tokens or settings.train.max_completion_tokens,
                settings.seed,
                out,
                # Of several ranks none knows where in the whole its own rows are.
                verify_early=self.grader.verify_early
                if verifies_early(settings) and PartialState().num_processes == 1
                else None,
            )


def _record(directory: RunDir, fingerprint: Mapping[str, str], examples: Examples) -> None:
    """What the run reads, in environment.json."""
    splits = {"train": examples.train, "dev": examples.dev, **examples.test}
    questions = {name: len(found) for name, found in splits.items()}
    traces = sum(example.trace is not None for example in examples.train)
    environment.add_data(directory.environment, questions, traces, fingerprint)


@contextmanager
def _own_randomness(key: str) -> Iterator[None]:
    """Evaluation draws its own random numbers: how often one evaluates must not change what is trained."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(random.Random(f"{key}-{PartialState().process_index}").getrandbits(63))
        yield
