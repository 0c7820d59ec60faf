"""One outcome of a comparison: a measure on a set of questions at a moment, with a figure per arm. It reads no file.

One outcome is primary: the study named it before anything was run. Its p-values and intervals hold for all arms
together. All others are exploratory: theirs are of each arm alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from hybrid_rl.evaluation import statistics
from hybrid_rl.evaluation.scores import AnsweredQuestion, Measure
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.recording.looks import Look
from hybrid_rl.recording.run_directory import Moment
from hybrid_rl.reporting.comparison import crossed, simultaneous, typical
from hybrid_rl.reporting.comparison.contrasts import LEVEL, Contrast, contrast, seed_correlation
from hybrid_rl.reporting.comparison.simultaneous import Together

Table = list[list[float]]
"""The score of every question by run, `[run][question]`, with the questions in one order."""


@dataclass(frozen=True)
class About:
    """What an outcome is about."""

    set: str
    measure: Measure
    moment: Moment
    questions: int
    samples: int
    primary: bool = False


@dataclass(frozen=True)
class Answers:
    """The answered questions of the runs of one arm, with the questions in one order."""

    seeds: list[int]
    runs: list[list[AnsweredQuestion]]

    @property
    def cut(self) -> float:
        """The share of all solutions, greedy and sampled, that were cut at the length limit."""
        every = [one for run in self.runs for row in run for one in (row.greedy, *row.samples)]
        return sum(one.truncated for one in every) / len(every)

    def table(self, measure: Measure) -> Table:
        return scores(self.runs, measure)

    def by_seed(self, measure: Measure) -> dict[int, list[float]]:
        """The scores by seed; the last run of a seed counts, since runs of one seed are not independent."""
        return dict(zip(self.seeds, self.table(measure), strict=True))


@dataclass(frozen=True)
class Figure:
    """The accuracy of an arm, as a mean over seeds and questions, and how it differs from the reference."""

    arm: str
    seeds: list[int]
    value: Interval
    typical: Interval | None
    """The interquartile mean over the runs; None with fewer than four."""
    contrast: Contrast | None
    """The difference from the reference, of this arm alone; None for the reference, and where it was not evaluated."""
    together: Together | None = None
    """The same among all arms, for the primary outcome."""
    improvement: Interval | None = None
    """The chance that a run of this arm scores above one of the reference; None where either has one run."""
    seed_correlation: float | None = None
    """How this arm and the reference go together over the seeds that they share; None where too few are shared."""
    within_margin: bool = False
    """Whether a study that adds seeds has found that the arm differs by less than its margin."""
    cut: float = 0.0
    """The share of all solutions, greedy and sampled, that were cut at the length limit."""

    @property
    def told(self) -> Together | Contrast | None:
        """The p-value and the interval to show: those for all arms together where there are such, else its own."""
        return self.together or self.contrast

    @property
    def decided(self) -> bool:
        """Whether the difference is more than chance; never with one seed, which tells nothing about another."""
        several = self.contrast is not None and self.contrast.seeds > 1
        return several and self.together is not None and self.together.p <= LEVEL


@dataclass(frozen=True)
class Outcome:
    """One measure on one set of questions at one moment, with a figure per arm that was evaluated."""

    about: About
    figures: list[Figure]
    base: Interval | None
    """The base model's accuracy; None where no run evaluated it, and for runs that did not begin from one model."""


def outcome(
    about: About,
    answers: Mapping[str, Answers],
    reference: str,
    base: Sequence[Sequence[AnsweredQuestion]],
    looks: Mapping[str, Look] = MappingProxyType({}),
) -> Outcome:
    """The outcome of all arms in `answers`; `base` holds the base model's answers, once for every run that has them.

    `looks`: the last look at every arm, where the study added seeds by what they saw of this outcome.
    """
    measure = about.measure
    found = {arm: one.by_seed(measure) for arm, one in answers.items()}
    own = found.pop(reference, {})
    contrasts = _contrasts(about, own, found) if own else {}
    together: dict[str, Together] = {}
    if looks:
        contrasts |= _at_looks(own, found, looks)
        together = {arm: _of_look(looks.get(arm), one) for arm, one in contrasts.items()}
    elif about.primary:
        made = simultaneous.together([*contrasts.values()])
        together = dict(zip(contrasts, made, strict=True))
    figures = []
    for arm, one in answers.items():
        compared, improvement, correlation = contrasts.get(arm), None, None
        if compared is not None:
            correlation = _correlation(own, found[arm])
        if compared is not None and compared.seeds > 1:
            runs = [*own.values()], [*found[arm].values()]
            improvement = typical.probability_of_improvement(*runs)
        table = one.table(measure)
        figures.append(
            Figure(
                arm,
                one.seeds,
                crossed.interval(table),
                typical.interquartile_mean(table),
                compared,
                together.get(arm),
                improvement,
                correlation,
                arm in looks and looks[arm].decision == "within margin",
                one.cut,
            )
        )
    return Outcome(about, figures, _base_accuracy(base, measure))


def scores(runs: Sequence[Sequence[AnsweredQuestion]], measure: Measure) -> Table:
    return [[row.score(measure) for row in run] for run in runs]


def _contrasts(
    about: About, own: Mapping[int, list[float]], others: Mapping[str, Mapping[int, list[float]]]
) -> dict[str, Contrast]:
    """The contrast of every arm with the reference; arms of the primary outcome share the error level."""
    level = LEVEL / len(others) if about.primary and others else LEVEL
    return {
        arm: contrast([*own.values()], [*by_seed.values()], level)
        for arm, by_seed in others.items()
    }


def _at_looks(
    own: Mapping[int, list[float]],
    others: Mapping[str, Mapping[int, list[float]]],
    looks: Mapping[str, Look],
) -> dict[str, Contrast]:
    """The contrast of every arm over the seeds of its last look, for the arms that still have them."""
    found = {}
    for arm, look in looks.items():
        by_seed = others.get(arm, {})
        if own.keys() & by_seed.keys() >= set(look.seeds):
            first, other = ([of[seed] for seed in look.seeds] for of in (own, by_seed))
            found[arm] = contrast(first, other, LEVEL / len(others))
    return found


def _of_look(look: Look | None, compared: Contrast) -> Together:
    """What all looks at an arm say together; nothing where there was none."""
    if look is None:
        return Together(1.0, Interval(compared.difference.value, -1.0, 1.0))
    return Together(look.p_together, Interval(look.difference, look.low, look.high))


def _correlation(own: Mapping[int, list[float]], other: Mapping[int, list[float]]) -> float | None:
    common = [seed for seed in other if seed in own]
    return seed_correlation([own[seed] for seed in common], [other[seed] for seed in common])


def _base_accuracy(runs: Sequence[Sequence[AnsweredQuestion]], measure: Measure) -> Interval | None:
    """The accuracy of the one model that all runs began from: questions are drawn, runs only sample it again."""
    if not runs:
        return None
    means = np.mean(scores(runs, measure), axis=0)
    if measure == "greedy":
        return statistics.wilson(float(means.sum()), means.size)
    return statistics.bootstrap_mean(means.tolist())
