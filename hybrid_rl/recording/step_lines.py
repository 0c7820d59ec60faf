"""The lines that one optimizer step writes: metrics, decision and rollouts; and the protocol of what takes them.

Pure: it knows neither files nor models.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from hybrid_rl.methods.terms import Term
from hybrid_rl.recording.budget import Spent, UpdateCost
from hybrid_rl.types import Demonstration, Group, Ids, Kind, Result, Update


class Recorder(Protocol):
    """What training reports to, on rank 0 only. The doctor, the benchmark and the tests each bring their own."""

    def update(self, metrics: dict[str, Any], decision: dict[str, Any]) -> None:
        """Takes the two lines of an optimizer step, after every one."""

    def alarm(self, record: Mapping[str, Any]) -> None:
        """Takes an alarm that begins, or an update that is skipped."""

    def rollouts(self, step: int, rows: list[dict[str, Any]]) -> None:
        """Takes the rollouts of `step`, every train.rollouts_every steps."""

    def dev(self, step: int, line: Mapping[str, float]) -> None:
        """Takes what dev showed after `step`, as train.eval_every says and after the last; one may come twice."""


def metrics_line(
    step: int,
    kind: Kind,
    logs: Mapping[str, Any],
    results: Sequence[Result],
    rewards: Sequence[float],
    cost: UpdateCost,
    spent: Spent,
) -> dict[str, Any]:
    """One line of metrics.jsonl. `logs` is what TRL logged of the step, `rewards` those of the rows trained on."""
    line: dict[str, Any] = {"step": step, "kind": kind}
    line |= {name: logs[name] for name in ("loss", "grad_norm", "learning_rate")}
    line |= {
        name: logs[name] for name in ("update_norm", "zero_gradient", "refills") if name in logs
    }
    if kind == "rl":
        trained = [result for result in results if result.trained]
        groups = [result for result in results if result.size > 1]  # one rollout has no peers
        graded = max(1, sum(cost.outcomes.values()))
        line |= {
            "reward_mean": sum(rewards) / max(1, len(rewards)),
            "correct_mean": sum(r.correct for r in trained) / max(1, sum(r.size for r in trained)),
            "zero_advantage_groups": sum(r.uniform or not r.trained for r in groups)
            / max(1, len(groups)),
            "completion_tokens_mean": logs["completions/mean_length"],
            "truncated_rate": logs["completions/clipped_ratio"],
            # None: no token of the policy was computed, for which TRL logs 0 where all groups were left out.
            "entropy": logs.get("entropy") if trained else None,
        }
        of_policy = ("kl", "ratio_mean", "clip_fraction") if trained else ()
        line |= {name: logs[name] for name in of_policy if name in logs}
        line |= {f"outcome/{name}": count / graded for name, count in sorted(cost.outcomes.items())}
        line |= {f"reward/{name}": score / graded for name, score in sorted(cost.scores.items())}
    return line | spent.axes()


def decision_line(step: int, update: Update, results: Sequence[Result]) -> dict[str, Any]:
    """One line of decisions.jsonl: why this update, and why each group looks as it does."""
    groups = [asdict(result) for result in results]
    return {"step": step, "kind": update.kind, "note": dict(update.note), "groups": groups}


def rollout_rows(
    step: int, groups: Sequence[Group], first_group: int, decode: Callable[[Ids], str]
) -> Iterator[dict[str, Any]]:
    """Lines of rollouts/step_N.jsonl, all but the advantage; `first_group` numbers the groups over all ranks."""
    for index, group in enumerate(groups, start=first_group):
        for rollout in group.rollouts:
            yield {
                "step": step,
                "example_id": group.example.id,
                "group": index,
                "prompt": decode(group.example.prompt_ids),
                "prefix": decode(group.prefix),
                "completion": decode(rollout.completion),
                "answer": group.example.answer,
                "outcome": rollout.verdict.outcome,
                "reward": rollout.verdict.reward,
                **({"scores": dict(scores)} if (scores := rollout.verdict.scores) else {}),
                "trained": group.trained,
            }


def trained_rows(
    groups: Sequence[Group], demonstrations: Sequence[Demonstration]
) -> Iterator[dict[str, Any]]:
    """What one update learned from, as token ids."""
    for group in groups:
        for rollout in group.rollouts:
            yield {
                "example_id": group.example.id,
                "context_ids": [*group.example.prompt_ids, *group.prefix],
                "target_ids": list(rollout.completion),
                "reward": rollout.verdict.reward,
                "trained": group.trained,
            }
    for context, target in demonstrations:
        yield {"context_ids": list(context), "target_ids": list(target)}


def term_rows(terms: Sequence[Term]) -> Iterator[dict[str, Any]]:
    """What one update learned from where its loss is a sum of terms, as token ids."""
    for place, term in enumerate(terms):
        for row in term.rows:
            yield {
                "term": term.name or str(place),
                "example_id": row.example.id,
                "context_ids": list(row.context),
                "target_ids": list(row.target),
                "weight": row.weight,
                "reward": row.reward,
                "factor": row.factor,
            }
