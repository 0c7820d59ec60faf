"""A trainer that takes several optimizer updates on the rows of one step.

Each update is the whole loss of the batch, not a part of it. So every term keeps its rows and its normaliser, and the
old log-probabilities are those of the first update's own forward pass: exact, and no pass is made for them. A step of
the run stays one batch of rollouts: one decision, one metrics line, one position for a checkpoint, so that a resume
never begins between two updates.

transformers makes the last update of a step. Those before it are made here, in its last micro-step, where gradients of
ranks are averaged and DeepSpeed steps.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from trl.trainer.grpo_trainer import GRPOTrainer

from hybrid_rl.training.guard import TrainingGuard
from hybrid_rl.training.term_batches import IDLE
from hybrid_rl.training.terms_trainer import TermsTrainer
from hybrid_rl.training.update import UpdateInProgress

MICRO_STEP = "micro_step"
"""The key of the number of a micro-step, all that the loop passes on where the loss is a sum of terms."""


class RepeatingTrainer(TermsTrainer):
    """A TermsTrainer that goes through the micro-batches of a step, once or several times."""

    guard: TrainingGuard
    now: UpdateInProgress
    composes: bool
    """Whether the loss of every update is the sum of the method's terms."""
    _micro_batches: Sequence[dict[str, Any]] = ()
    """Those of the terms, of this rank and the step at hand."""

    def _begin_step(self) -> list[dict[str, Any]]:
        """The micro-batches of the terms; called in a step's first micro-step, before a backward pass."""
        raise NotImplementedError

    def _begin_further_update(self) -> None:
        """Takes note that the micro-batches of the step are read once more."""
        raise NotImplementedError

    def training_step(
        self, model: Any, inputs: Any, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """TRL's training step; a loss that is not finite is noted and left out of the sum that is logged.

        The last one of a step makes its further updates. Of several the loss is the mean.
        """
        if not self.composes:
            return self.guard.loss(super().training_step(model, inputs, num_items_in_batch))
        place = inputs[MICRO_STEP]
        if place == 0:
            self._micro_batches = self._begin_step()
        batch = self._micro_batches[place]
        loss = self.guard.loss(super().training_step(model, batch, num_items_in_batch))
        if place == len(self._micro_batches) - 1:
            for _ in range(1, self.now.updates):
                self._step_optimizer(model)
                self._begin_further_update()
                loss = loss + self._gradient_again(model)
        return loss / self.now.updates

    def _step_optimizer(self, model: Any) -> None:
        """Ends an update as transformers' loop does; with DeepSpeed the weights have moved by then."""
        loop: Any = self  # transformers has no types for these two
        norm = loop._clip_grad_norm(model) if self.args.max_grad_norm > 0 else None
        loop._get_grad_norm(model, norm)
        assert self.optimizer is not None, "a gradient has been computed for it"
        self.optimizer.step()
        model.zero_grad()

    def _gradient_again(self, model: Any) -> torch.Tensor:
        """Adds up the gradient of all micro-batches anew. Returns the sum of their losses. All ranks enter."""
        total = torch.zeros((), device=self.accelerator.device)
        last = len(self._micro_batches) - 1
        # TRL's own training step would count these as micro-steps of the loop.
        trainer: Any = super(GRPOTrainer, self)
        for place, batch in enumerate(self._micro_batches):
            # As in transformers' loop; with DeepSpeed the last backward pass steps.
            self.accelerator.sync_gradients = place == last
            apart = place < last and not self.is_deepspeed_enabled
            with self.accelerator.no_sync(model) if apart else nullcontext():
                if batch is not IDLE:
                    total = total + self.guard.loss(trainer.training_step(model, batch))
        return total
