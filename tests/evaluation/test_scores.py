"""What graded solutions come to: votes, the k of pass@k, and the flat line of a summary."""

from dataclasses import replace

import pytest

from hybrid_rl.evaluation import scores
from hybrid_rl.evaluation.scores import Answered, AnsweredQuestion
from hybrid_rl.evaluation.statistics import Interval
from tests.evaluation.test_evaluate import run


def row(*votes: str | None) -> AnsweredQuestion:
    """A question whose samples vote so."""
    samples = [
        Answered("", "correct" if vote == "correct" else "wrong", 1, False, vote) for vote in votes
    ]
    return AnsweredQuestion("id", None, "p", "a", samples[0], tuple(samples))


@pytest.mark.parametrize(
    ("votes", "right"),
    [
        (["correct", "x", "x"], False),
        (["x", "correct", "correct"], True),
        (["correct", "x"], True),
        (["x", "correct"], False),
        ([None, None, "correct"], True),
        ([None, None], False),
    ],
)
def test_the_majority_goes_to_the_answer_sampled_first_of_a_tie(
    votes: list[str | None], right: bool
) -> None:
    assert row(*votes).majority_correct is right


def test_a_question_scores_by_every_measure() -> None:
    """The first of three samples stands for the greedy solution."""
    found = [row("x", "y", "correct").score(m) for m in ("greedy", "avg", "maj", "pass")]
    assert found == [0.0, pytest.approx(1 / 3), 0.0, 1.0]
    assert row("x", "y").score("pass") == 0.0


@pytest.mark.parametrize(
    ("samples", "found"), [(0, []), (1, [1]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_k_doubles_up_to_the_number_of_samples(samples: int, found: list[int]) -> None:
    assert scores.ks(samples) == found


def test_a_flat_summary_has_each_number_with_its_bounds() -> None:
    summary = replace(run(None, samples=0), greedy=Interval(0.5, 0.25, 0.75))
    assert summary.flat() == {
        "questions": 2,
        "greedy": 0.5,
        "greedy_low": 0.25,
        "greedy_high": 0.75,
        "truncated_rate": 0.5,
        "unparseable_rate": 0.0,
        "timeout_rate": 0.0,
        "completion_tokens_mean": 4.0,
    }


@pytest.mark.parametrize(
    ("cut", "told"), [(0.87, " (87 % cut at 1,024 tokens)"), (0.2, ""), (None, "")]
)
def test_in_words_an_accuracy_stands_with_the_share_that_was_cut_if_it_is_large(
    cut: float | None, told: str
) -> None:
    """None is a summary of an older version."""
    summary = replace(run(None, samples=0), greedy_truncated_rate=cut)
    whole = replace(summary, greedy_truncated_rate=0.0)
    shown = scores.in_words({"exam": summary, "easy": whole}, 1024)
    assert shown == f"exam 0.500{told}, easy 0.500"
    unknown = told.replace("1,024 tokens", "the length limit")
    assert scores.in_words({"exam": summary}) == f"exam 0.500{unknown}"


def test_the_share_of_greedy_solutions_that_were_cut_leaves_out_samples() -> None:
    cut = Answered("", "truncated", 8, True, None)
    whole = Answered("", "wrong", 8, False, None)
    asked = AnsweredQuestion("q", None, "?", "7", cut, (whole, whole, whole))
    summary = scores.summarise([asked, replace(asked, greedy=whole)])
    assert (summary.greedy_truncated_rate, summary.truncated_rate) == (0.5, 0.125)
