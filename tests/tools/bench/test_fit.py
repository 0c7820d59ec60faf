"""The exponent of made-up times is the one that they were made with."""

import pytest

from hybrid_rl.tools.bench.fit import fit


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2])
def test_exact_powers_have_their_exponent(exponent: float) -> None:
    sizes = [3, 6, 12, 24]
    found = fit(sizes, [0.7 * size**exponent for size in sizes])
    assert found.exponent == pytest.approx(exponent, abs=1e-9)
    assert found.error == pytest.approx(0, abs=1e-9)


def test_only_the_three_largest_sizes_count() -> None:
    """What each time has beside the work weighs most where there is little work."""
    assert fit([1, 10, 20, 40], [99.0, 10.0, 20.0, 40.0]).exponent == pytest.approx(1)


def test_the_fit_says_by_how_much_it_misses_a_time_at_most() -> None:
    """The middle one of 1, 2, 4 seconds took 2.2: the line through the logarithms passes a third of that above."""
    found = fit([1, 2, 4], [1.0, 2.2, 4.0])
    assert found.exponent == pytest.approx(1)
    assert found.error == pytest.approx(1 - 1.1 ** (-2 / 3))
