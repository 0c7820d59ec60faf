"""The table of a run's terms, worked out by hand."""

from hybrid_rl.reporting.terms import rewards, summary


def test_each_term_has_its_share_of_the_step_by_thirds() -> None:
    lines = [
        {"step": step, "term/rl/weight": 1.0, "term/sft/weight": 3.0, "term/sft/p": 0.25 * step}
        for step in (1, 2, 3)
    ]
    assert summary(lines) == [
        "|  | steps 1-1 | steps 2-2 | steps 3-3 |",
        "| --- | --- | --- | --- |",
        "| term rl: share of the step | 0.25 | 0.25 | 0.25 |",
        "| term sft: share of the step | 0.75 | 0.75 | 0.75 |",
        "| term sft: mean probability of its tokens | 0.25 | 0.5 | 0.75 |",
    ]


def test_a_step_without_any_weight_says_nothing() -> None:
    lines = [{"step": 1, "term/0/weight": 0.0}]
    assert summary(lines)[-1] == "| term 0: share of the step | - |"


def test_a_loss_that_is_no_sum_of_terms_has_no_table() -> None:
    assert summary([{"step": 1, "loss": 1.0}]) == []


def test_each_term_of_the_reward_has_its_mean_score_by_thirds() -> None:
    lines = [{"step": step, "reward/brief": -0.5 * step} for step in (1, 2, 4)]
    lines[1:1] = [{"step": 3}]  # an SFT step grades nothing
    assert rewards(lines, {"terms": {"brief": {"weight": 0.2, "length": [4, 8]}}}) == [
        "|  | steps 1-1 | steps 2-2 | steps 4-4 |",
        "| --- | --- | --- | --- |",
        "| brief, weight 0.2 | -0.5 | -1 | -2 |",
    ]
    assert rewards([{"step": 1}], {}) == []
