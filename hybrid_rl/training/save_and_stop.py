"""A callback that ends training after the optimizer step in which a rank was asked to stop, with a checkpoint of it."""

from typing import Any

import torch
from accelerate import PartialState
from transformers import TrainerCallback, TrainerControl

from hybrid_rl.execution import stopping


class SaveAndStop(TrainerCallback):
    """The callback. All ranks agree on the step, though a signal reaches them at different moments, or only one."""

    def on_step_end(self, args: Any, state: Any, control: TrainerControl, **kwargs: Any) -> None:
        if asked_to_stop():
            control.should_save = control.should_training_stop = True


def asked_to_stop() -> bool:
    """Whether any rank was asked to stop; from then on all are. All ranks enter."""
    state, number = PartialState(), stopping.requested() or 0
    if state.num_processes > 1:
        numbers = torch.tensor(number, device=state.device)
        torch.distributed.all_reduce(numbers, torch.distributed.ReduceOp.MAX)
        number = int(numbers)
    if number:
        stopping.request(number)
    return bool(number)
