"""The conclusion in words: what is better, what is worse, and why nothing can be said of the rest."""

import re
from pathlib import Path

from hybrid_rl.reporting.comparison import arms
from hybrid_rl.reporting.comparison.compare import Comparison, compare
from hybrid_rl.reporting.comparison.conclusion import conclusion
from tests.fakes import recorded, studies


def _compared(path: Path) -> Comparison:
    return compare(arms.read([path]))


def test_a_clear_difference_over_seeds_is_concluded(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9, "sft": 0.1})
    told = conclusion(_compared(tmp_path))
    assert re.fullmatch(
        r"bread is better than grpo by 0\.\d\d \[0\.\d\d, 0\.\d\d\]\."
        r" Not decided: sft \([+-]0\.\d\d \[-0\.\d\d, 0\.\d\d\]\), since the difference may be chance \(p > 0\.05\)\."
        r" This study is likely to find differences of 0\.\d\d or more\."
        r" All of this is about greedy accuracy on hard, 40 questions, 3 seeds\.",
        told,
    )


def test_seeds_that_disagree_are_no_conclusion(tmp_path: Path) -> None:
    """One seed gains everything, the other nothing."""
    studies.write_study(tmp_path, {"grpo": 0.0, "bread": 0.0}, seeds=(0, 1))
    run = tmp_path / "bread" / "seed_0"
    gained = recorded.rows(["correct"] * 40, [["correct"] * 2] * 40)
    recorded.write_evaluation(recorded.RunDir(run), "after", "hard", gained)
    assert conclusion(_compared(tmp_path)) == (
        "Not decided: bread (+0.50 [-1.00, 1.00]), since the difference may be chance (p > 0.05). The seeds are so"
        " few, or differ so much, that this study could not be sure to find any difference. All of this is about"
        " greedy accuracy on hard, 40 questions, 2 seeds."
    )


def test_one_seed_is_no_conclusion_however_clear(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.0, "bread": 1.0}, seeds=(0,))
    found = _compared(tmp_path)
    assert conclusion(found) == (
        "Not decided: bread (+1.00 [0.82, 1.00]), since one seed tells nothing about how another would end. Over the"
        " questions of these runs alone, the difference is clear for bread. All of this is about greedy accuracy on"
        " hard, 40 questions, 1 seed."
    )
    assert found.notes[0] == (
        "Only one run was evaluated of grpo, bread: an interval of one run does not include the spread between seeds."
    )


def test_arms_that_agree_on_every_question_are_no_conclusion(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 1.0, "bread": 1.0})
    told = conclusion(_compared(tmp_path))
    assert told.startswith("Not decided: bread (+0.00 [")
    assert "), since no difference was seen on any question. All of this" in told


def test_one_arm_is_compared_with_nothing(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 1.0})
    assert conclusion(_compared(tmp_path)) == (
        "Nothing can be compared: grpo is the only arm that has been evaluated. Its greedy accuracy on hard is 1.000."
    )


def test_arms_are_named_on_either_side_of_the_reference(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.5, "bread": 1.0, "relift": 1.0, "sft": 0.0})
    told = conclusion(_compared(tmp_path))
    assert re.fullmatch(
        r"bread is better than grpo by (0\.\d\d \[.*\]) and relift by \1\. sft is worse than grpo by 0\.\d\d"
        r" \[0\.\d\d, 0\.\d\d\]\. All of this is about greedy accuracy on hard, 40 questions, 3 seeds\.",
        told,
    )
