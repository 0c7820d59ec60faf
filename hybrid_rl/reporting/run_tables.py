"""What the report of a run and the card of its model both tell: accuracies with intervals, and what training cost."""

from hybrid_rl.recording.budget import AXES
from hybrid_rl.reporting.markdown import amount, between, table
from hybrid_rl.reporting.record import RunRecord


def accuracies(record: RunRecord) -> list[str]:
    """A table with a row per set and moment of evaluation; nothing where nothing was evaluated."""
    if not record.before and not record.after:
        return []
    summaries = [*record.before.values(), *record.after.values()]
    k = max(summary.samples for summary in summaries)
    columns = ["set", "questions", "model", "greedy"]
    columns += [f"avg@{k}", f"maj@{k}", f"pass@{k}"] if k else []
    columns += ["truncated", "unparseable", "timed out", "tokens per solution"]
    rows = []
    moments = {"before training": record.before, "after training": record.after}
    if not record.trains:
        moments = {"as it is": record.after}
    moments["best on dev"] = record.best
    for name in dict.fromkeys([*record.before, *record.after]):
        for when, summary in ((w, found[name]) for w, found in moments.items() if name in found):
            sampled = [summary.avg, summary.maj, summary.pass_at.get(k)] if k else []
            rates = (summary.truncated_rate, summary.unparseable_rate, summary.timeout_rate)
            row = [name, f"{summary.questions:,}", when, *map(between, [summary.greedy, *sampled])]
            row += [*(f"{rate:.1%}" for rate in rates), f"{summary.completion_tokens_mean:.1f}"]
            rows.append(row)
    return table(columns, rows)


def dev_in_words(record: RunRecord) -> list[str]:
    """A sentence on what training saw on dev, for a run of which nothing else was evaluated; nothing without a look."""
    looks = record.progress
    if not looks:
        return []
    last, best = looks[-1], max(looks, key=lambda look: float(look["greedy"]))
    told = f"The greedy accuracy on dev was {last['greedy']:.3f} after step {last['step']}"
    if len(looks) > 1:
        first = looks[0]
        when = "before training" if first["step"] == 0 else f"after step {first['step']}"
        told += f", from {first['greedy']:.3f} {when}"
        told += f"; at its highest it was {best['greedy']:.3f}, after step {best['step']}"
    return [f"{told}. No set was evaluated by itself before or after training."]


def cost(record: RunRecord) -> list[str]:
    """A table of what training spent on every budget axis; nothing before the first step."""
    if not record.metrics:
        return []
    kinds = [line["kind"] for line in record.metrics]
    last = record.metrics[-1]
    spent = {axis: amount(last[axis]) for axis in AXES if axis in last}
    if record.traces:
        spent["traces_used"] = record.traces
    steps = f"{len(kinds):,} ({kinds.count('sft'):,} SFT + {kinds.count('rl'):,} RL)"
    rows = [["optimizer steps", steps], *([AXES[axis], value] for axis, value in spent.items())]
    return table(["what was spent", "amount"], rows)
