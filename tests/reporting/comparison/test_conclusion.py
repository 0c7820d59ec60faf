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
    assert told.startswith("On hard (40 questions, 3 seeds), bread (0.9")
    assert re.search(
        r"p < 0\.001\) is better than grpo \(0\.\d+\) in greedy accuracy\. Nothing", told
    )
    assert re.search(
        r" Nothing can be concluded about the greedy accuracy of sft \(0\.\d+, difference [+-]0\.\d+\) against grpo"
        r" \(0\.\d+\): the difference may be chance \(p > 0\.05\)\. This study is likely to find differences of"
        r" 0\.\d\d or more\.$",
        told,
    )


def test_seeds_that_disagree_are_no_conclusion(tmp_path: Path) -> None:
    """One seed gains everything, the other nothing."""
    studies.write_study(tmp_path, {"grpo": 0.0, "bread": 0.0}, seeds=(0, 1))
    run = tmp_path / "bread" / "seed_0"
    gained = recorded.rows(["correct"] * 40, [["correct"] * 2] * 40)
    recorded.write_evaluation(recorded.RunDir(run), "after", "hard", gained)
    assert conclusion(_compared(tmp_path)) == (
        "On hard (40 questions, 2 seeds), nothing can be concluded about the greedy accuracy of bread (0.500,"
        " difference +0.500) against grpo (0.000): the difference may be chance (p > 0.05). The seeds are so few, or"
        " differ so much, that this study could not be sure to find any difference."
    )


def test_one_seed_is_no_conclusion_however_clear(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.0, "bread": 1.0}, seeds=(0,))
    found = _compared(tmp_path)
    assert conclusion(found) == (
        "On hard (40 questions, 1 seed), nothing can be concluded about the greedy accuracy of bread (1.000,"
        " difference +1.000) against grpo (0.000): one seed tells nothing about how another would end. Over the"
        " questions of these runs alone, the difference is clear for bread (1.000, difference +1.000, p < 0.001)."
    )
    assert found.notes[0] == (
        "Only one run was evaluated of grpo, bread: an interval of one run does not include the spread between seeds."
    )


def test_arms_that_agree_on_every_question_are_no_conclusion(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 1.0, "bread": 1.0})
    assert conclusion(_compared(tmp_path)).endswith(
        "bread (1.000, difference +0.000) against grpo (1.000): no difference was seen on any question."
    )


def test_one_arm_is_compared_with_nothing(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 1.0})
    assert conclusion(_compared(tmp_path)) == (
        "Nothing can be compared: grpo is the only arm that has been evaluated. Its greedy accuracy on hard is 1.000."
    )


def test_arms_are_named_on_either_side_of_the_reference(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.5, "bread": 1.0, "relift": 1.0, "sft": 0.0})
    told = conclusion(_compared(tmp_path))
    assert re.fullmatch(
        r"On hard \(40 questions, 3 seeds\), bread \(1\.000, .*\) and relift \(1\.000, .*\) are better than grpo"
        r" \(0\.\d+\) in greedy accuracy\. sft \(0\.000, difference -0\.\d+, p .*\) is worse than grpo \(0\.\d+\) in"
        r" greedy accuracy\.",
        told,
    )
