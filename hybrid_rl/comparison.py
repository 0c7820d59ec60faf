"""Several RUN_DIRs -> one Markdown table per set of questions, grouped by method, and what each method cost.

Only means over all runs of a method are compared; no best run or seed is picked.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from hybrid_rl import stats
from hybrid_rl.markdown import AXES, amount, between, table
from hybrid_rl.records import Record
from hybrid_rl.rundir import write_text
from hybrid_rl.scores import Row
from hybrid_rl.stats import Interval

_OWN = {
    "seed",
    "run_dir",
    "name",
    "resume",
    "check",
    "tracker",
}  # settings that runs of one group may differ in


class ComparisonError(ValueError):
    """The runs cannot be laid side by side."""


def write_comparison(run_dirs: Sequence[Path], out: Path) -> Path:
    """Write the comparison to `out`. Runs without an evaluation after training are named and left out.

    Raises ComparisonError where runs were evaluated on different questions, or none was evaluated.
    """
    records = [Record.read(path) for path in run_dirs]
    evaluated = [record for record in records if record.after]
    if not evaluated:
        raise ComparisonError(f"none of {len(records)} runs has an evaluation after training")
    groups: dict[str, list[Record]] = {}
    for record in sorted(evaluated, key=lambda record: record.settings.get("seed", 0)):
        groups.setdefault(record.method, []).append(record)
    lines = ["# Comparison of runs", ""]
    lines += [
        "Means over the runs of a method, with 95 % intervals over seeds and questions (two-level bootstrap)."
        " Few seeds make intervals too narrow: of S seeds they show (S - 1) / S of the variance between seeds."
    ]
    for name in evaluated[0].after:
        lines += ["", *_accuracies(name, groups)]
    lines += ["", "## Cost, mean per run", "", *_cost(groups)]
    notes = [*_left_out(records), *_notes(groups)]
    if notes:
        lines += ["", "## To be kept in mind", "", *(f"- {note}" for note in notes)]
    write_text(out, "\n".join(lines) + "\n")
    return out


def _accuracies(name: str, groups: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    """Of one set, a row per method."""
    rows, questions = [], 0
    reference: tuple[Path, set[str]] | None = None
    for method, records in groups.items():
        tables = []
        for record in records:
            found = {row.id: row for row in record.rows("after", name)}
            if reference is None:
                reference = (record.directory.path, set(found))
            _check_same(name, reference, record.directory.path, set(found))
            tables.append([found[example_id] for example_id in sorted(found)])
        questions = len(tables[0])
        rows.append([method, _seeds(records), between(_greedy(tables)), *_sampled(tables)])
    yield f"## {name}, {questions:,} questions"
    yield ""
    yield from table(["method", "seeds", "greedy", "avg@k", "maj@k", "k"], rows)


def _check_same(name: str, reference: tuple[Path, set[str]], path: Path, ids: set[str]) -> None:
    if not ids or ids != reference[1]:
        raise ComparisonError(
            f"{name}: {path} was evaluated on {len(ids)} questions, of which {len(ids & reference[1])} are among the"
            f" {len(reference[1])} of {reference[0]}; compare runs with the same data and eval.limit"
        )


def _greedy(tables: Sequence[Sequence[Row]]) -> Interval:
    return stats.over_seeds([[float(row.greedy.correct) for row in rows] for rows in tables])


def _sampled(tables: Sequence[Sequence[Row]]) -> list[str]:
    """avg@k, maj@k and k; nothing where runs drew different numbers of samples, or none."""
    counts = {len(row.samples) for rows in tables for row in rows}
    if len(counts) > 1 or counts == {0}:
        return ["-", "-", "-"]
    avg = stats.over_seeds([[row.accuracy for row in rows] for rows in tables])
    maj = stats.over_seeds([[float(row.majority_correct) for row in rows] for rows in tables])
    return [between(avg), between(maj), str(*counts)]


def _cost(groups: Mapping[str, Sequence[Record]]) -> list[str]:
    rows = []
    for method, records in groups.items():
        ends = [record.metrics[-1] for record in records if record.metrics]
        cells = []
        for axis in ("step", *AXES):
            values = [end[axis] for end in ends if axis in end]
            cells.append(amount(axis, sum(values) / len(values)) if values else "-")
        rows.append([method, *cells])
    return table(["method", "optimizer steps", *AXES.values()], rows)


def _left_out(records: Sequence[Record]) -> Iterator[str]:
    for record in records:
        if not record.after:
            state = record.status.get("state", "unknown")
            yield f"{record.directory.path} has no evaluation after training (state: {state}) and is left out."


def _notes(groups: Mapping[str, Sequence[Record]]) -> Iterator[str]:
    for method, records in groups.items():
        seeds = [record.settings.get("seed") for record in records]
        if len(records) == 1:
            yield f"{method} has one run: its interval knows nothing of the spread between seeds."
        elif len(set(seeds)) < len(seeds):
            yield f"{method} has several runs with the same seed ({_seeds(records)}); they are not independent."
        first = _flat(records[0].settings)
        differing = {
            key
            for record in records[1:]
            for key in first.keys() | _flat(record.settings).keys()
            if first.get(key) != _flat(record.settings).get(key)
        }
        if differing:
            yield f"Runs of {method} differ in {', '.join(sorted(differing))}: their mean is of no one recipe."


def _seeds(records: Sequence[Record]) -> str:
    return " ".join(str(record.settings.get("seed", "?")) for record in records)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Settings by dotted key, without those in which runs of one recipe differ anyway."""
    found: dict[str, Any] = {}
    for key, value in settings.items():
        if not prefix and key in _OWN:
            continue
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found
