"""The arithmetic of a batch: from prompts per step and rollouts per prompt to what one device holds at a time.

It knows numbers and no settings. A device samples its whole share of a step at once and trains on it in equal
micro-batches; its share is whole groups, because a method judges a group as one. An SFT batch is cut over the same
number of micro-batches, so both kinds of update take one optimizer step.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Batch:
    """The sizes of one optimizer step as one device sees it."""

    processes: int
    prompts_per_device: int
    """Questions of an RL update on this device; 0 where the method never samples."""
    group_size: int
    """Rollouts per question; 1 where the method never samples."""
    rows_per_device: int
    """Sequences of one RL update, or of one SFT update where the method never samples."""
    micro_batch: int
    """Sequences per forward pass."""
    accumulation: int
    """Micro-batches per optimizer step."""
    sft_rows_per_device: int
    """The most sequences of one SFT update."""
    further_rows: int = 0
    """The most sequences of an RL update besides its rollouts, which a loss of several terms may have."""

    def explain(self) -> str:
        """The arithmetic in one sentence, for check=true."""
        micro = f"{self.accumulation} x {self.micro_batch} per forward pass"
        sft = f"an SFT update is {self.sft_rows_per_device} sequences per device"
        processes = f"{self.processes} process{'es' if self.processes > 1 else ''}"
        further = f" + {self.processes} x {self.further_rows} others" if self.further_rows else ""
        if not self.prompts_per_device:
            return f"{sft}, {micro}, on {processes}."
        return (
            f"an RL update is {processes} x {self.prompts_per_device} prompts"
            f" x {self.group_size} rollouts{further} = {self.processes * self.rows_per_device} sequences,"
            f" {self.rows_per_device} per device, {micro}; {sft}."
        )


def problems(
    prompts_per_step: int,
    group_size: int | None,
    sft_batch_size: int | None,
    processes: int,
    micro_batch: int | None,
    sft_setting: str = "train.sft.batch_size",
) -> list[str]:
    """Why no batch can be cut from these numbers, a line for the first reason; empty when one can.

    `group_size` is None where nothing is sampled, and `sft_batch_size` where no update is supervised; `sft_setting`
    names the setting that decides the latter.
    """
    if group_size is None:
        return []
    if prompts_per_step % processes:
        return [
            f"train.prompts_per_step = {prompts_per_step}: each of the {processes} processes takes whole groups, so it"
            f" must be a multiple of hardware.processes; nearest: {_nearest(prompts_per_step, processes)}"
        ]
    rows = prompts_per_step * group_size // processes
    if micro_batch is not None and rows % micro_batch:
        divisors = [size for size in range(1, rows + 1) if rows % size == 0]
        nearest = min(divisors, key=lambda size: (abs(size - micro_batch), size))
        return [
            f"hardware.micro_batch = {micro_batch}: must divide the {rows} sequences of a device"
            f" ({prompts_per_step} prompts x {group_size} rollouts / {processes});"
            f" one of {', '.join(map(str, divisors))}; nearest: {nearest}"
        ]
    most = rows * processes
    if micro_batch is not None and sft_batch_size is not None and sft_batch_size > most:
        return [
            f"{sft_setting} = {sft_batch_size}: cut over the {rows // micro_batch} micro-batches of an RL update"
            f" it exceeds hardware.micro_batch = {micro_batch}; at most {most} fit, or set hardware.micro_batch=null"
        ]
    return []


def plan(
    prompts_per_step: int,
    group_size: int | None,
    sft_batch_size: int,
    processes: int,
    micro_batch: int | None,
    extra_rows: int = 0,
) -> Batch:
    """The batch for numbers in which `problems` finds none; `group_size` is None where nothing is sampled.

    `extra_rows`: sequences of an RL update besides its rollouts, over all devices.
    """
    sft_rows, extra = _ceil(sft_batch_size, processes), _ceil(extra_rows, processes)
    prompts = 0 if group_size is None else prompts_per_step // processes
    rows = sft_rows if group_size is None else prompts * group_size + extra
    micro = min(micro_batch or rows, rows)
    count = _ceil(rows, micro)
    return Batch(processes, prompts, group_size or 1, rows, micro, count, sft_rows, extra)


def _ceil(number: int, divisor: int) -> int:
    return -(-number // divisor)


def _nearest(number: int, divisor: int) -> str:
    """The multiples of `divisor` around `number`, smallest first."""
    below = number // divisor * divisor
    return " or ".join(str(multiple) for multiple in (below, below + divisor) if multiple)
