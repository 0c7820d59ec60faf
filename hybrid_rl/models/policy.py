"""A policy answers prompts from the weights of a model as they are at the moment of the call.

It is the one object that samples, in training and out of it. Prompts and completions are token ids; it knows no
questions, rewards or methods. `generation` and `vllm` draw the tokens.
"""

import logging
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer

from hybrid_rl.config.settings import Settings
from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.models import loading, precision
from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.generation import generate
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.models.sampling_copy import SamplingCopy
from hybrid_rl.models.vllm import VllmEngine
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.models.whole_weights import for_generation, has_shards
from hybrid_rl.types import Ids

log = logging.getLogger(__name__)
_SMALL = 10_000_000  # parameters below which threads wait for each other longer than they work


class Policy:
    """The policy of a model that no trainer has wrapped. It is put on the device of this process."""

    def __init__(self, model: PreTrainedModel, vocabulary: Vocabulary, settings: Settings) -> None:
        self.model: PreTrainedModel = model.to(PartialState().device)
        self.vocabulary = vocabulary
        self.settings = settings
        dtype = settings.rollout.copy_dtype
        self._copy = None if dtype is None else SamplingCopy(getattr(torch, dtype))
        """The weights to sample with; None: the model's own."""

    @classmethod
    def load(cls, settings: Settings, tokenizer: PreTrainedTokenizerBase) -> "Policy":
        """The policy of the weights that the settings name."""
        model = loading.load_model(settings.model)
        count = loading.parameter_count(model)
        log.info("model: %s, %.3g parameters", settings.model.name, count)
        hardware = settings.hardware
        if hardware.device == "cpu" and hardware.threads is None and count < _SMALL:
            torch.set_num_threads(1)
        eos_ids = loading.eos_token_ids(settings.model, tokenizer, model)
        return cls(model, Vocabulary(tokenizer, eos_ids), settings)

    def sample(self, request: Request, params: SamplingParams) -> list[Ids]:
        """Draws one completion per prompt of this rank, in order."""
        with precision.as_in_training(self.model, self.settings.hardware):
            return self._drawn(self.model, request, params, self.settings.speed)

    def sample_on_all_ranks(self, request: Request, params: SamplingParams) -> list[Ids]:
        """Draws for prompts that all ranks ask for: each rank draws an equal share, and all get all completions.

        Limits of single prompts and listeners are for one rank: of several none knows where in the whole its share is.
        """
        state = PartialState()
        if state.num_processes == 1:
            return self.sample(request, params)
        prompts = request.prompts
        share = -(-len(prompts) // state.num_processes)
        # Sharded weights need every rank in every call, so the last share is filled up with a prompt.
        padded = [*prompts, *[prompts[0]] * (share * state.num_processes - len(prompts))]
        mine = padded[state.process_index * share : (state.process_index + 1) * share]
        drawn: list[Ids] = gather_object(self.sample(Request(mine), params))
        return drawn[: len(prompts)]

    def saved_in(self, directory: Path) -> "Policy":
        """The policy of weights that were saved in `directory`; those of this one leave the device to make room."""
        self.model.cpu()
        elsewhere = {"gguf_file": None, "package": None, "lora": None, "revision": None}
        here = {"path": str(directory), "tokenizer": None}
        model = loading.load_model(self.settings.model.model_copy(update=elsewhere | here))
        return Policy(model, self.vocabulary, self.settings)

    def _drawn(
        self, model: Any, request: Request, params: SamplingParams, speed: SpeedSettings | None
    ) -> list[Ids]:
        if self._copy is not None:
            model = self._copy.of(model)
        language_model = LanguageModel(model, self.vocabulary.eos_ids, self.vocabulary.pad_id)
        rows_per_call = self.settings.hardware.generation_batch
        return generate(language_model, request, params, rows_per_call, speed)


class TrainedPolicy(Policy):
    """The policy of a model that `trainer` has wrapped: its weights may be sharded, and vLLM may draw for it."""

    def __init__(self, policy: Policy, trainer: Trainer, gathers_shards: bool) -> None:
        super().__init__(policy.model, policy.vocabulary, policy.settings)
        self.engine: VllmEngine | None = None
        """None: transformers draws."""
        if self.settings.rollout.engine != "transformers":
            own = self.vocabulary
            self.engine = VllmEngine(self.settings, self.model, own, trainer.accelerator)
        self._trainer = trainer
        self._gathers_shards = gathers_shards

    @property
    def is_sharded(self) -> bool:
        """Whether no rank has all weights, as with ZeRO-3."""
        return has_shards(self._trainer.accelerator)

    def sample(self, request: Request, params: SamplingParams) -> list[Ids]:
        """Draws one completion per prompt of this rank, in order. All ranks enter where weights are sharded."""
        if self.engine is not None:
            return self.engine.sample(request, params, self._trainer.state.global_step)
        if not request.prompts:
            if self.is_sharded:
                # Sharded weights need every rank in every call: an idle one draws a token and forgets it.
                self.sample(Request([(self.vocabulary.end_id,)], [1]), params)
            return []
        # Shards that stay apart need transformers' `generate`, which alone keeps ranks in step at every token.
        own_loop = self._gathers_shards or not self.is_sharded
        wrapped, accelerator = self._trainer.model_wrapped, self._trainer.accelerator
        hardware = self.settings.hardware
        with for_generation(wrapped, accelerator, self._gathers_shards, hardware) as model:
            return self._drawn(model, request, params, self.settings.speed if own_loop else None)
