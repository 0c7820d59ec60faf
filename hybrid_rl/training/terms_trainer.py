"""A trainer of losses that a method makes up of terms: from rows to micro-batches, and from these to gradients.

It knows TRL's trainer and no method. TRL's own loss is not asked: the gradient of each row is known numbers times that
of its log-probabilities (`methods/terms.py`). What TRL gives is the prepared model, its head, and the loop.
"""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from math import nan
from typing import Any

import torch
from trl.trainer.utils import use_adapter

from hybrid_rl.config.train import RlSettings
from hybrid_rl.methods.terms import Term
from hybrid_rl.training import term_batches, term_weights
from hybrid_rl.training.lean.trainer import LeanGrpoTrainer
from hybrid_rl.training.policy_ratio import Clip
from hybrid_rl.training.term_batches import IDLE, Part
from hybrid_rl.training.term_loss import SUMS, Compared, loss_of
from hybrid_rl.training.term_weights import Share, WeightedRow
from hybrid_rl.training.update import UpdateInProgress
from hybrid_rl.types import Ids


class TermsTrainer(LeanGrpoTrainer):
    """A LeanGrpoTrainer that also computes losses of terms, in the micro-batches that `composed` makes."""

    _temperature: float | None = None
    """The temperature of all probabilities of this update, over all ranks; None: rows differ in it."""
    _term_sums: torch.Tensor
    """(2 K, len(SUMS)): the sums of the K terms of this update, each of other rows and then of the expert's."""
    _term_names: Sequence[str] = ()
    _clip: Clip | None = None
    """What bounds the ratio to the old probabilities; None: the batch has one update, and the ratio is 1."""
    _told: Mapping[tuple[Ids, Ids], Sequence[float]] = {}
    """Context and target of each rollout of this rank of which the sampler told log-probabilities -> these."""

    def composed(
        self, now: UpdateInProgress, rl: RlSettings, most_tokens: int, pad_id: int
    ) -> list[dict[str, Any]]:
        """This rank's micro-batches of the terms of an update, one for each micro-step.

        Rows that add nothing to the loss stay out where `speed` says so; they are counted by then.
        """
        terms, whole = now.terms, now.whole
        rows = term_weights.weighted(terms, whole, rl, most_tokens)
        now.weights = {(one.row.context, one.row.target): one.weight for one in rows}
        self._clip = Clip.of(rl) if now.updates > 1 else None
        self._told = {
            (group.example.prompt_ids + group.prefix, one.completion): one.log_probs
            for group in now.groups
            for one in group.rollouts
            if one.log_probs is not None
        }
        count = self.args.gradient_accumulation_steps
        size = max(1, -(-len(rows) // count))
        if self.speed.skip_zero_advantages:
            rows = [one for one in rows if one.matters]
        parts = term_batches.cut(rows, count, size, self.speed.token_budget)
        self._set_temperature(terms, whole)
        self._term_names = [term.name or str(place) for place, term in enumerate(terms)]
        self._term_sums = torch.zeros(
            2 * len(terms), len(SUMS), dtype=torch.float64, device=self.accelerator.device
        )
        # The first is never idle: without a backward pass there would be no gradient, not one of zeros.
        return [
            term_batches.collate(part, pad_id) if part or self._lockstep or not place else IDLE
            for place, part in enumerate(parts)
        ]

    def _set_temperature(self, terms: Sequence[Term], whole: Share) -> None:
        sampling = [
            term.mean is None or totals.judged
            for term, totals in zip(terms, whole.totals, strict=True)
            if totals.tokens
        ]
        mixed = self.temperature != 1.0 and len(set(sampling)) > 1
        self._temperature = None if mixed else self.temperature if any(sampling) else 1.0

    def training_step(
        self, model: Any, inputs: Any, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """TRL's training step, or a loss of 0 for a micro-batch without rows."""
        if inputs is IDLE:
            self._step += 1
            return torch.zeros((), device=self.accelerator.device)
        return super().training_step(model, inputs, num_items_in_batch)

    def gradient_norm(self, batches: list[dict[str, Any]]) -> float:
        return super().gradient_norm([one for one in batches if one is not IDLE])

    def part_loss(self, model: Any, inputs: Mapping[str, Any]) -> torch.Tensor:
        """The share of this micro-batch in the loss of the update, as gradients that ranks average have it."""
        part: Part = inputs["part"]
        entropy_gradient = any(one.bonus for one in part.rows)
        log_probs, entropies = self._scores_of(model, inputs, part, entropy_gradient)
        if not part.rows:
            # Both outputs, as in the loss of rows: with sharded weights (ZeRO-3) the backward pass of each output
            # asks for weights, and a rank that asks less often than the others waits for them for ever.
            return (log_probs.sum() + entropies.sum()) * 0.0
        loss, sums = loss_of(
            part.rows, log_probs, entropies, self._compared_with(inputs, log_probs)
        )
        places = [2 * one.term + one.row.expert for one in part.rows]
        self._term_sums.index_add_(0, torch.tensor(places, device=sums.device), sums)
        return loss * int(self.accelerator.num_processes)

    def _compared_with(self, inputs: Mapping[str, Any], log_probs: torch.Tensor) -> Compared:
        """What the loss of a micro-batch takes beside its log-probabilities, which are the old ones at first."""
        part: Part = inputs["part"]
        reference = part.seen.get("reference")
        if reference is None and any(one.kl for one in part.rows):
            reference = self._reference_log_probs(inputs, part)
        old = None
        if self._clip is not None:
            old = part.seen.setdefault("old", log_probs.detach())
            if reference is not None:
                part.seen["reference"] = reference
        weights_kl = self.args.use_bias_correction_kl
        return Compared(
            reference, weights_kl, old, self._clip, self._sampler_weights(part, log_probs)
        )

    def _sampler_weights(self, part: Part, log_probs: torch.Tensor) -> torch.Tensor | None:
        """What corrects for the sampler, (B, T), where there is a cap. It is of the weights with which it drew.

        Further updates on a batch take what the first has found.
        """
        if "sampled" in part.seen:
            return part.seen.get("weights")
        told = [
            self._told.get((one.row.context, one.row.target)) if one.at_sampling else None
            for one in part.rows
        ]
        if not any(told):
            return None
        sampled = torch.full_like(log_probs, nan)
        for place, values in enumerate(told):
            if values:
                sampled[place, : len(values)] = sampled.new_tensor(values)
        found = self.gap.weights(log_probs, sampled)
        if self._clip is not None:
            part.seen["sampled"] = sampled
            if found is not None:
                part.seen["weights"] = found
        return found

    def _reference_log_probs(self, inputs: Mapping[str, Any], part: Part) -> torch.Tensor:
        model: Any = self.ref_model
        context: Any = nullcontext()
        if model is None:  # adapters: without them the model is as it was loaded
            model = self.model
            own = self.accelerator.unwrap_model(model)
            context = use_adapter(own, adapter_name="ref" if "ref" in own.peft_config else None)
        with torch.no_grad(), context:
            return self._scores_of(model, inputs, part, False)[0]

    def _scores_of(
        self, model: Any, inputs: Mapping[str, Any], part: Part, entropy_gradient: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probabilities and entropies of the targets, each (B, T), at the temperature of each row.

        The entropies of the reference model are not to be read.
        """
        ids, mask = inputs["input_ids"], inputs["attention_mask"]
        if self._temperature is not None and self._scores:
            return self._scored(model, ids, mask, part.context, self._temperature, entropy_gradient)
        if self._temperature == self.temperature:  # TRL's head divides by no other
            width = ids.shape[1] - part.context
            has_entropy = model is not self.ref_model  # TRL teaches it no more than it needs
            log_probs, entropies, _ = self._get_per_token_logps_and_entropies(
                model, ids, mask, width, compute_entropy=has_entropy
            )
            return log_probs, log_probs if entropies is None else entropies
        logits = model(input_ids=ids, attention_mask=mask).logits[:, part.context - 1 : -1].float()
        log_probs = (logits / self._temperatures(part.rows, ids.device)).log_softmax(-1)
        chosen = log_probs.gather(-1, ids[:, part.context :].unsqueeze(-1)).squeeze(-1)
        return chosen, -(log_probs.exp() * log_probs).sum(-1)

    def _temperatures(self, rows: Sequence[WeightedRow], device: torch.device) -> torch.Tensor:
        values = [self.temperature if one.at_sampling else 1.0 for one in rows] or [1.0]
        return torch.tensor(values, device=device).view(-1, 1, 1)

    def term_metrics(self, now: UpdateInProgress) -> dict[str, float]:
        """What each term did in the update that is over, for metrics.jsonl, over all ranks. All ranks enter.

        Means are over the tokens that were computed, in all updates of the step, and so are loss and `weight`, which is
        the sum of |c|, by which terms share the step.
        """
        sums = self.accelerator.reduce(self._term_sums, "sum")
        table = [dict(zip(SUMS, row, strict=True)) for row in sums.tolist()]
        found: dict[str, float] = {}
        for place, (name, totals) in enumerate(
            zip(self._term_names, now.whole.totals, strict=True)
        ):
            own, expert = table[2 * place : 2 * place + 2]
            both = {key: own[key] + expert[key] for key in SUMS}
            tokens = both["tokens"]
            line: dict[str, float] = {"rows": totals.rows, "tokens": totals.tokens}
            line |= {key: both[key] / now.updates for key in ("loss", "weight")}
            if tokens:
                line |= {"p": both["p"] / tokens, "entropy": both["entropy"] / tokens}
            if totals.tokens:
                line["expert_share"] = totals.expert_tokens / totals.tokens
            found |= {f"term/{name}/{key}": value for key, value in line.items()}
        policy = {key: sum(own[key] for own in table[::2]) for key in SUMS}
        if policy["tokens"]:
            found["entropy"] = policy["entropy"] / policy["tokens"]
        if policy["judged_tokens"] and self.beta:
            found["kl"] = policy["kl"] / policy["judged_tokens"]
        return found | self._ratio_metrics(table, now.updates)

    def _ratio_metrics(
        self, table: Sequence[Mapping[str, float]], updates: int
    ) -> dict[str, float]:
        """How far the policy has moved from the one that drew the batch: over the updates after the first.

        In that all ratios are 1.
        """
        ratio, clipped, tokens = (
            sum(row[key] for row in table) for key in ("ratio", "clipped", "ratio_tokens")
        )
        if not tokens:
            return {}
        later = tokens * (updates - 1) / updates
        return {
            "ratio_mean": (ratio - tokens / updates) / later,
            "clip_fraction": clipped / later,
        }
