"""BREAD (2025, arXiv 2506.17211): branched rollouts from expert anchors.

GRPO learns nothing from a question whose rollouts all fail. BREAD then looks for an anchor: the
shortest prefix of an expert's solution from which the student succeeds sometimes, but not always.
The rollouts from there are the group of the GRPO update. As the student improves, anchors move
towards the start of the solution. Expert tokens are context only: no loss falls on them.

There is no published code. Where the paper is silent we chose ourselves, and each choice but the last two is a setting:

- The target range is 1/4 to 3/4 of the group; "neither all nor none of it" would be [1/G, (G-1)/G].
- The search goes on below a prefix in range, for the shortest; about 4 probes for 10 episodes.
- With nothing in range, the shortest mixed group; with none of these, the question is left out.
- Episodes are those of `episodes.py`; the last one and the statement of the answer are never given away.
- The prefix counts towards the length limit of the completion.

One update, for each question q with an expert solution e:

1. Sample a group of G rollouts from q. If one is correct, the group stays as it is.
2. Else search an anchor (anchor_search.py): a question without a trace is left out; e is split into K episodes, and
   P_k is the first k of them, k < K; groups from q and P_k are sampled until the search ends.
3. The group of the anchor replaces the failed one; without an anchor the question is left out.
4. GRPO on the groups: q and P_k are context, and only what was sampled is in the loss.

All failing questions of a batch are probed together, one call of `attempt` per round, and the number
of rounds depends on settings only.
"""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from statistics import fmean, median_low
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from hybrid_rl.methods.anchor_search import AnchorSearch, Order, most_probes
from hybrid_rl.methods.base import Method, MethodSettings, Note
from hybrid_rl.methods.episodes import episode_cuts, shows_answer
from hybrid_rl.types import (
    Attempt,
    Attempts,
    Example,
    Examples,
    Group,
    Json,
    Result,
    Rollout,
    Update,
)

Groups = Sequence[Group]
FEW_HINTS = 4
"""With fewer prefixes than these a search is hardly one; our choice."""
MOST_LOOKED_AT = 1000
"""About the most traces that are cut for a remark; a long one takes some hundredths of a second."""


