"""task=audit: how often verifiers accept what is wrong and reject what is right, by category, with the offending lines.

It runs in the parent process, loads no model and takes seconds: what may hang runs in the processes of the grader.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from hybrid_rl.config.audit import AuditSettings
from hybrid_rl.config.reward import RewardSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.recording.files import write_json
from hybrid_rl.tools.audit.cases import Case, from_data, from_file
from hybrid_rl.types import Outcome
from hybrid_rl.verification.grader import Grader, Solution

_MOST_SHOWN = 20
_COLUMNS = ("cases", "false_accepts", "false_rejects", "timeouts")


@dataclass(frozen=True)
class Found:
    """A case with the outcome that it got."""

    case: Case
    outcome: Outcome

    @property
    def false_accept(self) -> bool:
        return self.outcome == "correct" and not self.case.correct

    @property
    def false_reject(self) -> bool:
        return self.outcome != "correct" and self.case.correct


def run_audit(settings: Settings, directory: Path, console: Console | None = None) -> bool:
    """Judges all cases, shows the table, and writes audit.json. Returns whether the limits of `audit` are kept."""
    cases = from_file(settings)  # first: it may refuse
    with Grader(settings.reward) as grader:
        questions = from_data(settings, grader)
        of_data = _judge(questions, grader)
    of_file = [
        found
        for name in dict.fromkeys(case.verifier for case in cases)
        for found in _judged_by(name, [case for case in cases if case.verifier == name], settings)
    ]
    passed = all(_keeps(settings.audit, found) for found in (of_file, of_data))
    record = {
        "passed": passed,
        "limits": settings.audit.model_dump(include={"false_accepts", "false_rejects"}),
        "file": settings.audit.cases,
        **_record(of_file),
        "data": {"name": settings.data.name, **_record(of_data)},
    }
    write_json(directory / "audit.json", record)
    told = console or Console(highlight=False)
    _show([*of_file, *of_data], passed, told)
    if settings.reward.verifier not in {case.verifier for case in cases}:
        told.print(
            f"reward.verifier = {settings.reward.verifier}: was judged on {len(of_data):,} cases of"
            f" data={settings.data.name} alone: its gold answers, its traces and the answers of other questions."
            " Give audit.cases a file of solutions with the verdicts that it should give.",
            markup=False,
            soft_wrap=True,
        )
    return passed


def _judged_by(verifier: str, cases: Sequence[Case], settings: Settings) -> list[Found]:
    with Grader(_reward(verifier, settings)) as grader:
        return _judge(cases, grader)


def _reward(verifier: str, settings: Settings) -> RewardSettings:
    """The settings by which a case is judged: those of the run where it is the run's verifier."""
    if verifier == settings.reward.verifier:
        return settings.reward
    other = {"name": verifier, "verifier": verifier, "answer_after": None, "unmarked": False}
    return settings.reward.model_copy(update={**other, "terms": {}})


def _judge(cases: Sequence[Case], grader: Grader) -> list[Found]:
    outcomes = grader.outcomes(
        [Solution(one.gold, one.solution, columns=one.columns) for one in cases]
    )
    return [Found(case, outcome) for case, outcome in zip(cases, outcomes, strict=True)]


def _keeps(limits: AuditSettings, found: Sequence[Found]) -> bool:
    """Whether the firm cases are within the limits."""
    firm = [one for one in found if not one.case.debatable]
    wrong = sum(not one.case.correct for one in firm)
    right = len(firm) - wrong
    return (
        sum(one.false_accept for one in firm) <= limits.false_accepts * wrong
        and sum(one.false_reject for one in firm) <= limits.false_rejects * right
    )


def _record(found: Sequence[Found]) -> dict[str, Any]:
    """The counts of firm and debatable cases, by category, and every case that was misjudged."""
    firm = [one for one in found if not one.case.debatable]
    debatable = [one for one in found if one.case.debatable]
    return {
        **_counts(firm),
        "debatable": _counts(debatable),
        "by_category": [
            {"verifier": verifier, "category": category, "debatable": apart, **_counts(group)}
            for (verifier, category, apart), group in _groups(found).items()
        ],
        "failures": [
            {**asdict(one.case), "outcome": one.outcome}
            for one in found
            if one.false_accept or one.false_reject
        ],
    }


def _counts(found: Sequence[Found]) -> dict[str, int]:
    return {
        "cases": len(found),
        "false_accepts": sum(one.false_accept for one in found),
        "false_rejects": sum(one.false_reject for one in found),
        "timeouts": sum(one.outcome == "timeout" for one in found),
    }


def _groups(found: Sequence[Found]) -> dict[tuple[str, str, bool], list[Found]]:
    groups: dict[tuple[str, str, bool], list[Found]] = {}
    for one in found:
        key = (one.case.verifier, one.case.category, one.case.debatable)
        groups.setdefault(key, []).append(one)
    return dict(sorted(groups.items()))


def _show(found: Sequence[Found], passed: bool, console: Console) -> None:
    """Prints a row for each category, the sums of firm cases by verifier, and the first cases that were misjudged."""
    table = Table("verifier", "category", title="audit", title_justify="left")
    for column in _COLUMNS:
        table.add_column(column.replace("_", " "), justify="right")
    for (verifier, category, apart), group in _groups(found).items():
        label = f"{category} (debatable)" if apart else category
        table.add_row(verifier, label, *(f"{count:,}" for count in _counts(group).values()))
    table.add_section()
    for verifier in dict.fromkeys(one.case.verifier for one in found):
        firm = [one for one in found if one.case.verifier == verifier and not one.case.debatable]
        table.add_row(verifier, "all firm cases", *(f"{n:,}" for n in _counts(firm).values()))
    console.print(table)
    failed = [one for one in found if one.false_accept or one.false_reject]
    firm_first = sorted(failed, key=lambda one: one.case.debatable)
    for one in firm_first[:_MOST_SHOWN]:
        kind = "false accept" if one.false_accept else "false reject"
        note = ", debatable" if one.case.debatable else ""
        console.print(
            f"- {kind}{note}: {one.case.category}, {one.case.where}: gold {one.case.gold[:60]!r},"
            f" solution {one.case.solution[-100:]!r} is {one.outcome}",
            markup=False,
        )
    if len(failed) > _MOST_SHOWN:
        console.print(f"- and {len(failed) - _MOST_SHOWN:,} more, all of them in audit.json")
    console.print(
        "The verifiers are within the limits." if passed else "The verifiers are beyond the limits."
    )
