"""ReLIFT (2025, arXiv 2506.07527): RL where the model can succeed, demonstrations where it cannot.

RL sharpens what a model sometimes gets right and does nothing for a question without a single
correct rollout. ReLIFT collects those questions in a buffer while RL goes on; once the buffer holds
a batch, one SFT update on their demonstrations, with an entropy bonus, follows the RL update.

Where this deviates from the authors' code (github TheRoadQaQ/ReLIFT, eb95454), a setting in brackets undoes it:

- A question waits once (`dedupe`), the longest wait is served first (`order`), and a question
  leaves the buffer when it was solved meanwhile (`drop_solved`), when the evidence is old
  (`max_age_epochs`) or when too many wait (`capacity_batches`).
- A question without a demonstration is counted and skipped; the code would train it to end at once.
- A drained buffer is an empty one; the code crashes on it.
- One optimizer step per batch of rollouts instead of two, each of a half; `train.rl.updates_per_batch` has more, each
  of the whole batch.
- The SFT loss is the mean over all tokens of the batch; the code makes it smaller by the number of devices.
- Learning rates and the RL loss are settings of `train`.
"""

import random
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field

from hybrid_rl.methods.base import Method, MixedSettings, Note, Plan
from hybrid_rl.types import Example, Examples, Json, Outcome, Result, Update

Order = Literal["fifo", "lifo"]

NO_ANSWER: tuple[Outcome, ...] = ("truncated", "unparseable")
"""Outcomes of a rollout without an answer: a length limit or a format may be what makes such a question hardest."""


