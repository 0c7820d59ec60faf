"""The report of a run, finished or not: report.md and its plots, written from the files of its directory alone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from hybrid_rl.evaluation import statistics
from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.evaluation.statistics import Interval
from hybrid_rl.recording.ending import ending
from hybrid_rl.recording.files import read_jsonl, write_text
from hybrid_rl.reporting import decisions, disputed, glossary, run_tables, terms
from hybrid_rl.reporting.markdown import (
    between,
    code,
    explained,
    fenced,
    joined,
    plain,
    section,
    table,
)
from hybrid_rl.reporting.record import RunRecord

_SHOWN_QUESTIONS = 3
_EXAMPLES = (
    "These solutions are greedy. Questions whose outcome changed through training come first."
)
_FAIR = (
    "Only training is counted, not evaluation. A fair comparison of methods is at equal generated tokens, not at equal"
    " steps."
)


def write(run_dir: Path) -> Path:
    """Writes report.md and the plots; returns the path of report.md. Raises FileNotFoundError where there is no run."""
    from hybrid_rl.reporting import plots  # noqa: PLC0415 - heavy: matplotlib

    record = RunRecord.read(run_dir)
    pictures = plots.write(record.metrics, record.progress, record.directory.plots)
    shown = (f"![{path.stem}]({path.relative_to(run_dir).as_posix()})" for path in pictures)
    run = record.directory
    decided = decisions.summary(decisions.read(run), decisions.read_notes(run))
    scored = terms.rewards(record.metrics, record.settings.get("reward", {}))
    spent = run_tables.cost(record)
    sections = [
        [f"# {plain(record.name)}", "", _state(record)],
        _alarms(record),
        _result(record),
        _levels(record),
        section("What it cost", [*spent, "", _FAIR] if spent else []),
        _moved(record),
        section("What the method decided", decided),
        section("Which terms drove the steps", terms.summary(record.metrics)),
        section("What the terms of the reward scored, on the mean", scored),
        section("Rewards that another verifier disputes", disputed.summary(record)),
        section("Curves", shown),
        _examples(record),
        _what_ran(record),
        explained(glossary.RUN),
    ]
    write_text(record.directory.report, joined(sections))
    return record.directory.report


def _state(record: RunRecord) -> str:
    """How far the run has come, in a sentence."""
    spent = record.metrics[-1] if record.metrics else {}
    steps = record.settings.get("train", {}).get("steps")
    done = spent.get("step", 0)
    trains = record.trains
    if record.status.get("state") == "failed":
        at = f" after {done} of {steps} optimizer steps" if trains else ""
        error = record.status.get("error", "no message")
        return (
            f"**This run failed{at}**: {plain(str(error))}. This report shows what it wrote before."
        )
    limit, early = ending(record.settings, spent, record.progress)
    trained = f"This run trained for {done} of {steps} optimizer steps"
    if limit or early:
        trained += f", until {limit} was used up" if limit else f", and stopped early: {early}"
    if record.after:
        if not trains:
            return "This run evaluated a model and trained nothing."
        if early:
            return f"{trained}. It was then evaluated."
        return f"{trained}{',' if limit else ''} and was then evaluated."
    if done == steps or limit or early:
        return f"{trained}. No set of questions was evaluated."
    at = f": it had done {done} of {steps} optimizer steps" if trains else ""
    return f"**This run had not ended when this report was written**{at}."


def _alarms(record: RunRecord) -> list[str]:
    """The alarms of the guards, each with how long it was on and its first message; nothing where there was none."""
    told: dict[str, list[dict[str, Any]]] = {}
    for alarm in read_jsonl(record.directory.alarms):
        told.setdefault(alarm["alarm"], []).append(alarm)
    rows = []
    for name, alarms in told.items():
        key = "skipped" if name == "non_finite" else f"alarm/{name}"
        on = sum(line.get(key, 0) for line in record.metrics)
        # The disk is looked at now and then; an alarm that stopped the run is on for one update.
        rows.append([name, str(on or len(alarms)), str(alarms[0]["step"]), alarms[0]["message"]])
    columns = ["alarm", "updates with it", "first at step", "first message"]
    return section("Alarms", table(columns, rows))


def _result(record: RunRecord) -> list[str]:
    if not record.before and not record.after:
        return section(
            "Result", run_tables.dev_in_words(record) or ["Nothing has been evaluated yet."]
        )
    lines: list[str] = []
    for name, after in record.after.items():
        lines.append(f"- **{name}**, {after.questions:,} questions:")
        lines += [f"  - {told}" for told in _changes_in_words(record, name, after)]
    lines += ["", *run_tables.accuracies(record), ""]
    fewest = min(s.questions for s in (record.after or record.before).values())
    lines.append(
        "Numbers in brackets are 95 % intervals over the questions of this one run; a run with another seed may differ"
        f" by more. On {fewest:,} questions chance alone moves an accuracy by up to ±{statistics.noise(fewest):.2f}."
    )
    if record.after and record.metrics:
        chosen = "No checkpoint was selected: the model after the last step was evaluated."
        if record.best:
            chosen = "The model after training is that of the last step; the best on dev is the checkpoint"
            chosen += " with the highest greedy accuracy on dev."
        if record.has_test_sets:
            chosen += " Test questions played no part in training."
        elif record.best:
            chosen += " There is no test set: the questions that chose the checkpoint also judge it, which flatters."
        else:
            chosen += " There is no test set: dev is evaluated in its place."
        lines.append(chosen)
    return section("Result", lines)


def _changes_in_words(record: RunRecord, name: str, after: SetSummary) -> Iterator[str]:
    """Yields what training changed on a set, question by question where the solutions were saved."""
    if name not in record.before:
        start = f"The greedy accuracy is {between(after.greedy)}."
        alone = " There was no evaluation before training to compare it with."
        yield f"{start}{alone if record.trains else ''}"
        return
    before = record.before[name]
    old = {row.id: row for row in record.rows("before", name)}
    pairs = [(old[row.id], row) for row in record.rows("after", name) if row.id in old]
    pairs = pairs if len(pairs) == before.questions == after.questions else []
    greedy = [(float(b.greedy.correct), float(a.greedy.correct)) for b, a in pairs]
    yield _change_in_words("greedy accuracy", before.greedy, after.greedy, greedy)
    if before.avg is not None and after.avg is not None:
        sampled = [(b.accuracy, a.accuracy) for b, a in pairs]
        yield _change_in_words(f"accuracy avg@{after.samples}", before.avg, after.avg, sampled)


def _change_in_words(
    measure: str, before: Interval, after: Interval, pairs: Sequence[tuple[float, float]]
) -> str:
    """The change of one measure and whether it is more than chance; `pairs` holds each question's score twice."""
    start = f"The {measure} went from {between(before)} to {between(after)}"
    overlap = before.overlaps(after)
    if not pairs and overlap:
        return f"{start}. **No conclusion**: the two intervals overlap."
    if not pairs:
        return f"{start}: **{'better' if after.value > before.value else 'worse'}**."
    old, new = [b for b, _ in pairs], [a for _, a in pairs]
    change, chance = statistics.paired_difference(old, new), statistics.chance_of_change(old, new)
    start += f", a change of {change.value:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
    if chance > 0.05:
        return f"{start}. **No conclusion**: chance alone makes so large a change with probability {chance:.2f}."
    if change.low <= 0 <= change.high:
        return f"{start}. **No conclusion**: the interval of the change includes 0."
    seen = " The two intervals overlap, but the change is clear question by question."
    return f"{start}: **{'better' if change.low > 0 else 'worse'}**.{seen if overlap else ''}"


