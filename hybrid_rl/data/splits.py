"""From data settings to questions: read every split, check every row, keep the splits apart, ration the traces.

All problems of all rows come back in one DataError; what a setting lets drop is counted in the notes. `encode` turns
the questions into token ids. Knows no model and no method.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal

from hybrid_rl.config.data import DataSettings, Source
from hybrid_rl.data import sources
from hybrid_rl.data.columns import BadRow, Found, RowMapping, shown
from hybrid_rl.data.encoding import Examples, encode
from hybrid_rl.data.questions import Message, Question, Questions, digest, fingerprint
from hybrid_rl.data.sources import SourceRow
from hybrid_rl.errors import DataError
from hybrid_rl.verification.grader import Grader, Solution

__all__ = ["DataError", "Examples", "Message", "Question", "Questions", "encode", "load_questions"]

log = logging.getLogger(__name__)

_UNGRADED = "a gold answer that cannot be graded"


def load_questions(
    settings: DataSettings, grader: Grader, needs_traces: bool, train: bool
) -> Questions:
    """The questions of all splits.

    `train`: False leaves the training split empty, but still holds the same dev questions out of it. Only training
    questions carry traces. Raises DataError with every problem found.
    """
    report = _Findings(settings)
    reader = _Reader(settings, grader, report)
    test = {name: reader.read(name, source) for name, source in settings.test.items()}
    pool, dev = [], []
    if settings.train is not None and (train or settings.dev):
        pool = reader.read("train", settings.train)
    if not isinstance(settings.dev, int):
        dev = report.apart("dev", reader.read("dev", settings.dev), test)
    pool = report.apart("train", pool, {"dev": dev, **test})
    if isinstance(settings.dev, int):
        pool, dev = _hold_out(pool, settings, report)
    if not train:
        pool = []
    pool = reader.check_traces(pool)
    report.raise_problems()
    pool = _ration(pool, settings, needs_traces, report)
    if pool or dev:
        report.notes.append(
            "no question of train or dev is in another split, compared by a hash of the normalised text"
        )
    for name, found in {"train": pool if train else None, "dev": dev, **test}.items():
        report.summary(name, found, settings)
    report.raise_problems()
    return _questions(pool, dev, test, report)


def _questions(
    pool: list[Found], dev: list[Found], test: dict[str, list[Found]], report: "_Findings"
) -> Questions:
    splits = {
        name: [replace(item.question, trace=None) for item in found]
        for name, found in {"dev": dev, **test}.items()
    }
    splits["train"] = [item.question for item in pool]
    for note in report.notes:
        log.info("%s", note)
    return Questions(
        train=splits["train"],
        dev=splits["dev"],
        test={name: splits[name] for name in test},
        notes=report.notes,
        fingerprint={name: fingerprint(questions) for name, questions in splits.items()},
    )


class _Findings:
    """Collects problems and counts; a kind of problem that may be dropped becomes a note."""

    def __init__(self, settings: DataSettings) -> None:
        self.settings = settings
        self.problems: list[str] = []
        self.notes: list[str] = []

    def line(self, split: str, where: str, text: str) -> str:
        return f"data={self.settings.name}, {split} {where}: {text}"

    def refuse(self, split: str, text: str) -> None:
        self.problems.append(f"data={self.settings.name}, {split}: {text}")

    def settle(
        self,
        split: str,
        setting: Literal["on_bad_row", "on_overlap"],
        bad: Sequence[tuple[str, str, str]],
    ) -> None:
        """Refuse or count rows, each given as (where, kind of problem, text)."""
        if getattr(self.settings, setting) == "refuse":
            remedy = f"mend the row, or set data.{setting}=drop"
            self.problems += [
                self.line(split, where, f"{text}; {remedy}") for where, _, text in bad
            ]
            return
        for kind, count in Counter(kind for _, kind, _ in bad).items():
            first = next(where for where, other, _ in bad if other == kind)
            self.notes.append(f"{split}: {_many(count, 'row')} dropped: {kind} (first: {first})")

    def apart(self, split: str, found: list[Found], others: dict[str, list[Found]]) -> list[Found]:
        """`found` without the questions that come twice or that are also in one of the others."""
        taken = {
            item.key: (name, item.where)
            for name, items in others.items()
            for item in reversed(items)
        }
        seen: dict[str, str] = {}
        kept, bad = [], []
        for item in found:
            if item.key in taken:
                name, where = taken[item.key]
                bad.append((item.where, f"also in {name}", f"the same question as {name} {where}"))
            elif item.key in seen:
                text = f"the same question as {seen[item.key]}"
                bad.append((item.where, "the question comes twice", text))
            else:
                seen[item.key] = item.where
                kept.append(item)
        self.settle(split, "on_overlap", bad)
        return kept

    def summary(self, name: str, found: list[Found] | None, settings: DataSettings) -> None:
        """Note how many questions a split has; none is a problem, unless none were asked for."""
        if found is None:
            return
        if not found:
            asked = {"train": settings.train, "dev": settings.dev}
            if asked.get(name, True):
                self.refuse(
                    name, "no question is left; see data.on_bad_row, data.on_overlap and the source"
                )
            return
        traced = sum(item.question.trace is not None for item in found)
        traces = f", {traced:,} with a trace" if name == "train" else ""
        self.notes.append(f"{name}: {_many(len(found), 'question')}{traces}")

    def raise_problems(self) -> None:
        if self.problems:
            raise DataError(self.problems)


class _Reader:
    """Maps the rows of sources to questions and checks them."""

    def __init__(self, settings: DataSettings, grader: Grader, report: _Findings) -> None:
        self.settings = settings
        self.grader = grader
        self.report = report

    def read(self, split: str, source: Source) -> list[Found]:
        """The good questions of a split; traces are unchecked."""
        own = split in self.settings.test_columns
        columns = self.settings.test_columns[split] if own else self.settings.columns
        try:
            rows = sources.read(source)
        except (DataError, ValueError) as error:
            lines = error.problems if isinstance(error, DataError) else [str(error)]
            for line in lines:
                self.report.refuse(split, line)
            return []
        if not rows:
            self.report.refuse(
                split, f"{sources.describe(source)}: has no rows; give another source"
            )
            return []
        mapping = RowMapping(
            columns,
            with_trace=split == "train",
            system=self.settings.system,
            instruction=self.settings.instruction,
            answer_pattern=None if own else self.settings.answer_pattern,
            remove_pattern=None if own else self.settings.remove_pattern,
        )
        missing = mapping.missing(rows)
        where = f"data.test_columns.{split}" if own else "data.columns"
        for field, text in missing:
            self.report.refuse(split, f"{sources.describe(source)}: {text} ({where}.{field})")
        return [] if missing else self._map(split, rows, mapping)

    def _map(self, split: str, rows: Sequence[SourceRow], mapping: RowMapping) -> list[Found]:
        found, bad = [], []
        ids: dict[str, str] = {}
        for row in rows:
            try:
                item = mapping.question(row)
            except BadRow as error:
                bad.append((row.where, error.kind, str(error)))
                continue
            objection = self.grader.check_gold(item.question.answer)
            if objection is not None:
                text = (
                    f"the gold answer {shown(item.question.answer)} cannot be graded: {objection}"
                )
                bad.append((row.where, _UNGRADED, text))
                continue
            given = item.question.id
            if given in ids and mapping.id is not None:
                bad.append(
                    (row.where, "an id used twice", f"its id {given} is also that of {ids[given]}")
                )
                continue
            if given in ids and split in self.settings.test:
                # Benchmarks stay as published, doubles included; only their ids must differ.
                item = replace(item, question=replace(item.question, id=f"{given}-{row.where}"))
            ids[item.question.id] = row.where
            found.append(item)
        ungraded = [text for _, kind, text in bad if kind == _UNGRADED]
        if len(ungraded) == len(rows) > 1:
            many = f"none of the {len(rows):,} gold answers can be graded; choose the reward that fits this data"
            self.report.refuse(split, f"{many}. The first: {ungraded[0]}")
            return []
        self.report.settle(split, "on_bad_row", bad)
        return found

    def check_traces(self, found: list[Found]) -> list[Found]:
        """`found` without the questions whose trace does not reach the gold answer, by the verifier of the rewards."""
        traced = [item for item in found if item.question.trace is not None]
        verdicts = self.grader.grade(
            [Solution(item.question.answer, item.question.trace or "") for item in traced]
        )
        wrong = {}
        for item, verdict in zip(traced, verdicts, strict=True):
            if not verdict.correct:
                wrong[item.where] = (
                    f"its trace does not reach the gold answer {shown(item.question.answer)} (verifier:"
                    f" {verdict.outcome}); it ends with {shown((item.question.trace or '')[-60:])}"
                )
        if len(traced) == len(wrong) > 1:
            first, text = next(iter(wrong.items()))
            many = f"none of the {len(wrong):,} traces reaches its gold answer; choose the reward that fits this data"
            failed = self.grader.first_error
            why = f" The verifier itself failed: {failed}." if failed else ""
            self.report.refuse("train", f"{many}.{why} The first, {first}: {text}")
            return []
        kind = "a trace that does not reach the gold answer"
        self.report.settle(
            "train", "on_bad_row", [(where, kind, text) for where, text in wrong.items()]
        )
        return [item for item in found if item.where not in wrong]


def _hold_out(
    pool: list[Found], settings: DataSettings, report: _Findings
) -> tuple[list[Found], list[Found]]:
    """(train, dev): dev are the questions with the smallest seeded hashes."""
    assert isinstance(settings.dev, int)
    if settings.train is None or settings.dev == 0:
        return pool, []
    if settings.dev >= len(pool):
        if not report.problems:  # otherwise they are why there are so few
            size = _many(len(pool), "question")
            report.refuse(
                "dev", f"data.dev = {settings.dev}: train has only {size}; hold out fewer"
            )
        return pool, []
    chosen = {item.key for item in _shuffled(pool, f"dev-{settings.dev_seed}")[: settings.dev]}
    dev = [item for item in pool if item.key in chosen]
    report.notes.append(
        f"dev: held out of train by a hash of the question (data.dev_seed={settings.dev_seed})"
    )
    return [item for item in pool if item.key not in chosen], dev


def _ration(
    pool: list[Found], settings: DataSettings, needs_traces: bool, report: _Findings
) -> list[Found]:
    """`pool` with as many traces as the settings leave."""
    traced = [item for item in pool if item.question.trace is not None]
    limit = settings.traces
    keep = round(limit * len(traced)) if isinstance(limit, float) else limit
    if pool and keep is not None:
        if keep > len(traced):
            report.refuse(
                "train",
                f"data.traces = {limit}: only {_many(len(traced), 'question')} have a trace; give at most that",
            )
        traced = _shuffled(traced, f"traces-{settings.traces_seed}")[:keep]
        report.notes.append(
            f"train: traces of {_many(len(traced), 'question')} kept (data.traces={limit})"
        )
    if pool and needs_traces and not traced:
        report.refuse(
            "train",
            "the method learns from expert traces, and no question has one; map them with data.columns.trace, and see"
            " data.traces",
        )
    kept = {item.key for item in traced}
    return [
        item if item.key in kept else replace(item, question=replace(item.question, trace=None))
        for item in pool
    ]


def _shuffled(found: Iterable[Found], salt: str) -> list[Found]:
    """In an order that a question's own text decides, so that it stays when others come or go."""
    return sorted(found, key=lambda item: digest(f"{salt}-{item.key}"))


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
