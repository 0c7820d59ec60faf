"""Tables of right and wrong answers, drawn with known effects of seed and question."""

import numpy as np

from hybrid_rl.evaluation.statistics import Array


def questions(generator: np.random.Generator, size: int) -> Array:
    """Chances of a right answer that differ from question to question, between .25 and .75, .5 on the mean."""
    return generator.uniform(0.25, 0.75, size)


def answers(
    generator: np.random.Generator, chances: Array, seeds: int, spread: float, gain: float = 0.0
) -> list[list[float]]:
    """`[seed][question]`, right or wrong; a seed moves all chances by a draw with this standard deviation."""
    moved = chances + gain + spread * generator.standard_normal((seeds, 1))
    table: list[list[float]] = (generator.random(moved.shape) < moved).astype(float).tolist()
    return table
