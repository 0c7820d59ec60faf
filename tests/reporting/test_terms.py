"""The table of a run's terms, worked out by hand."""

from hybrid_rl.reporting.terms import panels, rewards, summary


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


def test_how_far_further_updates_moved_the_policy_is_told() -> None:
    lines = [
        {"step": s, "term/0/weight": 1.0, "ratio_mean": 0.99, "clip_fraction": 0.1 * s}
        for s in (1, 2)
    ]
    assert summary(lines)[3:] == [
        "| mean ratio of new to old probabilities, in updates after the first on a batch | 0.99 | 0.99 |",
        "| share of tokens that the clip holds, in the same updates | 0.1 | 0.2 |",
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


def test_panels_have_the_means_of_all_runs_in_bins_of_steps() -> None:
    """Two runs; a term whose tokens are all the expert's, or none, has no panel of their share."""
    first = [
        {"step": 1, "term/sft/weight": 3.0, "term/sft/expert_share": 1.0, "term/rl/weight": 1.0},
        {"step": 2, "term/sft/weight": 0.0, "term/rl/weight": 0.0, "term/rl/expert_share": 0.25},
    ]
    second = [{"step": 1, "term/rl/weight": 2.0, "term/rl/expert_share": 0.75}]
    found = {panel["title"]: panel for panel in panels([first, second])}
    assert list(found) == [
        "term sft: share of the step",
        "term rl: share of the step",
        "share of tokens of term rl that are the expert's",
    ]
    sft, rl, expert = found.values()
    assert (sft["values"], rl["values"]) == ([0.375, None], [0.625, None])
    assert (expert["values"], expert["steps"], expert["top"]) == ([0.75, 0.25], [1.0, 2.0], 1)


def test_a_single_term_has_no_share_of_the_step() -> None:
    line = {"step": 1, "term/0/weight": 3.0, "term/0/expert_share": 0.5}
    (panel,) = panels([[line]])
    assert panel["title"] == "share of tokens in the loss that are the expert's"
    assert panels([[{"step": 1, "loss": 0.0}]]) == panels([[]]) == []
