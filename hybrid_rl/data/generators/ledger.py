"""The embedded default task: keep a running total modulo 100 over labelled additions and subtractions.

A question is a start value and labelled operations, `2 7 | a -1 b -3 c +2`; a solution writes one line per operation
(label, the operation copied, the new total) and ends with the total, `# 2 5`. Every symbol is one word between blanks,
so a word-level tokenizer over `vocabulary()` reads all of it. Knows no model and no file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb
from random import Random
from typing import Literal

from hybrid_rl.config.data import MOST_OPERATIONS, Range
from hybrid_rl.data.questions import GeneratedQuestion
from hybrid_rl.errors import DataError

LABELS = "abcdefghijklmnop"
assert len(LABELS) == MOST_OPERATIONS
LARGEST = 3
"""The largest number that one operation adds or takes away."""
MODULUS = 100
TERSE_STRIDE = 3
"""A terse solution writes one line of so many."""
VERBOSE_SHARE = 0.4
"""The share of verbose solutions where they are mixed."""
Kind = Literal["verbose", "terse"]
"""verbose: every line is written; terse: every third, counted from the end, so that the last operation is there."""
Kinds = Literal["verbose", "terse", "mixed"]


@dataclass(frozen=True)
class Problem:
    """A start value from 0 to 99, and 1 to 16 operations, each of them 1 to 3 added or taken away."""

    start: int
    operations: tuple[int, ...]


def vocabulary() -> list[str]:
    """All symbols of questions and solutions, in a fixed order."""
    signed = [f"{n:+d}" for n in range(-LARGEST, LARGEST + 1) if n]
    return [*"0123456789", *LABELS, *signed, "|", "#"]


def draw(rng: Random, operations: Range, subtractions: Range | None) -> Problem:
    """A random problem.

    The number of operations is uniform in its range, then that of subtractions (at most one per operation); None makes
    each sign a fair coin. The ranges are those that the settings allow.
    """
    assert 1 <= operations[0] <= operations[1] <= MOST_OPERATIONS
    assert subtractions is None or 0 <= subtractions[0] <= min(subtractions[1], operations[0])
    count = rng.randint(*operations)
    if subtractions is None:
        negative = [rng.random() < 0.5 for _ in range(count)]
    else:
        minus = rng.randint(subtractions[0], min(subtractions[1], count))
        chosen = set(rng.sample(range(count), minus))
        negative = [i in chosen for i in range(count)]
    sizes = [rng.randint(1, LARGEST) for _ in range(count)]
    signed = [-size if minus else size for size, minus in zip(sizes, negative, strict=True)]
    return Problem(rng.randrange(MODULUS), tuple(signed))


def question(problem: Problem) -> str:
    """The problem as the model reads it: `2 7 | a -1 b -3 c +2`."""
    steps = [f"{label} {n:+d}" for label, n in zip(LABELS, problem.operations, strict=False)]
    return " ".join([_digits(problem.start), "|", *steps])


def answer(problem: Problem) -> str:
    """The final total in two digits: `2 5`."""
    return _digits((problem.start + sum(problem.operations)) % MODULUS)


def solution(problem: Problem, kind: Kind) -> str:
    """The expert's solution: lines for all operations or for some, then the total."""
    lines = _lines(problem.start, problem.operations)
    if kind == "terse":
        lines = lines[(len(lines) - 1) % TERSE_STRIDE :: TERSE_STRIDE]
    return "\n".join([*lines, f"# {answer(problem)}"])


def pupil_solution(problem: Problem, rng: Random, misread: float = 0.6) -> str:
    """The solution of a pupil who reads each minus as a plus with probability `misread`, and then computes correctly.

    The base model is pre-trained on these: format and arithmetic are right, hard problems hardly ever are.
    """
    read = tuple(-n if n < 0 and rng.random() < misread else n for n in problem.operations)
    return solution(Problem(problem.start, read), "verbose")


def picked_up(problem: Problem, rng: Random, misread: float = 0.6) -> tuple[str, str]:
    """Some correct lines of a solution, in order but with gaps, and how the pupil goes on after the last of them.

    Pre-training shows the first and teaches the second, so that the base model can go on from any line, its label
    telling where it stands; it never learns to leave lines out by itself.
    """
    done = rng.randrange(len(problem.operations))
    right = _lines(problem.start, problem.operations)
    shown = [line for line in right[:done] if rng.random() < 0.5] + [right[done]]
    read = [-n if n < 0 and rng.random() < misread else n for n in problem.operations[done + 1 :]]
    total = (problem.start + sum(problem.operations[: done + 1])) % MODULUS
    rest = _lines(total, tuple(read), LABELS[done + 1 :])
    end = f"# {_digits((total + sum(read)) % MODULUS)}"
    return "\n".join(shown), "\n".join([*rest, end])


def rows(
    size: int, seed: int, operations: Range, subtractions: Range | None, traces: Kinds
) -> list[GeneratedQuestion]:
    """`size` distinct questions; the first of them are the same whatever the size and the kind of traces.

    The level is the number of subtractions. Raises DataError where there are fewer different questions than asked for.
    """
    available = count_problems(operations, subtractions)
    if size > available:
        ranges = f"operations {operations} and subtractions {subtractions}"
        raise DataError(f"size = {size}: {ranges} allow only {available} questions")
    found: dict[Problem, None] = {}
    rng = Random(f"ledger-{seed}")
    while len(found) < size:
        found[draw(rng, operations, subtractions)] = None
    return [
        GeneratedQuestion(
            *(question(problem), answer(problem), solution(problem, kind)),
            level=str(sum(n < 0 for n in problem.operations)),
        )
        for problem, kind in zip(found, _kinds(seed, traces), strict=False)
    ]


def count_problems(operations: Range, subtractions: Range | None) -> int:
    """How many different problems there are."""
    low, high = subtractions or (0, operations[1])
    return sum(
        MODULUS * LARGEST**count * comb(count, minus)
        for count in range(operations[0], operations[1] + 1)
        for minus in range(low, min(high, count) + 1)
    )


def _lines(start: int, operations: tuple[int, ...], labels: str = LABELS) -> list[str]:
    lines, total = [], start
    for label, n in zip(labels, operations, strict=False):
        total = (total + n) % MODULUS
        lines.append(f"{label} {n:+d} {_digits(total)}")
    return lines


def _kinds(seed: int, traces: Kinds) -> Iterator[Kind]:
    """The kind of each question's trace, without end."""
    # A stream of its own: the questions must not depend on the kind of traces.
    rng = Random(f"ledger-traces-{seed}")
    while True:
        verbose = rng.random() < VERBOSE_SHARE
        yield traces if traces != "mixed" else "verbose" if verbose else "terse"


def _digits(total: int) -> str:
    return " ".join(f"{total:02d}")
