"""The lines of one step, worked out by hand."""

from hybrid_rl.recording.budget import Spent, UpdateCost
from hybrid_rl.recording.step_lines import (
    decision_line,
    metrics_line,
    rollout_rows,
    trained_rows,
)
from hybrid_rl.types import Demonstration, Example, Group, Kind, Result, Rollout, Update, Verdict

EXAMPLE = Example("q", (2, 3), "2 3", "5")
SOLVED = Rollout((4, 1), Verdict("correct", 1.0))
FAILED = Rollout((5, 5), Verdict("truncated", 0.0))
GROUP = Group(EXAMPLE, (SOLVED, FAILED), prefix=(7,), trained=False)
LOGS = {
    "loss": 0.5,
    "grad_norm": 2.0,
    "completions/mean_length": 2.0,
    "completions/clipped_ratio": 0.5,
    "entropy": 1.5,
}


def line_of(kind: Kind, logs: dict[str, float], *results: Result) -> dict[str, object]:
    cost = UpdateCost()
    cost.outcomes.update(correct=1, truncated=3)
    other = UpdateCost(scores={"brief": -1.0, "form": 3.0})  # of another rank
    cost.add_scores({"brief": -1.0})
    cost.add(other)
    logs = {**logs, "learning_rate": 1e-3}
    return metrics_line(3, kind, logs, results, [1.0, 0.0, 0.5], cost, Spent())


def test_an_rl_line_counts_correct_rollouts_of_trained_groups_only() -> None:
    left_out = Result("b", correct=4, size=4, trained=False)
    line = line_of("rl", LOGS, Result("a", correct=1, size=4), left_out)
    assert (line["step"], line["kind"], line["learning_rate"]) == (3, "rl", 1e-3)
    assert (line["reward_mean"], line["correct_mean"]) == (0.5, 0.25)
    assert (line["outcome/correct"], line["outcome/truncated"]) == (0.25, 0.75)
    assert (line["reward/brief"], line["reward/form"]) == (-0.5, 0.75)
    assert "kl" not in line
    assert line_of("rl", LOGS | {"kl": 0.1}, left_out, Result("a", 1, 4))["kl"] == 0.1


def test_where_all_groups_are_left_out_nothing_is_said_of_the_policy() -> None:
    """TRL logs zeros then, which an alarm would take for a policy that has lost its entropy."""
    logs = LOGS | {"entropy": 0.0, "kl": 0.0}
    line = line_of("rl", logs, Result("b", correct=4, size=4, trained=False))
    assert line["entropy"] is None
    assert "kl" not in line
    assert line_of("rl", logs, Result("b", correct=4, size=4))["entropy"] == 0.0


def test_groups_without_an_advantage_are_uniform_or_left_out() -> None:
    found = [Result("a", 1, 4), Result("b", 0, 4, uniform=True), Result("c", 2, 4, trained=False)]
    assert line_of("rl", LOGS, *found)["zero_advantage_groups"] == 2 / 3
    assert line_of("rl", LOGS, found[0])["zero_advantage_groups"] == 0.0
    alone = Result("a", 1, 1, uniform=True)  # a rollout that is judged among those of another group
    assert line_of("rl", LOGS, found[1], found[0], alone)["zero_advantage_groups"] == 0.5


def test_an_sft_line_says_nothing_of_rollouts() -> None:
    line = line_of("sft", LOGS)
    assert {"loss", "grad_norm", "flops"} <= set(line)
    assert not {"reward_mean", "entropy", "outcome/correct", "reward/form"} & set(line)


def test_a_decision_has_the_update_s_note_and_every_group() -> None:
    line = decision_line(3, Update("rl", note={"p": 0.5}), [Result("a", 1, 4)])
    assert (line["step"], line["kind"], line["note"]) == (3, "rl", {"p": 0.5})
    assert [group["example_id"] for group in line["groups"]] == ["a"]


def test_rollout_rows_number_groups_over_all_ranks_and_keep_prefix_and_completion_apart() -> None:
    first, second = rollout_rows(3, [GROUP], 8, lambda ids: " ".join(map(str, ids)))
    assert (first["group"], first["prompt"], first["prefix"]) == (8, "2 3", "7")
    assert (first["completion"], second["completion"]) == ("4 1", "5 5")
    assert [row["outcome"] for row in (first, second)] == ["correct", "truncated"]
    assert first["trained"] is False


def test_trained_rows_have_the_prefix_in_the_context_and_not_in_the_target() -> None:
    first, _, shown = trained_rows([GROUP], [Demonstration((2,), (3, 1))])
    assert first["context_ids"] == [2, 3, 7]
    assert first["target_ids"] == [4, 1]
    assert shown == {"context_ids": [2], "target_ids": [3, 1]}
