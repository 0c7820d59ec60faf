"""SFT: every update is supervised, and nothing is sampled; DFT is its factor."""

import pytest

from hybrid_rl.methods.base import Plan
from hybrid_rl.methods.sft import Sft, SftSettings
from hybrid_rl.methods.terms import Factor
from hybrid_rl.types import Update
from tests.fakes.reference_row import coefficients, example


def test_sft_is_supervised_throughout_and_never_samples() -> None:
    method = Sft(SftSettings(name="sft", factor="one"), {}, seed=0, steps=5)
    assert [method.next_update(step, 0.0) for step in range(5)] == [Update("sft")] * 5
    assert method.settings.plan(5) == Plan(opening=5, fewest=5, expected=5)
    assert Sft.needs_traces
    assert method.settings.group_size is None


@pytest.mark.parametrize(
    ("factor", "expected"),
    [("one", [0.5, 0.5]), ("p", [0.1, 0.35]), ("p(1-p)", [0.08, 0.105])],
)
def test_a_factor_weighs_tokens_and_not_their_number(factor: Factor, expected: list[float]) -> None:
    settings = SftSettings(name="sft", factor=factor)
    assert Sft.composes(settings) == (factor != "one")
    terms = Sft(settings, {}, 0, 5).terms(0, Update("sft"), [], [example()])
    ((_, found),) = coefficients(terms)
    assert found == pytest.approx(expected)