class ReliftSettings(MixedSettings):
    group_size: int = Field(ge=2)
    """Rollouts per question; a question is hardest when none of them is correct."""
    batch_size: int = Field(ge=1)
    """M: questions in the buffer that trigger an SFT update, and its size."""
    entropy_bonus: float = Field(ge=0)
    """alpha: weight of the mean token entropy in the SFT loss."""
    order: Order
    """fifo: longest wait first; lifo: newest RL batch first."""
    dedupe: bool
    """A question waits in the buffer at most once."""
    drop_solved: bool
    """A question leaves when a later group solves it; without effect for `select: random`."""
    max_age_epochs: float | None = Field(gt=0)
    """A question leaves when more than so many passes over the training set have gone by since it
    was last found unsolved; null: never."""
    capacity_batches: int | None = Field(ge=1)
    """Most SFT batches that may wait; beyond it the longest wait is dropped. null: no limit."""
    select: Literal["hardest", "random"]
    """`random` is a control: as many questions as are hardest, drawn from the same RL batch."""
    every: int | None = Field(ge=1)
    """null: SFT when the buffer holds a batch. A number is a control: SFT after so many RL updates,
    on what the buffer holds, or on the latest RL batch when it holds nothing."""

    @property
    def sft_batch(self) -> tuple[str, int]:
        return "method.batch_size", self.batch_size

    def plan(self, steps: int) -> Plan:
        """There is no SFT where every question is solved, and at most one update after each of RL, or after `every`."""
        return Plan(expected=steps // ((self.every or 1) + 1))

    def obstacles(
        self, examples: Sequence[Example], questions_per_update: int, section: str = "method"
    ) -> list[str]:
        """The reasons why the buffer could never hold a batch, where a full one is what SFT waits for."""
        if self.every is not None:
            return []
        size = f"{section}.batch_size = {self.batch_size}"
        traced = sum(example.trace is not None for example in examples)
        found = []
        if self.dedupe and traced < self.batch_size:
            found.append(
                f"{size}: a question waits once, and {traced} of {len(examples)} training questions have a trace, so no"
                f" SFT update would ever come; give at most {traced}, or more traces, or {section}.dedupe=false"
            )
        if self.max_age_epochs is not None:
            # What is older than an age leaves; what is as old stays, hence one update more.
            updates = int(self.max_age_epochs * len(examples) / questions_per_update) + 1
            if (most := updates * questions_per_update) < self.batch_size:
                found.append(
                    f"{size}: with {section}.max_age_epochs = {self.max_age_epochs} no more than {most} questions ever"
                    f" wait, so no SFT update would ever come; give at most {most}, or a longer age, or null"
                )
        return found


def unsolved(results: Sequence[Result]) -> list[str]:
    """Ids of the questions with no correct rollout, acc(q) = 0, in batch order, each once.

    Truncated and unparseable rollouts count as wrong, as in the authors' code.
    """
    solved = {result.example_id for result in results if result.correct > 0}
    return [i for i in dict.fromkeys(result.example_id for result in results) if i not in solved]


def answerless(results: Sequence[Result]) -> set[str]:
    """Ids of the questions whose failed rollouts were all cut off, or without an answer that can be read."""
    answered = {
        result.example_id
        for result in results
        if sum(result.outcomes.get(outcome, 0) for outcome in NO_ANSWER)
        < result.size - result.correct
    }
    return {result.example_id for result in results} - answered


class Entry(NamedTuple):
    """A question that waits for its demonstration to be learned."""

    example_id: str
    seen: int
    """The time at which it was last found unsolved, by the clock of the caller."""


class Buffer:
    """Questions that wait, in the order in which they will be served."""

    def __init__(self, order: Order, dedupe: bool, capacity: int | None) -> None:
        self.order = order
        self.dedupe = dedupe
        self.capacity = capacity
        self.entries: list[Entry] = []

    def __len__(self) -> int:
        return len(self.entries)

    def push(self, example_ids: Iterable[str], now: int) -> int:
        """Adds a batch, kept in its own order, and returns how many entries the capacity pushed out.

        With `dedupe` a question that waits already keeps its place and becomes `now` old.
        """
        new = list(example_ids)
        if self.dedupe:
            again = {entry.example_id for entry in self.entries} & set(new)
            self.entries = [
                e._replace(seen=now) if e.example_id in again else e for e in self.entries
            ]
            new = [example_id for example_id in dict.fromkeys(new) if example_id not in again]
        batch = [Entry(example_id, now) for example_id in new]
        fifo = self.order == "fifo"
        self.entries = [*self.entries, *batch] if fifo else [*batch, *self.entries]
        # The longest wait stands in front with fifo and at the end with lifo.
        excess = 0 if self.capacity is None else max(0, len(self) - self.capacity)
        self.entries = self.entries[excess:] if fifo else self.entries[: len(self) - excess]
        return excess

    def drop(self, example_ids: Collection[str]) -> int:
        """Removes these questions and returns how many entries went."""
        return self._keep([entry for entry in self.entries if entry.example_id not in example_ids])

    def expire(self, oldest: float) -> int:
        """Removes what was last seen before `oldest` and returns how many entries went."""
        return self._keep([entry for entry in self.entries if entry.seen >= oldest])

    def pop(self, count: int) -> list[Entry]:
        """The next `count` entries, or all if there are fewer; they are no longer in the buffer."""
        served, self.entries = self.entries[:count], self.entries[count:]
        return served

    def state_dict(self) -> list[Json]:
        return [list(entry) for entry in self.entries]

    def load_state_dict(self, state: Sequence[Json]) -> None:
        self.entries = [Entry(*entry) for entry in state]

    def _keep(self, entries: list[Entry]) -> int:
        before, self.entries = len(self), entries
        return before - len(self)


class Relift(Method[ReliftSettings]):
    needs_traces = True
    remembered = "questions_seen rl_updates latest"
    notes: ClassVar = {
        "buffer": Note("questions in the buffer", "mean"),
        "solved": Note("left the buffer, solved meanwhile", "total"),
        "expired": Note("left the buffer, too old", "total"),
        "overflow": Note("left the buffer, no room", "total"),
        "without_trace": Note("hardest questions without a trace", "total"),
        "without_answer": Note(
            "hardest questions whose rollouts were all truncated or unparseable", "total"
        ),
        "ages_epochs": Note("epochs in the buffer before being learned", "mean"),
    }

    def __init__(self, settings: ReliftSettings, examples: Examples, seed: int, steps: int) -> None:
        super().__init__(settings, examples, seed, steps)
        batches = settings.capacity_batches
        capacity = None if batches is None else batches * settings.batch_size
        self.buffer = Buffer(settings.order, settings.dedupe, capacity)
        self.questions_seen = 0
        """The clock of the buffer: questions sampled in RL updates so far."""
        self.rl_updates = 0
        """RL updates since the last SFT update."""
        self.latest: list[str] = []
        """Questions of the latest RL update that have a demonstration."""
        self.left: Counter[str] = Counter()
        """Running totals: hardest questions without a trace or an answer, and how others left the buffer."""

    def next_update(self, step: int, progress: float) -> Update:
        """SFT on the buffer's next batch where one is due, right after an RL update and once at most; else RL."""
        ages = [self._age_epochs(entry) for entry in self.buffer.entries]
        note = {"buffer": len(self.buffer), "oldest_epochs": max(ages, default=0.0), **self.left}
        if not self._due():
            return Update("rl", moments=self.settings.moments_of("rl"), note=note)
        self.rl_updates = 0
        served = self.buffer.pop(self.settings.batch_size)
        # Only a fixed interval can fall due on an empty buffer.
        ids = [entry.example_id for entry in served] or self.latest[: self.settings.batch_size]
        return Update(
            "sft",
            examples=tuple(self.examples[example_id] for example_id in ids),
            entropy_bonus=self.settings.entropy_bonus,
            moments=self.settings.moments_of("sft"),
            note={**note, "ids": ids, "ages_epochs": [self._age_epochs(entry) for entry in served]},
        )

    def observe_results(self, step: int, results: Sequence[Result]) -> None:
        """Puts the hardest questions of an RL update into the buffer."""
        self.observe_hardest(step, results, unsolved(results))

    def observe_hardest(self, step: int, results: Sequence[Result], hardest: Sequence[str]) -> None:
        """Takes in the results for a caller that knows which ids are hardest; all others count as solved."""
        self.rl_updates += 1
        self.questions_seen += len(results)
        self.latest = self._with_trace(result.example_id for result in results)
        with_trace = self._with_trace(hardest)
        self.left["without_trace"] += len(hardest) - len(with_trace)
        self.left["without_answer"] += len(answerless(results) & set(hardest))
        # The control takes as many questions as are hardest, but others; being solved must not make them leave.
        if self.settings.select == "random":
            chosen = self._random_instead(with_trace, step)
        else:
            chosen = with_trace
            if self.settings.drop_solved:
                solved = {result.example_id for result in results} - set(hardest)
                self.left["solved"] += self.buffer.drop(solved)
        self.left["overflow"] += self.buffer.push(chosen, self.questions_seen)
        if self.settings.max_age_epochs is not None:
            age = self.settings.max_age_epochs * len(self.examples)
            self.left["expired"] += self.buffer.expire(self.questions_seen - age)

    def state_dict(self) -> dict[str, Json]:
        own = {"buffer": self.buffer.state_dict(), "left": dict(self.left)}
        return super().state_dict() | own

    def load_state_dict(self, state: Mapping[str, Json]) -> None:
        super().load_state_dict(state)
        self.buffer.load_state_dict(state["buffer"])
        self.left = Counter(state["left"])

    def _due(self) -> bool:
        every = self.settings.every
        if every is None:
            return self.rl_updates > 0 and len(self.buffer) >= self.settings.batch_size
        return self.rl_updates >= every and bool(self.buffer.entries or self.latest)

    def _with_trace(self, example_ids: Iterable[str]) -> list[str]:
        unique = dict.fromkeys(example_ids)
        return [example_id for example_id in unique if self.examples[example_id].trace is not None]

    def _random_instead(self, hardest: Sequence[str], step: int) -> list[str]:
        return random.Random(f"{self.seed}-{step}").sample(self.latest, len(hardest))

    def _age_epochs(self, entry: Entry) -> float:
        """Passes over the training set since the question was last found unsolved."""
        return round((self.questions_seen - entry.seen) / len(self.examples), 3)
