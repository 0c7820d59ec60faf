"""Chained sums for pretrained models: `61+58-86`, solved line by line, `61+58=119`, then `119-86=33`.

A solution writes each operation in a line of its own and ends with the result, `#### 33`, as GSM8K's do. No result on
the way is below zero. A product is taken of all that stands before it, which brackets say: `(61+58)*3`. How hard the
sums are is set by the number of terms, their size, and the operations. Knows no model and no file.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from hybrid_rl.config.data import Operation, Range
from hybrid_rl.data.questions import GeneratedQuestion
from hybrid_rl.errors import DataError

_PATIENCE = 1000  # so many draws in a row without a new sum, and there is hardly one left


@dataclass(frozen=True)
class Chain:
    """A first term, and operations that are applied to it in order."""

    first: int
    steps: tuple[tuple[Operation, int], ...]


def draw(rng: Random, terms: Range, size: Range, operations: Sequence[Operation]) -> Chain:
    """A random chain.

    The number of terms and each term are uniform in their ranges, and each operation among those that do not lead below
    zero. One of `operations` must be a sum or a product, which never do.
    """
    assert 2 <= terms[0] <= terms[1]
    assert 0 <= size[0] <= size[1]
    assert {*operations} & {"+", "*"}
    count = rng.randint(*terms)
    first = total = rng.randint(*size)
    steps: list[tuple[Operation, int]] = []
    for _ in range(count - 1):
        term = rng.randint(*size)
        operation = rng.choice([one for one in operations if one != "-" or term <= total])
        total = _applied(total, operation, term)
        steps.append((operation, term))
    return Chain(first, tuple(steps))


def question(chain: Chain) -> str:
    """The expression, with brackets where a product would else take its last term alone: `(61+58)*3-86`."""
    text, is_sum = str(chain.first), False
    for operation, term in chain.steps:
        if operation == "*" and is_sum:
            text = f"({text})"
        text, is_sum = f"{text}{operation}{term}", operation != "*"
    return text


def answer(chain: Chain) -> str:
    """The result of the last operation: `33`."""
    return str([chain.first, *_totals(chain)][-1])


def solution(chain: Chain) -> str:
    """The expert's solution: a line for each operation, then the result after ####."""
    lines, total = [], chain.first
    for (operation, term), following in zip(chain.steps, _totals(chain), strict=True):
        lines.append(f"{total}{operation}{term}={following}")
        total = following
    return "\n".join([*lines, f"#### {total}"])


def rows(
    size: int, seed: int, terms: Range, numbers: Range, operations: Sequence[Operation]
) -> list[GeneratedQuestion]:
    """`size` distinct chains of `numbers`; the first are the same whatever the size.

    The level is the number of terms. Raises DataError where new chains can no longer be found.
    """
    rng = Random(f"chain-{seed}")
    found: dict[Chain, None] = {}
    misses = 0
    while len(found) < size:
        chain = draw(rng, terms, numbers, operations)
        misses = misses + 1 if chain in found else 0
        if misses == _PATIENCE:
            of = f"chains of {terms} terms from {numbers[0]} to {numbers[1]}"
            raise DataError(f"size = {size}: only about {len(found)} {of} can be found")
        found[chain] = None
    return [
        GeneratedQuestion(question(one), answer(one), solution(one), str(1 + len(one.steps)))
        for one in found
    ]


def _totals(chain: Chain) -> Iterator[int]:
    """The result after each operation."""
    total = chain.first
    for operation, term in chain.steps:
        total = _applied(total, operation, term)
        yield total


def _applied(total: int, operation: Operation, term: int) -> int:
    match operation:
        case "+":
            return total + term
        case "-":
            return total - term
        case "*":
            return total * term
