"""The update that a trainer is in the middle of: what the method asked for, and what has become known of it since.

It knows neither TRL nor the model. A new one begins with every optimizer step, and with every measured norm.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from hybrid_rl.methods.terms import Term
from hybrid_rl.recording import step_lines
from hybrid_rl.recording.budget import Spent, UpdateCost
from hybrid_rl.training import term_weights
from hybrid_rl.training.term_weights import Share
from hybrid_rl.types import Demonstration, Example, Group, Ids, Result, Update


@dataclass
class UpdateInProgress:
    """An update between the method's decision and the lines that tell of it."""

    update: Update
    updates: int = 1
    """How often the optimizer steps on it."""
    cost: UpdateCost = field(default_factory=UpdateCost)
    """The cost on this rank; once groups are shared, that of all ranks."""
    groups: Sequence[Group] = ()
    """The groups of this rank; none in an SFT update."""
    first_group: int = 0
    """The number of this rank's first group among those of all ranks."""
    terms: Sequence[Term] = ()
    """The terms of this rank, where the loss is a sum of terms."""
    whole: Share = field(default_factory=Share)
    """What the terms of all ranks hold together."""
    weights: dict[tuple[Ids, Ids], float] = field(default_factory=dict)
    """Context and target -> what the row weighs, its advantage included, of the rows of this rank's terms."""
    results: list[Result] = field(default_factory=list)
    """What every rank is told of all groups of all ranks, in rank order."""
    rewards: list[float] = field(default_factory=list)
    """The rewards of all rows trained on, of all ranks."""
    demonstrations: Sequence[Demonstration] = ()
    """The demonstrations of all ranks; none in an RL update."""
    divergence_sum: float = 0.0
    """The sum of KL(policy || reference) over this rank's demonstration tokens so far, where the update measures it."""
    divergence: float | None = None
    """The mean over those of all ranks, once all are through; None where it is not measured."""
    learning_rate: float = 0.0
    update_norm: float | None = None
    """The L2 norm of what the optimizer changed in all trained weights; None: it was not taken."""
    refills: int = 0
    """How often the update took other questions, since none of its groups taught anything."""
    norms: list[float] = field(default_factory=list)
    """The norms of its gradients before clipping, one for each time that the optimizer was to step."""
    stood_still: int = 0
    """How often the gradient was exactly zero, so that the optimizer did not step."""
    started: float = field(default_factory=time.monotonic)

    def take_groups(self, groups: Sequence[Group], with_reference: bool) -> None:
        """Counts what training on this rank's groups costs, and tells every rank of all groups, rewards and costs.

        Groups that are left out cost no more than their sampling, which is counted by now.
        """
        for group in groups:
            if group.trained:
                self.cost.train_on(group, with_reference)
        self.share_groups(groups)
        self._add_costs()

    def share_groups(self, groups: Sequence[Group]) -> None:
        """Tells every rank of all groups and rewards; what training on them costs is not counted."""
        self.groups = groups
        rewards = [r.verdict.reward for g in groups for r in g.rollouts if g.trained]
        shares = gather_object([([Result.of(group) for group in groups], rewards)])
        for rank, (their_results, their_rewards) in enumerate(shares):
            if rank == PartialState().process_index:
                self.first_group = len(self.results)
            self.results += their_results
            self.rewards += their_rewards

    def take_terms(self, terms: Sequence[Term], with_reference: bool) -> None:
        """Counts what training on the terms of this rank costs, and tells every rank what all of them hold."""
        self.terms = terms
        rows = [row for term in terms for row in term.rows]
        if self.update.measure_only:
            self.cost.measure(Demonstration(row.context, row.target) for row in rows)
        else:
            self.cost.train_on_rows(rows, with_reference, self.updates)
        self.whole = term_weights.joined(gather_object([Share.of(terms)]))
        self._add_costs()

    def _add_costs(self) -> None:
        for rank, cost in enumerate(gather_object([self.cost])):
            if rank != PartialState().process_index:  # one's own comes back as a copy
                self.cost.add(cost)

    def take_demonstrations(
        self, examples: Sequence[Example], rows: Sequence[Demonstration]
    ) -> None:
        """Counts what learning from `rows`, the demonstrations of `examples`, costs, or measuring their gradient."""
        self.demonstrations = rows
        if self.update.measure_only:
            self.cost.measure(rows)
        else:
            self.cost.learn(examples, rows)
        if self.update.measures != "norm":
            alone = self.update.measure_only and self.update.measures == "divergence"
            self.cost.measure_divergence(rows, alone)

    def spent_after(self, spent: Spent, parameters: int) -> Spent:
        """What the run will have spent after this update, whose rows are known; of its time, what has passed so far.

        `spent` itself stays as it is. All ranks enter.
        """
        after = deepcopy(spent)
        self.charge(after, parameters)
        return after

    def take_divergence(self) -> float:
        """The mean divergence over the demonstration tokens of all ranks, the same on each. All ranks enter."""
        mean = sum(gather_object([self.divergence_sum])) / self.target_tokens
        # A KL that is 0 may come out a rounding error below it.
        self.divergence = 0.0 if mean < 0 else mean
        return self.divergence

    def charge(self, spent: Spent, parameters: int) -> float:
        """Adds what this update cost to what the run has spent. Returns its seconds, by rank 0's clock on all ranks."""
        seconds: float = broadcast_object_list([time.monotonic() - self.started])[0]
        spent.clock(seconds, PartialState().num_processes)
        spent.add(self.cost, parameters)
        return seconds

    @property
    def trained(self) -> list[bool] | None:
        """Whether each row of this rank is learned from; None, on every rank, where all rows of all ranks are."""
        if all(result.trained for result in self.results):
            return None
        return [group.trained for group in self.groups for _ in group.rollouts]

    @property
    def uniform_rows(self) -> list[bool]:
        """Whether each row, of all ranks in rank order, is of a group whose rewards are all equal."""
        return [result.uniform for result in self.results for _ in range(result.size)]

    @property
    def target_tokens(self) -> int:
        """The tokens in the loss of an SFT update, over all ranks."""
        return sum(len(target) for _, target in self.demonstrations)

    def metrics_line(self, step: int, logs: Mapping[str, Any], spent: Spent) -> dict[str, Any]:
        """The line of metrics.jsonl for this update, optimizer step `step` from 1; `logs` is what TRL logged of it."""
        logs = {**logs, "learning_rate": self.learning_rate}
        if self.update_norm is not None:
            logs["update_norm"] = self.update_norm
        if self.stood_still == self.updates:
            logs["zero_gradient"] = 1
        if self.refills:
            logs["refills"] = self.refills
        kind, results, rewards = self.update.kind, self.results, self.rewards
        line = step_lines.metrics_line(step, kind, logs, results, rewards, self.cost, spent)
        line |= {name: value for name, value in logs.items() if name.startswith("term/")}
        return line if self.divergence is None else line | {"divergence": self.divergence}

    def rollout_rows(
        self, step: int, decode: Callable[[Ids], str], advantages: Iterable[float] | None
    ) -> list[dict[str, Any]]:
        """The rollouts of all ranks; `advantages` are those of all ranks, None: what their rows in the terms weigh."""
        rows = list(step_lines.rollout_rows(step, self.groups, self.first_group, decode))
        if advantages is None:
            advantages = gather_object(self._own_weights())
        gathered = zip(gather_object(rows), advantages, strict=True)
        return [row | {"advantage": advantage} for row, advantage in gathered]

    def completion_logs(self, has_ended: Callable[[Ids], bool]) -> dict[str, float]:
        """What TRL logs of completions, of all ranks, for a loss of terms; empty without any. All ranks enter."""
        completions = [rollout.completion for group in self.groups for rollout in group.rollouts]
        found = gather_object([(len(one), has_ended(one)) for one in completions])
        if not found:
            return {}
        return {
            "completions/mean_length": sum(length for length, _ in found) / len(found),
            "completions/clipped_ratio": sum(not ended for _, ended in found) / len(found),
        }

    def _own_weights(self) -> list[float]:
        """What each rollout of this rank weighs; 0 where no term has it."""
        return [
            self.weights.get((group.example.prompt_ids + group.prefix, rollout.completion), 0.0)
            for group in self.groups
            for rollout in group.rollouts
        ]
