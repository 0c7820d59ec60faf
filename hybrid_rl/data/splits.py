"""Loads the splits by the data settings: every row checked, no question in two splits, traces rationed.

All problems of all rows come back in one DataError; what a setting lets drop is counted in the notes. Knows no model
and no method.
"""

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_

from hybrid_rl.config.data import DataSettings, Source, describe
from hybrid_rl.data import sources
from hybrid_rl.data.columns import BadRow, Found, RowMapping, compile_columns, nearest, shown
from hybrid_rl.data.questions import Question, Questions, digest, fingerprint
from hybrid_rl.data.sources import SourceRow
from hybrid_rl.errors import DataError
from hybrid_rl.verification.functions import PROMPT, Asks
from hybrid_rl.verification.grader import Grader, Solution

log = logging.getLogger(__name__)

_UNGRADED = "a gold answer that cannot be graded"


def load_questions(
    settings: DataSettings, grader: Grader, needs_traces: bool, train: bool
) -> Questions:
    """The questions of all splits.

    `train`: False leaves the training split empty, but still holds the same dev questions out of it. Only training
    questions carry traces. Raises DataError with every problem found.
    """
    loader = _Loader(settings, grader)
    test = {name: loader.read(name, source) for name, source in settings.test.items()}
    pool: list[Found] = []
    dev: list[Found] = []
    if settings.train is not None and (train or settings.dev):
        pool = loader.read("train", settings.train)
    if not isinstance(settings.dev, int):
        dev = loader.apart("dev", loader.read("dev", settings.dev), test)
    pool = loader.apart("train", pool, {"dev": dev, **test})
    if isinstance(settings.dev, int):
        pool, dev = loader.hold_out(pool, settings.dev)
    pool = loader.check_traces(pool if train else [])
    loader.raise_problems()
    pool = loader.ration(pool, needs_traces)
    if pool or dev:
        loader.notes.append(
            "no question of train or dev is in another split, compared by a hash of the normalised text"
        )
    splits = {"train": pool, "dev": dev, **test}
    for name, found in splits.items():
        if train or found is not pool:
            loader.summary(name, found)
    loader.raise_problems()
    for note in loader.notes:
        log.info("%s", note)
    questions = {name: [item.question for item in found] for name, found in splits.items()}
    tests = {name: questions[name] for name in test}
    prints = {name: fingerprint(asked) for name, asked in questions.items()}
    return Questions(questions["train"], questions["dev"], tests, loader.notes, prints)


