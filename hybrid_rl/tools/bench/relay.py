"""A relay of trainers in one process: they run step by step in turn, and each step and its phases are timed.

Each trainer has a thread of its own and exactly one of them runs at any time, so whatever slows the machine down slows
all of them. A step is timed from one end of an optimizer step to the next: everything a trainer does counts.
"""

import copy
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from transformers import PrinterCallback, Trainer, TrainerCallback

PHASES = ("generate", "verify", "forward", "backward", "optimizer")
PARTS = ("text", "trl", "ours", "log", "rest")
"""The parts of what is in no phase. text: token ids to text and back. trl: what TRL makes of rollouts (tensors,
advantages, metrics). ours: what our trainer adds (method, rollouts, rows of micro-batches). log: log and files, TRL's
and ours. rest: the training loop."""


@dataclass
class Step:
    """The times of one optimizer step, in seconds."""

    seconds: float
    phases: dict[str, float]
    generated_tokens: int
    passes: int
    """Forward passes of sampling that follow each other: as many as the longest completion of each call has tokens."""
    measured: Mapping[str, float] = field(default_factory=dict)
    """The parts of `other` that were timed."""

    @property
    def other(self) -> float:
        """The seconds that are in no phase."""
        return self.seconds - sum(self.phases.values())

    @property
    def parts(self) -> dict[str, float]:
        """The seconds of each of PARTS, which add up to `other`."""
        parts = {name: self.measured.get(name, 0.0) for name in PARTS}
        return parts | {"rest": self.other - sum(self.measured.values())}


@dataclass
class Clock:
    """The clock of one trainer: seconds by phase, where a phase within another counts for the outer one alone."""

    phases: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    generated_tokens: int = 0
    passes: int = 0
    started: float = 0.0
    steps: list[Step] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _inside: bool = False

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps `function` so that its time is added to `phase`."""

        def run(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            self._inside = True
            _synchronize()
            started = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                _synchronize()
                self.phases[phase] += time.perf_counter() - started
                self._inside = False

        return run

    def part(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps `function` so that its time, less that of phases and parts within it, is added to a part of `other`."""

        def run(*args: Any, **kwargs: Any) -> Any:
            if self._inside:
                return function(*args, **kwargs)
            started, known = time.perf_counter(), self._known()
            try:
                return function(*args, **kwargs)
            finally:
                self.parts[name] += time.perf_counter() - started - (self._known() - known)

        return run

    def _known(self) -> float:
        """The seconds that phases and parts have so far."""
        return sum(self.phases.values()) + sum(self.parts.values())

    def start(self) -> None:
        """Begins a step."""
        _synchronize()
        self.phases.clear()
        self.parts.clear()
        self.generated_tokens = self.passes = 0
        self.started = time.perf_counter()

    def stop(self) -> None:
        """Ends a step and keeps its times."""
        _synchronize()
        seconds = time.perf_counter() - self.started
        phases = {name: self.phases.get(name, 0.0) for name in PHASES}
        step = Step(seconds, phases, self.generated_tokens, self.passes, dict(self.parts))
        self.steps.append(step)


class _Runner(TrainerCallback):
    """A callback that waits for its turn before every optimizer step, and gives a step the same random numbers in any
    trainer."""

    def __init__(self, clock: Clock, mine: threading.Semaphore, next_one: threading.Semaphore):
        self.clock = clock
        self.mine = mine
        self.next_one = next_one
        self._updating = 0.0

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._wait(state)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._updating = time.perf_counter()

    def on_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        _synchronize()
        self.clock.phases["optimizer"] += time.perf_counter() - self._updating

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.clock.stop()
        self.next_one.release()
        if state.global_step < state.max_steps:
            self._wait(state)

    def _wait(self, state: Any) -> None:
        self.mine.acquire()
        torch.manual_seed(1000 + state.global_step)
        self.clock.start()


def run(trainers: Sequence[Trainer]) -> list[list[Step]]:
    """Trains all of them to their end, a step each in turn. Returns the steps of each; the first is a warm-up."""
    clocks = [watch(trainer) for trainer in trainers]
    turns = [threading.Semaphore(0) for _ in trainers]
    errors: list[BaseException] = []

    def train(index: int) -> None:
        try:
            trainers[index].train()
        except BaseException as error:  # noqa: BLE001 - raised again below, in the thread of the caller
            errors.append(error)
            for turn in turns:  # nobody waits for one that is gone
                turn.release()

    for index, trainer in enumerate(trainers):
        following = turns[(index + 1) % len(turns)]
        trainer.remove_callback(PrinterCallback)
        trainer.add_callback(_Runner(clocks[index], turns[index], following))
    threads = [threading.Thread(target=train, args=(i,), daemon=True) for i in range(len(trainers))]
    for thread in threads:
        thread.start()
    turns[0].release()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return [clock.steps for clock in clocks]


def watch(trainer: Any) -> Clock:
    """Times the phases of a trainer, ours or TRL's, and parts of the rest, by wrapping its own functions."""
    clock = Clock()
    trainer.compute_loss = clock.timed("forward", trainer.compute_loss)
    trainer.accelerator.backward = clock.timed("backward", trainer.accelerator.backward)
    trainer._clip_grad_norm = clock.timed("optimizer", trainer._clip_grad_norm)
    trainer.log = clock.part("log", trainer.log)
    # Two trainers share the tokenizer and the grader.
    tokenizer = trainer.processing_class = copy.copy(trainer.processing_class)
    tokenizer.batch_decode = clock.part("text", tokenizer.batch_decode)
    batches = trainer._generate_and_score_completions
    trainer._generate_and_score_completions = clock.part("trl", batches)
    if hasattr(trainer, "attempter"):
        attempt = trainer.attempter
        tokenizer.decode = clock.part("text", tokenizer.decode)
        attempt.vocabulary = replace(attempt.vocabulary, tokenizer=tokenizer)
        trainer.rollout_func = clock.part("ours", trainer.rollout_func)
        trainer.get_batch_samples = clock.part("ours", trainer.get_batch_samples)
        trainer._plan = clock.part("ours", trainer._plan)
        attempt.sample = clock.timed("generate", _counted(clock, attempt.sample, lambda ids: ids))
        grader = attempt.grader = copy.copy(attempt.grader)
        grader.grade = clock.timed("verify", grader.grade)
    else:
        counted = _counted(clock, trainer._generate_single_turn, lambda found: found[0])
        trainer._tokenize_prompts = clock.part("text", trainer._tokenize_prompts)
        trainer._generate_single_turn = clock.timed("generate", counted)
        trainer._calculate_rewards = clock.timed("verify", trainer._calculate_rewards)
    return clock


def _counted(
    clock: Clock, function: Callable[..., Any], completions: Callable[[Any], Sequence[Any]]
) -> Callable[..., Any]:
    """Wraps a function that samples so that its tokens and passes are counted."""

    def run(*args: Any, **kwargs: Any) -> Any:
        found = function(*args, **kwargs)
        lengths = [len(completion) for completion in completions(found)]
        clock.generated_tokens += sum(lengths)
        clock.passes += max(lengths, default=0)
        return found

    return run


def _synchronize() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
