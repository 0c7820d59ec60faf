"""Saved solutions graded again, by another grader and by the same."""

import json
from pathlib import Path

import pytest

from hybrid_rl.errors import SettingsError
from hybrid_rl.evaluation import rescore, scores
from hybrid_rl.types import Outcome
from hybrid_rl.verification.grader import Solution
from tests.evaluation.test_evaluate import LastLetter, run


class Lenient(LastLetter):
    """Takes what the other refuses: an answer without `#`."""

    def _outcome(self, solution: Solution) -> Outcome:
        return "correct" if "one" in solution.text else super()._outcome(solution)


def test_saved_solutions_are_graded_again_without_sampling(tmp_path: Path) -> None:
    first = run(tmp_path / "old" / "eval" / "after")
    out = tmp_path / "new"
    again = rescore.rescore(tmp_path / "old", ["hard"], Lenient(), out)["hard"]  # type: ignore[arg-type]  # a fake
    assert again.avg is not None
    assert again.avg.value == 0.5
    assert again.unparseable_rate == 0
    assert (again.greedy, again.completion_tokens_mean) == (
        first.greedy,
        first.completion_tokens_mean,
    )
    assert scores.read_summaries(out) == {"hard": again}
    how = json.loads((out / "summary.json").read_text())
    assert (how["samples"], how["temperature"], how["seed"]) == (4, 0.7, 5)
    assert how["rescored_from"] == str(tmp_path / "old" / "eval" / "after")


def test_grading_again_with_the_same_grader_changes_nothing(tmp_path: Path) -> None:
    first = run(tmp_path / "eval" / "after")
    again = rescore.rescore(tmp_path, ["hard"], LastLetter(), tmp_path / "new")  # type: ignore[arg-type]  # a fake
    assert again == {"hard": first}


def test_a_set_that_was_not_saved_cannot_be_graded_again(tmp_path: Path) -> None:
    run(tmp_path / "eval" / "after")
    with pytest.raises(SettingsError) as caught:
        rescore.rescore(tmp_path, ["easy"], LastLetter(), None)  # type: ignore[arg-type]  # a fake
    assert str(caught.value) == (
        f"eval.sets = ['easy']: {tmp_path}/eval/after has no saved solutions of easy; choose from hard"
    )
