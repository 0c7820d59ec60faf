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
from accelerate.utils import gather_object
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hybrid_rl import console, data, environment, evaluate, models, precision, sampling
from hybrid_rl.evaluate import SetSummary
from hybrid_rl.methods.base import Example, Ids
from hybrid_rl.rewards import Grader, foresees
from hybrid_rl.rollouts import Sample
from hybrid_rl.rundir import Moment, RunDir
from hybrid_rl.sampling import Sampling
from hybrid_rl.settings import HardwareSettings, Settings, SpeedSettings

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
    examples: data.Examples
    model: PreTrainedModel
    eos_ids: list[int]
    sample: Sample

    @classmethod
    def load(cls, settings: Settings, directory: RunDir, grader: Grader) -> "Workbench":
        """Data first, so that bad data is refused before weights are read."""
        tokenizer = models.load_tokenizer(settings.model)
        training = settings.task == "train"
        needs_traces = training and settings.method_class.needs_traces
        questions = data.load(settings.data, grader, needs_traces, training)
        examples = data.encode(
            questions, tokenizer, settings.data, settings.train, grader.answer_start
        )
        if PartialState().is_main_process:
            _record(directory, questions.fingerprint, examples)
        model = models.load_model(settings.model)
        count = models.parameter_count(model)
        log.info("model: %s, %.3g parameters", settings.model.name, count)
        if (
            settings.hardware.device == "cpu"
            and settings.hardware.threads is None
            and count < SMALL
        ):
            torch.set_num_threads(1)
        eos_ids = models.eos_token_ids(settings.model, tokenizer, model)
        sample = partial(
            _sample_alone,
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
        with console.phase(name) as phase:
            found = self._run({name: sets[name] for name in self.settings.eval.sets}, out, moment)
            phase.result = console.in_words(found)
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
        model = models.load_model(self.settings.model.model_copy(update=own | path))
        self.sample = partial(
            _sample_alone,
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
            return evaluate.run(
                sets,
                partial(_sample_on_all_ranks, self.sample),
                self.grader,
                self.tokenizer.decode,
                self.eos_ids,
                settings.eval,
                settings.eval.max_completion_tokens or settings.train.max_completion_tokens,
                settings.seed,
                out,
                # Of several ranks none knows where in the whole its own rows are.
                foresee=self.grader.foresee
                if foresees(settings) and PartialState().num_processes == 1
                else None,
            )


def _record(directory: RunDir, fingerprint: Mapping[str, str], examples: data.Examples) -> None:
    """What the run reads, in environment.json."""
    splits = {"train": examples.train, "dev": examples.dev, **examples.test}
    questions = {name: len(found) for name, found in splits.items()}
    traces = sum(example.trace is not None for example in examples.train)
    environment.add_data(directory.environment, questions, traces, fingerprint)


def _sample_alone(
    model: PreTrainedModel,
    eos_ids: Sequence[int],
    pad_id: int,
    hardware: HardwareSettings,
    speed: SpeedSettings,
    prompts: Sequence[Ids],
    how: Sampling,
) -> list[Ids]:
    with precision.as_in_training(model, hardware):
        rows_per_call = hardware.generation_batch
        return sampling.generate(model, prompts, how, eos_ids, pad_id, rows_per_call, speed)


def _sample_on_all_ranks(sample: Sample, prompts: Sequence[Ids], how: Sampling) -> list[Ids]:
    """Each rank draws its share, as many calls as any other, and all get all."""
    state = PartialState()
    if state.num_processes == 1:
        return sample(prompts, how)
    share = -(-len(prompts) // state.num_processes)
    padded = [*prompts, *[prompts[0]] * (share * state.num_processes - len(prompts))]
    mine = padded[state.process_index * share : (state.process_index + 1) * share]
    drawn: list[Ids] = gather_object(sample(mine, how))
    return drawn[: len(prompts)]


@contextmanager
def _own_randomness(key: str) -> Iterator[None]:
    """Evaluation draws its own random numbers: how often one evaluates must not change what is trained."""
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(random.Random(f"{key}-{PartialState().process_index}").getrandbits(63))
        yield