def _levels(record: RunRecord) -> list[str]:
    """The accuracies before and after by difficulty level, of sets that have more than one level."""
    rows = []
    for name in dict.fromkeys([*record.before, *record.after]):
        sets = (record.before.get(name), record.after.get(name))
        before, after = (found.by_level if found else {} for found in sets)
        for level, summary in (before | after).items() if len(before | after) > 1 else ():
            both = (before.get(level), after.get(level))
            shown = both if record.trains else both[1:]
            greedy = (between(one.greedy if one else None) for one in shown)
            sampled = (between(one.avg if one else None) for one in shown)
            rows.append([name, level, f"{summary.questions:,}", *greedy, *sampled])
    columns = ["set", "level", "questions", "greedy before", "greedy after"]
    columns += ["sampled (avg@k) before", "sampled (avg@k) after"]
    if not record.trains:
        columns = ["set", "level", "questions", "greedy", "sampled (avg@k)"]
    return section("By difficulty level", table(columns, rows))


def _moved(record: RunRecord) -> list[str]:
    """How far the updates of each kind moved the weights; nothing where no line tells."""
    rows = []
    for kind in ("sft", "rl"):
        lines = [line for line in record.metrics if line["kind"] == kind]
        norms = [line["update_norm"] for line in lines if "update_norm" in line]
        if norms:
            zero = sum(line.get("zero_gradient", 0) for line in lines)
            row = [kind.upper(), f"{len(lines):,}", f"{zero:,}"]
            rows.append([*row, f"{fmean(norms):.3g}", f"{max(norms):.3g}"])
    columns = ["updates", "number", "zero gradient", "update norm, mean", "update norm, largest"]
    shown = table(columns, rows)
    steps = record.silent_steps
    if rows and steps.silent:
        share = f"{steps.silent:,} of {steps.all:,} RL steps had no signal"
        refills = sum(line.get("refills", 0) for line in record.metrics)
        more = f" Other questions were taken {refills:,} times (guards.refill)." if refills else ""
        shown += ["", f"{share}: in each of their groups all rewards were equal.{more}"]
    return section("How far the weights moved", shown)


