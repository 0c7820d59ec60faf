"""A GRPO trainer that does less work than TRL's for the same gradient; each saving has its switch in `speed`.

It knows TRL's trainer and nothing of methods. The loss itself stays TRL's: it is handed fewer rows, trimmed, and
log-probabilities from `scoring`. What is logged of the policy (entropy, clipping) is that of the rows computed.
The private names of TRL that it extends are listed in `models.upstream`.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from transformers import PreTrainedModel
from trl.trainer.callbacks import SyncRefModelCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.models.whole_weights import has_shards
from hybrid_rl.training.lean import microbatches, scoring
from hybrid_rl.training.lean.microbatches import Inputs
from hybrid_rl.training.lean.sampler_gap import SAMPLED, SamplerGap
from hybrid_rl.training.lean.scoring import ScoringRequest


class LeanGrpoTrainer(GRPOTrainer):
    """A GRPOTrainer that leaves out what `speed` allows; its other arguments are those of GRPOTrainer."""

    args: GRPOConfig
    # What each micro-step computes, a batch or None. To the type checker TRL's first assignment, None, is its type.
    _buffered_inputs: list[Any] | None  # type: ignore[assignment]

    def __init__(self, *args: Any, speed: SpeedSettings, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.speed = speed
        self.gap = SamplerGap(cap=None)
        self._compared: Inputs | None = None
        """The micro-batch whose loss is being computed, where the sampler has told its log-probabilities."""
        model = self.accelerator.unwrap_model(self.model)
        self._lockstep = self.accelerator.num_processes > 1 or self.is_deepspeed_enabled
        """Whether every micro-step must run, with as many rows on all ranks."""
        self._scores = self._can_score() and scoring.install(model)
        # Checkpointed layers keep no keys and values; with dropout, two rows of one context would have different ones.
        drops = any(isinstance(one, torch.nn.Dropout) and one.p > 0 for one in model.modules())
        self._shares = (
            self.speed.shared_context and not self.args.activation_checkpointing and not drops
        )

    def _can_score(self) -> bool:
        """Whether `scoring` may replace TRL's kernel, which is the better one on a GPU and can gather shards."""
        on_cpu = self.accelerator.device.type == "cpu"
        alone = on_cpu and not has_shards(self.accelerator) and not self.aux_loss_enabled
        return self.speed.completion_head and alone

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """Writes nothing: TRL would put a model card beside the checkpoints at every save."""

    def add_reference(self, reference: PreTrainedModel) -> None:
        """Takes the model of KL and divergence; TRL would read it again by name, which a GGUF file does not have."""
        add_fused_lm_head(reference, temperature=self.temperature)
        if self._scores:
            scoring.install(reference)
        self.ref_model = self.accelerator.prepare_model(reference, evaluation_mode=True)
        self.add_callback(SyncRefModelCallback(self.ref_model, self.accelerator))

    # Rows that keep their place in the batch and are not learned from, or have no advantage.

    def _trained_rows(self) -> list[bool] | None:
        """Whether each row of this rank is learned from; None, and then on every rank, means all of them."""
        return None

    def _uniform_rows(self) -> list[bool]:
        """Whether each row, of all ranks in rank order, is of a group of equal rewards; empty: nobody has looked."""
        return []

    def _generate_and_score_completions(self, inputs: Any) -> Inputs:
        """TRL's batch, in which rows that are left out have no tokens in the loss, its normaliser, KL and entropy.

        Equal rewards give advantages of exactly 0. TRL subtracts a mean in float32, which is rounded where the rewards
        are: 0.7 less the mean of sixteen 0.7 is 6e-8, and divided by 1e-4, which TRL adds to the spread, 6e-4.
        """
        batch: Inputs = super()._generate_and_score_completions(inputs)
        self._clear_uniform(batch["advantages"])
        trained = self._trained_rows()
        if trained is None:
            return batch
        batch["tool_mask"] = microbatches.row_mask(batch, trained)
        tokens = (batch["completion_mask"] * batch["tool_mask"]).sum()
        batch["num_items_in_batch"] = self.accelerator.gather(tokens).sum()
        return batch

    def _clear_uniform(self, advantages: torch.Tensor) -> None:
        """Sets to 0, in this rank's advantages and in those that TRL logs of all ranks, what is of a uniform group."""
        rows = self._uniform_rows()
        first = int(self.accelerator.process_index) * len(advantages)
        logged: Any = self._logs["advantages"]  # a deque; the type of the dictionary says less
        for row in (row for row, uniform in enumerate(rows) if uniform):
            logged[row] = 0.0
            if first <= row < first + len(advantages):
                advantages[row - first] = 0.0

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """TRL's rewards, (B of all ranks, 1); a row that is left out has no part in the spread over a batch."""
        rewards: torch.Tensor = super()._calculate_rewards(*args, **kwargs)
        trained = self._trained_rows()
        if trained is None or self.scale_rewards != "batch":
            return rewards
        known: torch.Tensor = self.accelerator.gather(torch.tensor(trained, device=rewards.device))
        return rewards.masked_fill(~known.unsqueeze(1), torch.nan)

    # Which rows pass through the model together.

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        """TRL's inputs of a micro-step; once TRL has filled its buffer anew, what is in it is planned anew."""
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        plans = self._skips or self.speed.token_budget
        if self._buffered_inputs is None or self._buffered_inputs is before or not plans:
            return inputs
        self._buffered_inputs = self._plan(self._buffered_inputs)
        return self._buffered_inputs[self._micro_step]

    def training_step(
        self, model: Any, inputs: Any, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """TRL's training step, or a loss of 0 where the plan has left the micro-step no rows."""
        micro_step = self._micro_step
        if micro_step and self._buffered_inputs and self._buffered_inputs[micro_step] is None:
            self._step += 1
            return torch.zeros((), device=self.accelerator.device)
        trl: Any = super()  # it has no types for a training step
        loss: torch.Tensor = trl.training_step(model, inputs, num_items_in_batch)
        return loss

    @property
    def _micro_step(self) -> int:
        """The place in TRL's buffer of the micro-step that runs."""
        micro_steps = self.args.steps_per_generation
        assert micro_steps is not None, "GRPOConfig works it out where it is not given"
        return self._step % micro_steps

    def _plan(self, batches: list[Inputs]) -> list[Inputs | None]:
        """What each micro-step computes; None where nothing is left, which only follows those that have rows."""
        count = len(batches)
        if not (self.speed.token_budget and self._adds_up and self.loss_type != "bnpo"):
            working = [part for part in map(self._within, batches) if part is not None]
            # Without a backward pass there would be no gradient, where TRL has one of zeros.
            working = working or [self._part(batches[0], [0], batches[0], 1)]
        else:
            working = self._across(microbatches.joined(batches), count)
        return [*working, *[None] * (count - len(working))]

    def _within(self, batch: Inputs) -> Inputs | None:
        """The rows of one micro-batch that are computed; None where there are none."""
        chosen = microbatches.kept(batch["advantages"].tolist(), self._skips)
        if self._lockstep:
            least = max(1, self._most_of_any_rank(len(chosen)))
            chosen = microbatches.filled(chosen, least, microbatches.lengths(batch))
        return self._part(batch, sorted(chosen), batch, 1) if chosen else None

    def _across(self, batch: Inputs, count: int) -> list[Inputs]:
        """The rows of a whole step that are computed, put together anew in at most `count` micro-batches."""
        lengths = microbatches.lengths(batch)
        chosen = microbatches.kept(batch["advantages"].tolist(), self._skips)
        if self._lockstep:
            each = max(1, -(-self._most_of_any_rank(len(chosen)) // count))
            chosen = microbatches.filled(chosen, each * count, lengths)
            cut = microbatches.evenly(chosen, count, lengths)
        else:
            chosen = microbatches.filled(chosen, 1, lengths)
            budget = len(lengths) // count * max(lengths)
            cut = microbatches.by_budget(chosen, lengths, microbatches.contexts(batch), budget)
        return [self._part(batch, one, batch, count) for one in cut]

    def _part(self, source: Inputs, chosen: list[int], batch: Inputs, count: int) -> Inputs:
        part = microbatches.taken(source, chosen)
        scale = microbatches.scale(self.loss_type, part, batch, count)
        return part | {"loss_scale": torch.tensor(scale)}

    @property
    def _skips(self) -> bool:
        """Whether a row without advantage adds nothing to the loss, and may stay out."""
        return self.speed.skip_zero_advantages and not self.beta and self._adds_up

    @property
    def _adds_up(self) -> bool:
        """Whether the loss is a sum over rows. TRL takes entropy bonus, quantile and router loss by micro-batch."""
        return not (
            self._entropy_bonus_enabled or self.top_entropy_quantile < 1.0 or self.aux_loss_enabled
        )

    def _most_of_any_rank(self, number: int) -> int:
        """The largest of the numbers that the ranks give."""
        counts = torch.tensor([number], device=self.accelerator.device)
        return int(self.accelerator.gather(counts).max())

    # What the loss is made of.

    def gradient_norm(self, batches: list[Inputs]) -> float:
        """The norm, before clipping, of the gradient of these micro-batches' summed losses; no weight changes."""
        for inputs in batches:
            with self.compute_loss_context_manager():
                loss = self.compute_loss(self.model_wrapped, self._prepare_inputs(inputs))
            self.accelerator.backward(loss)
        parameters = self.model_wrapped.parameters()
        norm = float(self.accelerator.clip_grad_norm_(parameters, float("inf")))
        self.model_wrapped.zero_grad()
        return norm

    @torch.no_grad()
    def pass_forward(self, batches: list[Inputs]) -> None:
        """Computes the losses of these micro-batches for the sake of what `compute_loss` notes by the way."""
        for inputs in batches:
            with self.compute_loss_context_manager():
                self.compute_loss(self.model_wrapped, self._prepare_inputs(inputs))

    def _compute_loss(self, model: Any, inputs: Inputs) -> torch.Tensor:
        trl: Any = super()  # it has no types for a loss
        self._compared = inputs if SAMPLED in inputs else None
        with self._weighing():
            loss: torch.Tensor = trl._compute_loss(model, inputs)
        self._compared = None
        return loss * inputs["loss_scale"] if "loss_scale" in inputs else loss

    @contextmanager
    def _weighing(self) -> Iterator[None]:
        """A context in which TRL's loss weighs tokens, as it does those of vLLM, by what `SamplerGap` has found."""
        if self._compared is None or self.gap.cap is None:
            yield
            return
        kept = self.use_vllm, self.vllm_importance_sampling_correction
        self.use_vllm = self.vllm_importance_sampling_correction = True
        try:
            yield
        finally:
            self.use_vllm, self.vllm_importance_sampling_correction = kept

    def _get_per_token_logps_and_entropies(
        self,
        model: Any,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        logits_to_keep: int,
        batch_size: int | None = None,
        compute_entropy: bool = False,
        compute_aux_loss: bool = False,
        **media: Any,
    ) -> tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]:
        """Log-probabilities and, where asked for, entropies, each (B, `logits_to_keep`); the router loss is TRL's."""
        if not self._scores:
            read = (input_ids, attention_mask, logits_to_keep, batch_size)
            asked = (compute_entropy, compute_aux_loss)
            found: tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None] = (
                super()._get_per_token_logps_and_entropies(model, *read, *asked, **media)
            )
            self._compare(found[0])
            return found
        context = input_ids.shape[1] - logits_to_keep
        size = batch_size or len(input_ids)
        scored = [
            self._scored(model, ids, mask, context, self.temperature, self._entropy_bonus_enabled)
            for ids, mask in zip(input_ids.split(size), attention_mask.split(size), strict=True)
        ]
        log_probs = torch.cat([one[0] for one in scored])
        entropies = torch.cat([one[1] for one in scored]) if compute_entropy else None
        self._compare(log_probs)
        return log_probs, entropies, None

    def _scored(
        self,
        model: Any,
        ids: torch.Tensor,
        mask: torch.Tensor,
        context: int,
        temperature: float,
        entropy_gradient: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities and entropies of what follows the context, by a model that `scoring` has taught."""
        labels = ids.masked_fill(mask == 0, scoring.IGNORED)
        labels[:, :context] = scoring.IGNORED
        request = ScoringRequest(labels, context, temperature, self._shares, entropy_gradient)
        with self.accelerator.autocast():
            found: tuple[torch.Tensor, torch.Tensor] = model(
                input_ids=ids, attention_mask=mask, request=request
            )
        return found

    def _compare(self, log_probs: torch.Tensor) -> None:
        if self._compared is not None:
            self.gap.compare(log_probs, self._compared)
