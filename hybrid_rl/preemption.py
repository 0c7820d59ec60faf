"""Makes training end after the optimizer step in which a rank was asked to stop, with a checkpoint of it."""

from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hybrid_rl import stopping


class SaveAndStop(TrainerCallback):
    """All ranks agree on the step, though a signal reaches them at different moments, or only one of them."""

    def on_step_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        number = _agreed(stopping.requested() or 0)
        if number:
            stopping.request(number)
            control.should_save = control.should_training_stop = True


def _agreed(number: int) -> int:
    """The largest of all ranks' numbers."""
    state = PartialState()
    if state.num_processes == 1:
        return number
    numbers = torch.tensor(number, device=state.device)
    torch.distributed.all_reduce(numbers, torch.distributed.ReduceOp.MAX)
    return int(numbers)
