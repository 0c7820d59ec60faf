"""Adapters by our names and by PEFT's."""

import pytest

from hybrid_rl.config.model import LoraSettings


@pytest.mark.parametrize(
    ("given", "rank", "alpha", "dropout"),
    [
        ({}, 16, 32.0, 0.0),
        ({"rank": 8}, 8, 16.0, 0.0),
        ({"r": 8}, 8, 16.0, 0.0),
        ({"r": 8, "lora_alpha": 8, "lora_dropout": 0.1}, 8, 8.0, 0.1),
    ],
)
def test_what_is_not_given_has_a_default_and_alpha_follows_the_rank(
    given: dict[str, float], rank: int, alpha: float, dropout: float
) -> None:
    found = LoraSettings.model_validate(given)
    assert (found.rank, found.alpha, found.dropout) == (rank, alpha, dropout)
    assert found.target_modules == "all-linear"
    assert LoraSettings.model_validate_json(found.model_dump_json()) == found
