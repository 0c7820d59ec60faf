"""One outcome and its figures: what is decided, and which error level an arm has."""

import pytest

from hybrid_rl.evaluation.scores import AnsweredQuestion
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.reporting.comparison.contrasts import Contrast, contrast
from hybrid_rl.reporting.comparison.outcomes import About, Answers, Figure, outcome, scores
from hybrid_rl.reporting.comparison.simultaneous import Together
from hybrid_rl.types import Outcome
from tests.fakes import recorded

VALUE = Interval(0.5, 0.4, 0.6)


@pytest.mark.parametrize(
    ("seeds", "p", "decided"), [(2, 0.05, True), (2, 0.06, False), (1, 0.001, False)]
)
def test_an_arm_is_decided_by_the_corrected_p_and_never_with_one_seed(
    seeds: int, p: float, decided: bool
) -> None:
    alone = Contrast(seeds, 9, VALUE, 0.001, None)
    assert Figure("bread", [0], VALUE, None, alone, Together(p, VALUE)).decided is decided
    assert not Figure("bread", [0], VALUE, None, alone).decided


def _answers(*right: int) -> Answers:
    """A run for each number: so many of ten questions are solved."""

    def run(solved: int) -> list[AnsweredQuestion]:
        greedy: list[Outcome] = ["correct"] * solved + ["wrong"] * (10 - solved)  # type: ignore[assignment,list-item]  # literals
        return recorded.rows(greedy, [[]] * 10)

    return Answers(list(range(len(right))), [run(solved) for solved in right])


def test_the_arms_of_the_primary_outcome_share_the_error_level() -> None:
    answers = {"grpo": _answers(2, 3, 4), "bread": _answers(6, 8, 7), "sft": _answers(3, 2, 4)}
    tables = {arm: scores(one.runs, "greedy") for arm, one in answers.items()}
    for primary, level in ((True, 0.025), (False, 0.05)):
        about = About("hard", "greedy", "after", 10, 0, primary)
        figure = outcome(about, answers, "grpo", []).figures[1]
        assert figure.contrast == contrast(tables["grpo"], tables["bread"], level)
        assert (figure.together is not None) is primary


def test_a_probability_of_improvement_needs_two_runs_of_each() -> None:
    about = About("hard", "greedy", "after", 10, 0)
    for reference, found in (((2, 3), Interval(1.0, 0.386, 1.0)), ((2,), None)):
        answers = {"grpo": _answers(*reference), "bread": _answers(6, 8)}
        improvement = outcome(about, answers, "grpo", []).figures[1].improvement
        if found is None:
            assert improvement is None
        else:
            assert improvement == Interval(1.0, pytest.approx(found.low, abs=1e-3), 1.0)
