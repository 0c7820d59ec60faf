"""What token ids mean: text, ends, padding."""

import pytest

pytest.importorskip("torch")

from hybrid_rl.models.vocabulary import Vocabulary
from tests.fakes import tiny


def test_a_solution_is_read_without_the_token_that_ended_it() -> None:
    vocabulary = tiny.vocabulary()
    assert vocabulary.solution_text((2, 3, 1)) == "0 1"
    assert vocabulary.solution_text((2, 3)) == "0 1"
    assert vocabulary.decode((2, 3, 1)) == "0 1 <end>"


def test_a_completion_without_an_end_was_cut() -> None:
    vocabulary = tiny.vocabulary()
    assert vocabulary.has_ended((2, 1))
    assert not vocabulary.has_ended((1, 2))
    assert not vocabulary.has_ended(())


def test_of_several_ends_a_demonstration_takes_the_tokenizer_s_own() -> None:
    assert Vocabulary(tiny.tokenizer(), [5, 1]).end_id == 1
    assert Vocabulary(tiny.tokenizer(), [5, 6]).end_id == 5
    assert tiny.vocabulary().pad_id == 0