@dataclass
class _Loader:
    """Reads split after split, and collects problems and notes; a kind of problem that may be dropped is a note."""

    settings: DataSettings
    grader: Grader
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trace: str | None = None
    """The template of traces, once train is read."""

    def refuse(self, place: str, text: str) -> None:
        """Notes a problem at a place: a split, or a row of it."""
        self.problems.append(f"data={self.settings.name}, {place}: {text}")

    def settle(self, split: str, setting: str, bad: Sequence[tuple[str, BadRow]]) -> None:
        """Refuses rows or counts them, as the setting says; each is given as (where, problem)."""
        if getattr(self.settings, setting) == "refuse":
            for where, problem in bad:
                remedy = f"mend the row, or set data.{setting}=drop"
                self.refuse(f"{split} {where}", f"{problem}; {remedy}")
            return
        for kind, count in Counter(problem.kind for _, problem in bad).items():
            first = next(where for where, problem in bad if problem.kind == kind)
            self.notes.append(f"{split}: {_many(count, 'row')} dropped: {kind} (first: {first})")

    def apart(self, split: str, found: list[Found], others: dict[str, list[Found]]) -> list[Found]:
        """`found` without the questions that come twice or that are also in one of the others."""
        taken = {
            item.key: (f"also in {name}", f"{name} {item.where}")
            for name, items in others.items()
            for item in reversed(items)
        }
        kept: list[Found] = []
        bad: list[tuple[str, BadRow]] = []
        for item in found:
            if item.key in taken:
                kind, where = taken[item.key]
                bad.append((item.where, BadRow(kind, f"the same question as {where}")))
            else:
                taken[item.key] = ("the question comes twice", item.where)
                kept.append(item)
        self.settle(split, "on_overlap", bad)
        return kept

    def summary(self, name: str, found: list[Found]) -> None:
        """Notes how many questions a split has; none is a problem, unless none were asked for."""
        if not found:
            left = "no question is left; see data.on_bad_row, data.on_overlap and the source"
            if {"train": self.settings.train, "dev": self.settings.dev}.get(name, True):
                self.refuse(name, left)
            return
        traced = sum(item.question.trace is not None for item in found)
        traces = f", {traced:,} with a trace" if name == "train" else ""
        self.notes.append(f"{name}: {_many(len(found), 'question')}{traces}")

    def raise_problems(self) -> None:
        """Raises DataError, where there are problems."""
        if self.problems:
            raise DataError(*self.problems)

    def read(self, split: str, source: Source) -> list[Found]:
        """The good questions of a split; traces are unchecked."""
        try:
            rows = sources.read(source)
            if not rows:
                raise DataError(f"{describe(source)}: has no rows; give another source")
            return self._map(split, rows, self._mapping(split, source, rows))
        except DataError as error:
            for problem in error.problems:
                self.refuse(split, problem)
            return []

    def _mapping(self, split: str, source: Source, rows: Sequence[SourceRow]) -> RowMapping:
        """The templates of a split. Raises DataError for those that do not fit its rows."""
        settings, setting = self.settings, "data.columns"
        if split in settings.test_columns:
            setting = f"data.test_columns.{split}"
            own = {"columns": settings.test_columns[split]}
            settings = settings.model_copy(
                update=own | {"answer_pattern": None, "remove_pattern": None}
            )
        names = list(dict.fromkeys(name for row in rows for name in row.values))
        where = describe(source)
        templates = compile_columns(settings.columns, split == "train", names, setting, where)
        if split == "train" and "trace" in templates:
            self.trace = templates["trace"].text
        wanted = self.grader.asks(split == "train")
        lacking = [
            f"{where}: {function} asks for {column}, which is no column and has no default value;"
            f" {nearest(column, names)}"
            for function, asks in wanted.items()
            for column in asks.needed
            if column not in (*names, PROMPT)
        ]
        if lacking:
            raise DataError(*lacking)
        return RowMapping(templates, names, settings, reduce(or_, wanted.values(), Asks()))

    def _map(self, split: str, rows: Sequence[SourceRow], mapping: RowMapping) -> list[Found]:
        """The questions of the rows, without those that are bad or cannot be graded. Raises DataError."""
        read: list[Found | BadRow] = []
        for row in rows:
            try:
                read.append(mapping.question(row))
            except BadRow as error:
                read.append(error)
        asked = [item.question for item in read if isinstance(item, Found)]
        golds, columns = [one.answer for one in asked], [one.columns for one in asked]
        objections = iter(self.grader.check_golds(golds, columns))
        found: list[Found] = []
        bad: list[tuple[str, BadRow]] = []
        ids: dict[str, str] = {}
        for row, item in zip(rows, read, strict=True):
            if isinstance(item, BadRow):
                bad.append((row.where, item))
                continue
            gold, given = item.question.answer, item.question.id
            if (objection := next(objections)) is not None:
                text = f"the gold answer {shown(gold)} cannot be graded: {objection}"
                bad.append((row.where, BadRow(_UNGRADED, text)))
                continue
            if given in ids and "id" in mapping.templates:
                text = f"its id {given} is also that of {ids[given]}"
                bad.append((row.where, BadRow("an id used twice", text)))
                continue
            if given in ids and split in self.settings.test:
                # Benchmarks stay as published, doubles included; only their ids must differ.
                item = replace(item, question=replace(item.question, id=f"{given}-{row.where}"))
            ids[item.question.id] = row.where
            found.append(item)
        ungraded = [problem for _, problem in bad if problem.kind == _UNGRADED]
        if len(ungraded) == len(rows) > 1:
            many = f"none of the {len(rows):,} gold answers can be graded; choose the reward that fits this data"
            raise DataError(f"{many}. The first: {ungraded[0]}")
        self.settle(split, "on_bad_row", bad)
        return found

    def check_traces(self, found: list[Found]) -> list[Found]:
        """`found` without the questions whose trace does not reach the gold answer, by the verifier of the rewards."""
        traced = [item for item in found if item.question.trace is not None]
        failures = self.grader.failures
        outcomes = self.grader.outcomes(
            [_solution(item.question, item.question.trace or "") for item in traced]
        )
        wrong = {
            item.where: BadRow(
                "a trace that does not reach the gold answer",
                f"its trace does not reach the gold answer {shown(item.question.answer)} (verifier:"
                f" {outcome}); it ends with {shown((item.question.trace or '')[-60:])}",
            )
            for item, outcome in zip(traced, outcomes, strict=True)
            if outcome != "correct"
        }
        if len(traced) == len(wrong) > 1:
            first, problem = next(iter(wrong.items()))
            if self.grader.failures - failures == len(traced):
                self._refuse_verifier(len(traced), first)
                return []
            many = f"none of the {len(wrong):,} traces reaches its gold answer; choose the reward that fits this data"
            failed = self.grader.first_error
            why = f" The verifier itself failed: {failed}." if failed else self._appended(traced)
            self.refuse("train", f"{many}.{why} The first, {first}: {problem}")
            return []
        self.settle("train", "on_bad_row", list(wrong.items()))
        return [item for item in found if item.where not in wrong]

    def _refuse_verifier(self, traces: int, first: str) -> None:
        """Notes, before all other problems, that the verifier failed on every trace, so that it says nothing of any."""
        self.refuse(
            "train",
            f"the verifier {self.grader.settings.verifier} failed on all {traces:,} traces, at first with"
            f" {self.grader.first_error}; correct it (the first trace: {first})",
        )
        self.problems.insert(0, self.problems.pop())

    def _appended(self, traced: Sequence[Found]) -> str:
        """The template that would append the answer to every trace, if that makes them reach it; else nothing."""
        template, questions = self.trace, [item.question for item in traced]
        stated = [_solution(one, f"{one.trace} #### {one.answer}") for one in questions]
        if template is None or {*self.grader.outcomes(stated)} != {"correct"}:
            return ""
        answer = self.settings.columns.answer
        return f" Or let them state it: 'data.columns.trace=\"{template} #### {answer}\"'."

    def hold_out(self, pool: list[Found], count: int) -> tuple[list[Found], list[Found]]:
        """(train, dev): dev are the `count` questions with the smallest seeded hashes."""
        if self.settings.train is None or count == 0:
            return pool, []
        if count >= len(pool):
            if not self.problems:  # otherwise they are why there are so few
                size = _many(len(pool), "question")
                self.refuse("dev", f"data.dev = {count}: train has only {size}; hold out fewer")
            return pool, []
        seed = self.settings.dev_seed
        chosen = {item.key for item in _shuffled(pool, f"dev-{seed}")[:count]}
        self.notes.append(
            f"dev: held out of train by a hash of the question (data.dev_seed={seed})"
        )
        dev = [_without_trace(item) for item in pool if item.key in chosen]
        return [item for item in pool if item.key not in chosen], dev

    def ration(self, pool: list[Found], needs_traces: bool) -> list[Found]:
        """`pool` with as many traces as the settings leave."""
        traced = [item for item in pool if item.question.trace is not None]
        limit = self.settings.traces
        keep = round(limit * len(traced)) if isinstance(limit, float) else limit
        if pool and keep is not None:
            if keep > len(traced):
                few = f"only {_many(len(traced), 'question')} have a trace; give at most that"
                self.refuse("train", f"data.traces = {limit}: {few}")
            traced = _shuffled(traced, f"traces-{self.settings.traces_seed}")[:keep]
            kept_traces = _many(len(traced), "question")
            self.notes.append(f"train: traces of {kept_traces} kept (data.traces={limit})")
        if pool and needs_traces and not traced:
            self.refuse(
                "train",
                "the method learns from expert traces, and no question has one; map them with data.columns.trace, and"
                " see data.traces",
            )
        kept = {item.key for item in traced}
        return [item if item.key in kept else _without_trace(item) for item in pool]


def _solution(question: Question, text: str) -> Solution:
    return Solution(question.answer, text, columns=question.columns)


def _without_trace(item: Found) -> Found:
    return replace(item, question=replace(item.question, trace=None))


def _shuffled(found: Iterable[Found], salt: str) -> list[Found]:
    """The questions in an order that each one's own text decides, so that it stays when others come or go."""
    return sorted(found, key=lambda item: digest(f"{salt}-{item.key}"))


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
