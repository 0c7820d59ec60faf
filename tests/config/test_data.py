"""The data settings: limits of the generators, and what a source must say."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from hybrid_rl.config.data import Source
from tests.fakes.rows import settings

LEDGER = {"kind": "ledger", "size": 5, "seed": 0, "traces": "mixed"}
CHAIN = {"kind": "chain", "size": 5, "seed": 0, "low": 10}
PLUS = {"operations": ["+"]}
KNIGHTS = {"kind": "knights", "size": 5, "seed": 0}
WITHIN = "must be two increasing numbers from {} to {}; give a range within that"
BESIDE = (
    "must be two increasing numbers from 0 to 4, the most operations, the first at most 2, the fewest;"
    " give a range within that"
)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (LEDGER | {"operations": (0, 3), "subtractions": None}, WITHIN.format(1, 16)),
        (LEDGER | {"operations": (4, 3), "subtractions": None}, WITHIN.format(1, 16)),
        (LEDGER | {"operations": (1, 17), "subtractions": None}, WITHIN.format(1, 16)),
        (LEDGER | {"operations": (2, 4), "subtractions": (3, 4)}, BESIDE),
        (LEDGER | {"operations": (2, 4), "subtractions": (0, 5)}, BESIDE),
        (LEDGER | {"operations": (2, 4), "subtractions": (-1, 2)}, BESIDE),
        (LEDGER | {"operations": (2, 4), "subtractions": (2, 1)}, BESIDE),
        (CHAIN | PLUS | {"high": 99, "terms": (1, 3)}, WITHIN.format(2, 20)),
        (
            CHAIN | PLUS | {"high": 9, "terms": (2, 3)},
            "must be at least 10, the smallest term; give more, or a smaller low",
        ),
        (
            CHAIN | {"high": 99, "terms": (2, 3), "operations": ["-"]},
            'must have "+" or "*" beside "-", for no result may be below zero; add one',
        ),
        (
            CHAIN | {"high": 99, "terms": (2, 3), "operations": ["+", "+"]},
            "must name each operation once; leave the second one out",
        ),
        (KNIGHTS | {"people": (1, 3)}, WITHIN.format(2, 8)),
        (KNIGHTS | {"people": (2, 9)}, WITHIN.format(2, 8)),
        (KNIGHTS | {"people": (5, 4)}, WITHIN.format(2, 8)),
    ],
)
def test_ranges_that_a_generator_cannot_draw_from_are_refused(
    source: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(Source).validate_python(source)

    assert [error["msg"] for error in raised.value.errors()] == [message]


@pytest.mark.parametrize(
    "source",
    [
        LEDGER | {"operations": (1, 16), "subtractions": (1, 16)},
        LEDGER | {"operations": (12, 12), "subtractions": (10, 10)},
        CHAIN | {"high": 10, "terms": (2, 20), "operations": ["*", "-"]},
        KNIGHTS | {"people": (2, 8)},
    ],
)
def test_ranges_may_reach_their_limits(source: dict[str, Any]) -> None:
    assert TypeAdapter(Source).validate_python(source).model_dump() == source


@pytest.mark.parametrize(("traces", "kept"), [(1, int), (1.0, float), (0, int), (None, type(None))])
def test_traces_are_a_count_or_with_a_decimal_point_a_share(traces: Any, kept: type) -> None:
    assert type(settings(traces=traces).traces) is kept


@pytest.mark.parametrize("traces", [-1, 1.5, -0.5])
def test_no_other_number_of_traces_is_taken(traces: float) -> None:
    with pytest.raises(ValidationError):
        settings(traces=traces)
