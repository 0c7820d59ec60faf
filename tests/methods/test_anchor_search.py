"""Episode Anchor Search, and the settings that bound it."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from hybrid_rl.methods.anchor_search import AnchorSearch
from hybrid_rl.methods.bread import BreadSettings


def settings(**changed: Any) -> BreadSettings:
    values: dict[str, Any] = {
        "name": "bread",
        "group_size": 8,
        "on_failure": "search",
        "episodes": 10,
        "order": "bisect",
        "low": None,
        "high": None,
        "max_probes": None,
        "warm_start": False,
        "max_prefix_share": 1.0,
        "max_prefix_tokens": None,
    }
    return BreadSettings.model_validate(values | changed)


def searched(
    rates: Sequence[float], low: float = 0.2, high: float = 0.8, **options: Any
) -> AnchorSearch:
    """A finished search over prefixes with these success rates, k = 1 first."""
    search = AnchorSearch(hi=len(rates), tau_lo=low, tau_hi=high, **options)
    while not search.done:
        search = search.step(rates[search.cut - 1])
    return search


def tried(search: AnchorSearch) -> list[int]:
    return [k for k, _ in search.probes]


CASES = {
    "A ordinary": ([0, 0, 0, 0, 0.1, 0.3, 0.6, 0.9, 1], [5, 7, 6], 6),
    "B never": ([0] * 9, [5, 7, 8, 9], None),
    "C trivially easy": ([1] * 9, [5, 2, 1], None),
    "D step curve": ([0] * 6 + [1] * 3, [5, 7, 6], None),
    "E short enough at once": ([0.5, 0.6, 0.7, 0.9, 1, 1, 1, 1, 1], [5, 2, 1], 1),
    "F only out-of-range mixed": ([0] * 7 + [0.125, 0.875], [5, 7, 8, 9], 8),
}


@pytest.mark.parametrize(("rates", "probes", "chosen"), CASES.values(), ids=CASES)
def test_the_search_makes_the_probes_of_the_table(
    rates: list[float], probes: list[int], chosen: int | None
) -> None:
    search = searched(rates)
    assert (tried(search), search.chosen) == (probes, chosen)
    assert search.probes == tuple((k, rates[k - 1]) for k in probes)


@pytest.mark.parametrize(
    ("case", "probes", "chosen", "in_range"),
    [
        ("A ordinary", [5, 7, 6], 6, True),
        ("B never", [5, 7, 8, 9], None, False),
        ("C trivially easy", [5, 2, 1], None, False),
        ("D step curve", [5, 7, 6], None, False),
        ("E short enough at once", [5, 2, 1], 1, True),
        ("F only out-of-range mixed", [5, 7, 8], 8, True),
    ],
)
def test_the_search_with_the_default_range_of_eight_rollouts(
    case: str, probes: list[int], chosen: int | None, in_range: bool
) -> None:
    search = searched(CASES[case][0], 1 / 8, 7 / 8)
    assert (tried(search), search.chosen, search.best is not None) == (probes, chosen, in_range)


def test_a_group_out_of_range_is_only_a_fallback() -> None:
    assert searched(CASES["F only out-of-range mixed"][0]).best is None


def test_the_first_in_range_ends_the_search() -> None:
    search = searched(CASES["A ordinary"][0], order="first_in_range")
    assert (tried(search), search.chosen) == ([5, 7], 7)


def test_linear_order_goes_up_until_it_is_in_range_or_too_easy() -> None:
    in_range = searched([0, 0, 0.1, 0.5, 0.6], order="linear")
    assert (tried(in_range), in_range.chosen) == ([1, 2, 3, 4], 4)
    too_easy = searched([0, 0, 1, 0.5], order="linear")
    assert (tried(too_easy), too_easy.chosen) == ([1, 2, 3], None)


def test_a_bound_on_probes_ends_any_search() -> None:
    assert tried(searched([0] * 9, order="linear", most=3)) == [1, 2, 3]
    assert tried(searched([0] * 9, most=2)) == [5, 7]


def test_a_warm_start_probes_the_old_anchor_first_and_bisects_from_there() -> None:
    search = searched(CASES["A ordinary"][0], first=8)
    assert (tried(search), search.chosen) == ([8, 4, 6, 5], 6)


def test_nothing_to_try_is_done_at_once() -> None:
    assert AnchorSearch(hi=0, tau_lo=0.2, tau_hi=0.8).done


@given(
    rates=st.lists(st.integers(0, 8).map(lambda c: c / 8), min_size=1, max_size=40),
    low=st.integers(1, 7),
    width=st.integers(0, 6),
    order=st.sampled_from(["bisect", "first_in_range", "linear"]),
    first=st.integers(1, 40) | st.none(),
)
def test_a_search_is_short_never_repeats_itself_and_takes_the_shortest_in_range(
    rates: list[float], low: int, width: int, order: Any, first: int | None
) -> None:
    tau_lo, tau_hi = low / 8, min(low + width, 7) / 8
    warm = first is not None and order != "linear"
    search = searched(
        rates, tau_lo, tau_hi, order=order, first=min(first, len(rates)) if warm and first else None
    )
    options = settings(order=order, warm_start=warm)
    assert len(search.probes) <= options.most_probes(len(rates))
    assert len(set(tried(search))) == len(search.probes)
    in_range = [k for k, rate in search.probes if tau_lo <= rate <= tau_hi]
    mixed = [k for k, rate in search.probes if 0 < rate < 1]
    assert search.best == min(in_range, default=None)
    assert search.chosen == (min(in_range) if in_range else min(mixed, default=None))


def test_bisection_takes_at_most_the_published_number_of_probes() -> None:
    counts = [settings().most_probes(longest) for longest in (0, 1, 2, 3, 4, 7, 8, 9, 15, 16)]
    assert counts == [0, 1, 2, 2, 3, 3, 4, 4, 4, 5]
    assert settings(warm_start=True).most_probes(9) == 5
    assert settings(order="linear").most_probes(9) == 9
    assert settings(order="linear", max_probes=6).most_probes(9) == 6
    assert settings(order="random").most_probes(9) == 1


def test_the_range_defaults_to_mixed_groups() -> None:
    assert (settings(group_size=16).tau_lo, settings(group_size=16).tau_hi) == (1 / 16, 15 / 16)
    assert (settings(low=0.2, high=0.8).tau_lo, settings(low=0.2, high=0.8).tau_hi) == (0.2, 0.8)


@pytest.mark.parametrize(
    ("size", "in_range"),
    [(2, [1]), (3, [1, 2]), (4, [1, 2, 3]), (8, [2, 3, 4, 5, 6]), (16, list(range(4, 13)))],
)
def test_the_middle_half_holds_some_mixed_group_of_every_size(
    size: int, in_range: list[int]
) -> None:
    middle = settings(group_size=size, low=0.25, high=0.75)
    found = [k for k in range(size + 1) if middle.tau_lo <= k / size <= middle.tau_hi]
    assert found == in_range


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"low": 0.9},
            "low = 0.9, high = 0.875: low must not exceed high; null stands for 1/8 and 7/8",
        ),
        (
            {"low": 0.4, "high": 0.6, "group_size": 3},
            "low = 0.4, high = 0.6: no mixed group of group_size = 3 has its share of correct "
            "rollouts in that range, so no search could end in it; widen it, or raise group_size",
        ),
        (
            {"low": 0.9, "high": 0.99},
            "low = 0.9, high = 0.99: no mixed group of group_size = 8 has its share of correct "
            "rollouts in that range, so no search could end in it; widen it, or raise group_size",
        ),
        (
            {"warm_start": True, "order": "linear"},
            "warm_start = true has no meaning for order = linear; set it to false, or order to "
            "bisect or first_in_range",
        ),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(
    changed: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        settings(**changed)
    assert raised.value.errors()[0]["msg"] == f"Value error, {message}"
