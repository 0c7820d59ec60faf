"""TRL's GRPO update with less work for the same gradient; each saving has its switch in `speed`.

Knows TRL's trainer and nothing of methods. The loss itself stays TRL's: it is handed fewer rows, trimmed, and
log-probabilities from `scoring`. What is logged of the policy (entropy, clipping) is that of the rows computed.
"""

from typing import Any

import torch
from transformers import PreTrainedModel
from trl import GRPOTrainer
from trl.trainer.callbacks import SyncRefModelCallback
from trl.trainer.utils import add_fused_lm_head

from hybrid_rl.config.train import SpeedSettings
from hybrid_rl.training.lean import microbatches, scoring
from hybrid_rl.training.lean.microbatches import Inputs


class LeanGrpoTrainer(GRPOTrainer):
    """A GRPOTrainer that leaves out what `speed` allows; `speed` is to be set before `__init__` is called."""

    speed: SpeedSettings

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
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
        """TRL's own kernel is the better one on a GPU, and the one that can gather sharded weights."""
        on_cpu = self.accelerator.device.type == "cpu"
        alone = on_cpu and not self._sharded and not self.aux_loss_enabled
        return self.speed.completion_head and alone

    @property
    def _sharded(self) -> bool:
        """Whether no rank has all weights."""
        plugin = self.accelerator.state.deepspeed_plugin
        return plugin is not None and plugin.zero_stage == 3

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None: TRL would write one beside the checkpoints at every save."""

    def add_reference(self, reference: PreTrainedModel) -> None:
        """The KL is to the weights as loaded; TRL would read them again by name, which GGUF files have not."""
        add_fused_lm_head(reference, temperature=self.temperature)
        if self._scores:
            scoring.install(reference)
        self.ref_model = self.accelerator.prepare_model(reference, evaluation_mode=True)
        self.add_callback(SyncRefModelCallback(self.ref_model, self.accelerator))

    # Rows that keep their place in the batch and are not learned from.

    def _trained_rows(self) -> list[bool] | None:
        """For each row of this rank whether it is learned from. None, on every rank: all are."""
        return None

    def _generate_and_score_completions(self, inputs: Any) -> Inputs:
        """As TRL's; rows that are left out have no tokens in the loss, its normaliser, KL and entropy."""
        batch: Inputs = super()._generate_and_score_completions(inputs)
        trained = self._trained_rows()
        if trained is None:
            return batch
        batch["tool_mask"] = microbatches.row_mask(batch, trained)
        tokens = (batch["completion_mask"] * batch["tool_mask"]).sum()
        batch["num_items_in_batch"] = self.accelerator.gather(tokens).sum()
        return batch

    def _calculate_rewards(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """As TRL's, (B of all ranks, 1); what is left out has no part in the spread over a batch."""
        rewards = super()._calculate_rewards(*args, **kwargs)
        trained = self._trained_rows()
        if trained is None or self.scale_rewards != "batch":
            return rewards
        known = self.accelerator.gather(torch.tensor(trained, device=rewards.device))
        return rewards.masked_fill(~known.unsqueeze(1), torch.nan)

    # Which rows pass through the model together.

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        before = self._buffered_inputs
        inputs = super()._prepare_inputs(generation_batch)
        if self._buffered_inputs is before or not (self._skips or self.speed.token_budget):
            return inputs
        self._buffered_inputs = self._plan(self._buffered_inputs)
        return self._buffered_inputs[self._step % self.args.steps_per_generation]

    def training_step(
        self, model: Any, inputs: Any, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """Nothing, for a micro-step that has no rows left."""
        micro_step = self._step % self.args.steps_per_generation
        if micro_step and self._buffered_inputs and self._buffered_inputs[micro_step] is None:
            self._step += 1
            return torch.zeros((), device=self.accelerator.device)
        return super().training_step(model, inputs, num_items_in_batch)

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
        """What is left of one micro-batch."""
        chosen = microbatches.kept(batch["advantages"].tolist(), self._skips)
        if self._lockstep:
            least = max(1, self._most_of_any_rank(len(chosen)))
            chosen = microbatches.filled(chosen, least, microbatches.lengths(batch))
        return self._part(batch, sorted(chosen), batch, 1) if chosen else None

    def _across(self, batch: Inputs, count: int) -> list[Inputs]:
        """All rows of the step put together anew, in at most `count` parts."""
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
        counts = torch.tensor([number], device=self.accelerator.device)
        return int(self.accelerator.gather(counts).max())

    # What the loss is made of.

    def gradient_norm(self, batches: list[Inputs]) -> float:
        """Of the summed losses of these micro-batches, before clipping; the gradient is forgotten."""
        for inputs in batches:
            with self.compute_loss_context_manager():
                loss = self.compute_loss(self.model_wrapped, self._prepare_inputs(inputs))
            self.accelerator.backward(loss)
        parameters = self.model_wrapped.parameters()
        norm = float(self.accelerator.clip_grad_norm_(parameters, float("inf")))
        self.model_wrapped.zero_grad()
        return norm

    def _compute_loss(self, model: Any, inputs: Inputs) -> torch.Tensor:
        loss = super()._compute_loss(model, inputs)
        return loss * inputs["loss_scale"] if "loss_scale" in inputs else loss

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
        """As TRL's: log-probabilities, entropies where asked for, each (B, `logits_to_keep`), and None."""
        if not self._scores:
            return super()._get_per_token_logps_and_entropies(
                model,
                input_ids,
                attention_mask,
                logits_to_keep,
                batch_size,
                compute_entropy,
                compute_aux_loss,
                **media,
            )
        context = input_ids.shape[1] - logits_to_keep
        labels = input_ids.masked_fill(attention_mask == 0, scoring.IGNORED)
        labels[:, :context] = scoring.IGNORED
        size = batch_size or len(input_ids)
        scored = []
        for ids, mask, wanted in zip(
            input_ids.split(size), attention_mask.split(size), labels.split(size), strict=True
        ):
            request = scoring.Request(
                wanted, context, self.temperature, self._shares, self._entropy_bonus_enabled
            )
            with self.accelerator.autocast():
                scored.append(model(input_ids=ids, attention_mask=mask, request=request))
        log_probs = torch.cat([one[0] for one in scored])
        entropies = torch.cat([one[1] for one in scored]) if compute_entropy else None
        return log_probs, entropies, None
