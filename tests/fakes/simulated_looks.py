"""Thousands of studies that add seeds until they are decided, over known truths: how often they err, what they save.

The p-values are those of `contrasts.contrast`, written a second time for many studies at once; everything else about a
look follows the rule that is tested. `python -m tests.fakes.simulated_looks` prints the whole table (a minute or two).
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from hybrid_rl.evaluation.statistics import Array
from hybrid_rl.reporting.comparison.contrasts import LEVEL
from hybrid_rl.reporting.comparison.looks import Rule

QUESTIONS = 128


@dataclass(frozen=True)
class Simulated:
    """The p-values `[arm, study, look]` of studies with one truth."""

    rule: Rule
    p: Array

    @property
    def crossed(self) -> Array:
        return self.p <= np.array(self.rule.levels())

    @property
    def decided(self) -> Array:
        """Whether an arm is decided in the end: `[arm, study]`."""
        return self.crossed.any(axis=2)

    @property
    def any_decided(self) -> float:
        """The share of studies that decide about some arm; without a difference, the error over all arms together."""
        return float(self.decided.any(axis=0).mean())

    @property
    def seeds(self) -> Array:
        """The seeds that an arm gets: `[arm, study]`."""
        first = self.crossed.argmax(axis=2) + self.rule.first
        return np.where(self.decided, first, self.rule.most)

    @property
    def runs(self) -> float:
        """The runs of a study, those of the reference among them, as a share of a fixed design's with most seeds."""
        seeds = self.seeds
        whole = self.rule.most * (self.rule.arms + 1)
        return float((seeds.sum(axis=0) + seeds.max(axis=0)).mean() / whole)

    @property
    def fixed(self) -> Array:
        """Whether a fixed design with most seeds decides, at the whole of the same shared level: `[arm, study]`."""
        return self.p[:, :, -1] <= LEVEL / self.rule.arms


def simulate(rule: Rule, studies: int, gain: float, spread: float, seed: int = 0) -> Simulated:
    """Studies whose arms all differ from the reference by `gain`; `spread` is the standard deviation over seeds.

    The p-values are those of the hypothesis that they differ by 0.
    """
    generator = np.random.default_rng(seed)
    chances = generator.uniform(0.2, 0.6, (studies, 1, QUESTIONS))
    reference = answers(generator, chances, rule.most, spread)
    arms = [answers(generator, chances + gain, rule.most, spread) for _ in range(rule.arms)]
    return Simulated(rule, looked_at(rule, reference, arms, 0.0))


def looked_at(rule: Rule, reference: Array, arms: Sequence[Array], gain: float) -> Array:
    """The p-values `[arm, study, look]` of the hypothesis that arms differ from the reference by `gain`."""
    seeds = range(rule.first, rule.most + 1)
    by_arm = [[p_values(reference[:, :n], arm[:, :n], gain) for n in seeds] for arm in arms]
    return np.array(by_arm).transpose(0, 2, 1)


def answers(generator: np.random.Generator, chances: Array, seeds: int, spread: float) -> Array:
    """`[study, seed, question]`, right or wrong; a seed moves all chances by a draw with this standard deviation."""
    moved = chances + spread * generator.standard_normal((len(chances), seeds, 1))
    return (generator.random(moved.shape, dtype=np.float32) < moved).astype(np.float32)


def p_values(reference: Array, other: Array, gain: float = 0.0) -> Array:
    """The p-value of every study's difference, from tables `[study, seed, question]`."""
    _, seeds, questions = reference.shape
    parts = [_parts(table) for table in (reference, other)]
    of_seeds, of_rest = (_sum(a, b, f) for (a, b), f in zip(
        zip(*parts, strict=True), (seeds - 1, (seeds - 1) * (questions - 1)), strict=True
    ))  # fmt: skip
    difference = other.mean(axis=1) - reference.mean(axis=1)
    mean = difference.mean(axis=1) - gain
    of_questions = (difference.var(axis=1, ddof=1) / questions, questions - 1.0)
    larger = of_seeds[0] >= of_questions[0]
    value, freedom = (np.where(larger, *pair) for pair in zip(of_seeds, of_questions, strict=True))
    both = of_seeds[0] + of_questions[0] - of_rest[0]
    spread = 1e-30 + sum(part**2 / f for part, f in (of_seeds, of_questions, of_rest))
    more = both > value
    value = np.where(more, both, value)
    freedom = np.where(more, np.maximum(1.0, both**2 / spread), freedom)
    return np.maximum(_p(mean, *of_seeds), _p(mean, value, freedom))


def _parts(table: Array) -> tuple[Array, Array]:
    """What seeds, and what the rest, add to the variance of the mean of every study."""
    _, seeds, questions = table.shape
    by_seed, by_question = table.mean(axis=2), table.mean(axis=1)
    rest = table - by_seed[:, :, None] - by_question[:, None, :]
    rest += table.mean(axis=(1, 2))[:, None, None]
    cells = (seeds - 1) * (questions - 1) * seeds * questions
    return by_seed.var(axis=1, ddof=1) / seeds, (rest**2).sum(axis=(1, 2)) / cells


def _sum(one: Array, other: Array, freedom: float) -> tuple[Array, Array]:
    value = one + other
    return value, np.maximum(1e-9, value**2 * freedom / (one**2 + other**2 + 1e-30))


def _p(mean: Array, value: Array, freedom: Array) -> Array:
    found: Array = 2 * special.stdtr(freedom, -np.abs(mean) / np.sqrt(value + 1e-30))
    return found


def table(studies: int = 1000) -> str:
    """The whole table, in Markdown: a line per design and truth."""
    columns = (
        *("first", "most", "arms", "sd", "effect", "some arm decided", "power", "fixed design"),
        *("seeds of an arm", "runs, share"),
    )
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    for first, most, arms in ((3, 8, 1), (3, 8, 3), (3, 12, 1), (3, 12, 3), (3, 12, 8)):
        for spread in (0.10, 0.15):
            for gain in (0.0, 0.1, 0.2, 0.3):
                found = simulate(Rule(first, most, arms), studies, gain, spread)
                cells = [f"{first}", f"{most}", f"{arms}", f"{spread}", f"{gain}"]
                cells += [f"{found.any_decided:.3f}", f"{found.decided.mean():.2f}"]
                cells += [f"{found.fixed.mean():.2f}", f"{found.seeds.mean():.1f}"]
                lines.append("| " + " | ".join([*cells, f"{found.runs:.2f}"]) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table())