class BreadSettings(MethodSettings):
    group_size: int = Field(ge=2)
    """G: rollouts per question, and per probe."""
    on_failure: Literal["search", "expert_in_group", "extra_rollouts", "none"]
    """`search` is BREAD. The others are controls: the expert's solution takes the place of one rollout; there are as
    many unguided rollouts as the search could take; nothing is done, as in plain GRPO."""
    episodes: int = Field(ge=2)
    """K: most episodes of a solution."""
    order: Order
    """bisect finds the shortest prefix in range by halving; first_in_range stops at the first that is in range; linear
    goes from the shortest up; random, a control, tries one prefix that is drawn."""
    low: float | None = Field(gt=0, lt=1)
    """Least share of correct rollouts of the target range; null: 1/G."""
    high: float | None = Field(gt=0, lt=1)
    """Largest share of correct rollouts of the target range; null: (G-1)/G."""
    max_probes: int | None = Field(ge=1)
    """Most probes of one question; null: as many as the order needs."""
    warm_start: bool
    """Probe the question's previous anchor first."""
    max_prefix_share: float = Field(gt=0, le=1)
    """Longest prefix as a share of the expert's tokens."""
    max_prefix_tokens: int | None = Field(ge=1)
    """Longest prefix in tokens; null: no limit of its own."""

    @property
    def tau_lo(self) -> float:
        return 1 / self.group_size if self.low is None else self.low

    @property
    def tau_hi(self) -> float:
        return (self.group_size - 1) / self.group_size if self.high is None else self.high

    @property
    def extra_rollouts(self) -> int:
        """Most rollouts besides the first group: a search that goes on to its end, or the control that equals it."""
        searches = self.on_failure in ("search", "extra_rollouts")
        return searches * self.group_size * self.most_probes(self.episodes - 1)

    def hints(self, cuts: Sequence[int], tokens: int) -> tuple[int, ...]:
        """Those of the cuts of a trace of `tokens` that are short enough to be given."""
        most = self.max_prefix_share * tokens
        if self.max_prefix_tokens is not None:
            most = min(most, self.max_prefix_tokens)
        return tuple(cut for cut in cuts if cut <= most)

    def obstacles(
        self, examples: Sequence[Example], questions_per_update: int, section: str = "method"
    ) -> list[str]:
        """Says so where a search would have no prefix of any trace to give."""
        if self.on_failure != "search":
            return []
        for trace in (example.trace for example in examples):
            if trace and self.hints(episode_cuts(trace, self.episodes), len(trace.ids)):
                return []
        return [
            f"{section}.max_prefix_share = {self.max_prefix_share}: no trace has a prefix that is as short as this and"
            f" {section}.max_prefix_tokens ask for, so no hint would ever be given; raise them, or give traces of"
            " several steps"
        ]

    def remarks(self, examples: Sequence[Example], section: str = "method") -> list[str]:
        """Says so where most traces give a search too few prefixes."""
        if self.on_failure not in ("search", "extra_rollouts") or self.episodes <= FEW_HINTS:
            return []
        traces = [example.trace for example in examples if example.trace is not None]
        looked_at = traces[:: max(1, len(traces) // MOST_LOOKED_AT)]
        found = [self.hints(episode_cuts(one, self.episodes), len(one.ids)) for one in looked_at]
        few = sum(len(hints) < FEW_HINTS for hints in found)
        if 2 * few <= len(found):
            return []
        typical = max(2, median_low(len(hints) for hints in found) + 1)
        shares = [
            hints[-1] / len(one.ids) if hints else 0.0
            for hints, one in zip(found, looked_at, strict=True)
        ]
        return [
            f"{section}.episodes = {self.episodes}: {few:,} of {len(found):,} traces give fewer than {FEW_HINTS} "
            f"prefixes to search (mean {fmean(map(len, found)):.1f}, the longest {fmean(shares):.0%} of its trace); "
            f"set {section}.episodes={typical}, which most traces give, or use traces of more sentences, or with each "
            "step on a line of its own"
        ]

    def most_probes(self, longest: int) -> int:
        """The most probes that a search takes where P_`longest` is the longest prefix."""
        return most_probes(longest, self.order, self.warm_start, self.max_probes)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.tau_lo > self.tau_hi:
            raise ValueError(
                f"low = {self.tau_lo}, high = {self.tau_hi}: low must not exceed high; null stands "
                f"for 1/{self.group_size} and {self.group_size - 1}/{self.group_size}"
            )
        size = self.group_size
        if not any(self.tau_lo <= right / size <= self.tau_hi for right in range(1, size)):
            raise ValueError(
                f"low = {self.tau_lo}, high = {self.tau_hi}: no mixed group of group_size = {size} has its share of "
                "correct rollouts in that range, so no search could end in it; widen it, or raise group_size"
            )
        if self.warm_start and self.order not in ("bisect", "first_in_range"):
            raise ValueError(
                f"warm_start = true has no meaning for order = {self.order}; set it to false, or "
                "order to bisect or first_in_range"
            )
        return self


def informative(rollouts: Sequence[Rollout], size: int) -> tuple[Rollout, ...]:
    """`size` of the rollouts, correct ones up to half and then wrong ones, so that the group is mixed if it can be.

    Half and half has the largest variance of rewards; within each kind the first sampled go first.
    """
    right = [rollout for rollout in rollouts if rollout.verdict.correct]
    wrong = [rollout for rollout in rollouts if not rollout.verdict.correct]
    taken = max(min(len(right), size // 2), size - len(wrong))
    return (*right[:taken], *wrong[: size - taken])


class Bread(Method[BreadSettings]):
    needs_traces = True
    notes: ClassVar = {
        "outcome": Note("groups", "share", of="group"),
        "anchor": Note("episodes given (anchor)", "mean", of="group"),
        "episodes": Note("episodes of a solution that was searched", "mean", of="group"),
        "prefix_share": Note("share of the expert's trace given (anchor)", "share", of="group"),
        "shows_answer": Note("prefixes in which the answer appears", "share", of="group"),
    }

    def __init__(self, settings: BreadSettings, examples: Examples, seed: int, steps: int) -> None:
        super().__init__(settings, examples, seed, steps)
        self.rounds = settings.most_probes(settings.episodes - 1)
        self._cuts: dict[str, tuple[int, ...]] = {}
        self.anchors: dict[str, int] = {}
        """Question id -> the k of its last anchor."""
        self.totals: Counter[str] = Counter()
        """Running totals of groups by outcome, of probes, and of tokens given as prefixes."""

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        """Steps 1 to 3 give the groups: one with a correct rollout stays, all others are replaced together."""
        unguided = super().rollout(step, examples, attempt)
        failed = [group for group in unguided if group.correct == 0]
        replaced = iter(self._replace(step, failed, attempt))
        return [_noted(g, "unguided") if g.correct else next(replaced) for g in unguided]

    def next_update(self, step: int, progress: float) -> Update:
        return Update("rl", note=dict(self.totals))

    def observe_results(self, step: int, results: Sequence[Result]) -> None:
        """Remembers the anchors of all ranks, for a warm start."""
        for result in results:
            self.totals[result.note["outcome"]] += 1
            self.totals["probes"] += len(result.note.get("probes", ()))
            self.totals["prefix_tokens"] += result.prefix_tokens
            if result.note.get("anchor") is not None:
                self.anchors[result.example_id] = result.note["anchor"]

    def state_dict(self) -> dict[str, Json]:
        return {"anchors": dict(self.anchors), "totals": dict(self.totals)}

    def load_state_dict(self, state: Mapping[str, Json]) -> None:
        self.anchors = dict(state["anchors"])
        self.totals = Counter(state["totals"])

    def _replace(self, step: int, failed: Groups, attempt: Attempts) -> list[Group]:
        """The groups that the update uses instead of those that failed, one for each."""
        match self.settings.on_failure:
            case "search":
                return self._branch(step, failed, attempt)
            case "expert_in_group":
                return self._with_expert(failed, attempt)
            case "extra_rollouts":
                return self._with_extra_rollouts(failed, attempt)
            case _:
                return [_noted(group, "kept") for group in failed]

    def _branch(self, step: int, failed: Groups, attempt: Attempts) -> list[Group]:
        """Step 2, the Episode Anchor Search, for all failed questions in lock step; step 3 gives their groups."""
        size = self.settings.group_size
        searches = [self._search(step, group.example) for group in failed]
        probed: list[dict[int, Group]] = [{} for _ in failed]
        for _ in range(self.rounds):
            searching = [index for index, search in enumerate(searches) if not search.done]
            contexts = [self._context(failed[i].example, searches[i].cut) for i in searching]
            # An empty list too: every rank must enter generation in every round.
            rollouts = iter(attempt([context for context in contexts for _ in range(size)]))
            for index, context in zip(searching, contexts, strict=True):
                group = Group(context.example, tuple(islice(rollouts, size)), context.prefix)
                probed[index][searches[index].cut] = group
                searches[index] = searches[index].step(group.correct / size)
        return [
            self._anchored(group, search, groups)
            for group, search, groups in zip(failed, searches, probed, strict=True)
        ]

    def _search(self, step: int, example: Example) -> AnchorSearch:
        settings = self.settings
        longest = len(self._hints(example))
        first = None
        if longest and settings.order == "random":
            first = random.Random(f"{self.seed}-{step}-{example.id}").randint(1, longest)
        elif longest and settings.warm_start and example.id in self.anchors:
            first = min(self.anchors[example.id], longest)
        most = settings.most_probes(longest)
        return AnchorSearch(longest, settings.tau_lo, settings.tau_hi, settings.order, first, most)

    def _context(self, example: Example, k: int) -> Attempt:
        """The attempt that goes on from the prefix P_k."""
        assert example.trace is not None, "only a question with a trace has a prefix to try"
        return Attempt(example, prefix=example.trace.ids[: self._hints(example)[k - 1]])

    def _anchored(self, failed: Group, search: AnchorSearch, probed: Mapping[int, Group]) -> Group:
        """The group of the anchor, step 3; without one the failed group, which is not trained on."""
        trace, k = failed.example.trace, search.chosen
        if trace is None:
            return _noted(failed, "dropped: no trace", trained=False)
        probes = [list(probe) for probe in search.probes]
        episodes = len(self._cuts[failed.example.id]) + 1
        note: dict[str, Json] = {"episodes": episodes, "probes": probes, "anchor": k}
        if k is None:
            return _noted(failed, _why_dropped(search), note, trained=False)
        tokens = len(probed[k].prefix)
        note["prefix_share"] = round(tokens / len(trace.ids), 4)
        shown = trace.text[: trace.ends[tokens - 1]]
        note["shows_answer"] = shows_answer(shown, failed.example.answer)
        return _noted(probed[k], "mixed fallback" if search.best is None else "anchor", note)

    def _with_expert(self, failed: Groups, attempt: Attempts) -> list[Group]:
        """The groups of a control: the expert's whole solution stands in place of the last rollout, and is learned.

        `attempt` grades it and ends it with an end-of-sequence token, which a method does not know.
        """
        traced = [(g.example, g.example.trace) for g in failed if g.example.trace]
        experts = iter(attempt([Attempt(e, completion=trace.ids) for e, trace in traced]))
        return [
            _noted(
                replace(group, rollouts=(*group.rollouts[:-1], next(experts))), "expert in group"
            )
            if group.example.trace
            else _noted(group, "dropped: no trace", trained=False)
            for group in failed
        ]

    def _with_extra_rollouts(self, failed: Groups, attempt: Attempts) -> list[Group]:
        """The groups of a control: as many unguided rollouts as the longest search of the same trace would take."""
        size = self.settings.group_size
        counts = [size * self.settings.most_probes(len(self._hints(g.example))) for g in failed]
        contexts = [[Attempt(g.example)] * n for g, n in zip(failed, counts, strict=True)]
        rollouts = iter(attempt([context for several in contexts for context in several]))
        replaced = []
        for group, count in zip(failed, counts, strict=True):
            extra = list(islice(rollouts, count))
            right = sum(rollout.verdict.correct for rollout in extra)
            chosen = replace(group, rollouts=informative([*group.rollouts, *extra], size))
            outcome = "extra rollouts" if right else "dropped: extra rollouts fail"
            note = {"extra": count, "extra_correct": right}
            replaced.append(_noted(chosen, outcome, note, trained=right > 0))
        return replaced

    def _hints(self, example: Example) -> tuple[int, ...]:
        """The lengths in tokens of P_1 .. P_(K_max), step 2; empty without a trace."""
        if example.trace is None:
            return ()
        if example.id not in self._cuts:
            self._cuts[example.id] = episode_cuts(example.trace, self.settings.episodes)
        return self.settings.hints(self._cuts[example.id], len(example.trace.ids))


def _why_dropped(search: AnchorSearch) -> str:
    if not search.probes:
        return "dropped: no usable cut"
    # An unlimited search that only ever failed ended with the longest prefix.
    if all(rate == 0 for _, rate in search.probes) and search.lo > search.hi:
        return "dropped: longest prefix fails"
    return "dropped: no mixed probe"


def _noted(
    group: Group, outcome: str, note: Mapping[str, Json] | None = None, trained: bool = True
) -> Group:
    """`group` with its note for the decision log; `passed` counts the correct unguided rollouts."""
    triggered = outcome != "unguided"
    passed = 0 if triggered else group.correct
    full = {"passed": passed, "triggered": triggered, "outcome": outcome, **(note or {})}
    return replace(group, trained=trained, note=full)