def _examples(record: RunRecord) -> list[str]:
    """A few questions of the first set with their greedy solutions; those whose outcome changed come first."""
    names = list(record.after or record.before)
    if not names:
        return []
    before = {row.id: row for row in record.rows("before", names[0])}
    after = {row.id: row for row in record.rows("after", names[0])}
    was = {row.id: row.greedy.outcome for row in before.values()}
    changed = {
        i for i, row in after.items() if was.get(i, row.greedy.outcome) != row.greedy.outcome
    }
    ids = sorted(after or before, key=lambda i: i not in changed)
    lines = [_EXAMPLES if record.trains else "These solutions are greedy."]
    for example_id in ids[:_SHOWN_QUESTIONS]:
        row = after.get(example_id) or before[example_id]
        lines += [
            "",
            f"**{plain(example_id)}**, answer {code(row.answer)}",
            "",
            *fenced(row.prompt),
        ]
        for when, rows in (("before", before), ("after", after)):
            if example_id in rows:
                greedy = rows[example_id].greedy
                when_told = f"{when} training, " if record.trains else ""
                lines += ["", f"{when_told}{greedy.outcome}:", "", *fenced(greedy.completion)]
    return section(f"Solutions to questions of {names[0]}", lines)


def _what_ran(record: RunRecord) -> list[str]:
    """The choices of the run, the code and packages that it ran on, and how it was started."""
    settings, environment = record.settings, record.environment
    rows = [[key, str(settings[key])] for key in ("task", "seed") if key in settings]
    names = "method model data reward hardware rollout guards eval tracker"
    groups = {key: settings.get(key) for key in names.split()}
    chosen = {key: values for key, values in groups.items() if isinstance(values, dict)}
    # A verifier that is typed does not change the name of the group's file.
    named = {key: str(values["name"]) for key, values in chosen.items()}
    verifier = chosen.get("reward", {}).get("verifier")
    if verifier and verifier != named["reward"]:
        named["reward"] += f", graded by {verifier}"
    rows += [[key, name] for key, name in named.items()]
    rows += [["commit", record.commit]] if record.commit else []
    versions = {"python": environment.get("python"), **environment.get("packages", {})}
    found = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    lines = table(["setting", "value"], [*rows, ["versions", found]])
    if record.overrides:
        lines += ["", "The run was started with:", "", *fenced(record.overrides)]
    return section("What ran", lines)
