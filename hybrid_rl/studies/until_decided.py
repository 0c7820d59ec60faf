"""Seeds until decided: a study adds a seed to every arm whose question is open, looks, and stops the settled ones.

The question of an arm is whether its primary outcome differs from the reference's. The reference goes on while an arm
is open. Looks are written to looks.json as soon as they are made, and a restart goes by them: it makes none twice.
How a look decides, `reporting.comparison.looks` knows.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from hybrid_rl.config.study import StudySettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.evaluation.scores import read_rows
from hybrid_rl.recording import looks as record
from hybrid_rl.recording.looks import Look
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting.comparison.looks import Rule, look
from hybrid_rl.studies import running
from hybrid_rl.studies.jobs import Job
from hybrid_rl.studies.running import Ended, Place

log = logging.getLogger(__name__)
Scores = dict[str, float]
"""The score of every question by its id, for one run."""


def rule_of(definition: StudySettings) -> Rule:
    """The rule that is fixed by the definition; its error level is shared by all arms, also by those that fail."""
    assert definition.most_seeds is not None
    first, arms = len(definition.seeds), len(definition.arms) - 1
    return Rule(first, definition.most_seeds, arms, definition.margin)


def run(definition: StudySettings, jobs: Sequence[Job], directory: Path, place: Place) -> Ended:
    """Run jobs in rounds until no arm is open. `jobs`: all that there may be; arms without one are not compared.

    An arm with a job that failed gets no more of them; the same command again tries that job once more. Raises
    SettingsError where a look was made at other answers than there are now, and as `running.run` does.
    """
    loop = _Loop(definition, {(job.arm, job.seed): job for job in jobs}, directory)
    loop.check_looks()
    failed, lost, number = list[tuple[Job, str]](), set[str](), 0
    while True:
        loop.look_at_all()
        going = [arm for arm in loop.open_arms() if lost.isdisjoint(loop.needed(arm))]
        if not going:
            loop.log_end()
            return Ended(None, failed)
        number += 1
        counts = sorted({loop.next_count(arm) for arm in going})
        seeds = "-".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
        form = "study {}, round {}: {} open arms, up to {} of {} seeds, in {}"
        title = form.format(definition.name, number, len(going), seeds, loop.rule.most, directory)
        ended = running.run(title, loop.jobs_of_round(going), place, definition.after)
        failed += ended.failed
        lost |= {job.arm for job, _ in ended.failed}
        if ended.signal is not None:
            return Ended(ended.signal, failed)


def plan_in_words(definition: StudySettings) -> str:
    """The looks of a study, their error levels, and the most runs that there may be."""
    rule, arms = rule_of(definition), len(definition.arms)
    levels = ", ".join(
        f"{seeds} seeds {level:.2g}" for seeds, level in enumerate(rule.levels(), start=rule.first)
    )
    return (
        f"Seeds until decided: {rule.first} to {rule.most} seeds, {arms * rule.first} to {arms * rule.most} runs."
        f" Error level of each look at an arm: {levels}."
    )


@dataclass
class _Loop:
    """The jobs that may be run, and the looks that were made at them."""

    definition: StudySettings
    jobs: dict[tuple[str, int], Job]
    directory: Path
    looks: list[Look] = field(init=False)
    _scores: dict[tuple[str, int], Scores] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.looks = record.read(self.directory)

    @property
    def rule(self) -> Rule:
        return rule_of(self.definition)

    @property
    def reference(self) -> str:
        return self.definition.reference or next(iter(self.definition.arms))

    def open_arms(self) -> list[str]:
        """The arms that are not settled, and can be: their jobs are there, and so are the reference's."""
        last = record.last(self.looks)
        there = {arm for arm, _ in self.jobs}
        return [
            arm
            for arm in self.definition.arms
            if {arm, self.reference} <= there and arm != self.reference
            if arm not in last or last[arm].decision == "open"
        ]

    def needed(self, arm: str) -> set[str]:
        """The arms whose jobs a look at this arm needs: its own, the reference's, and those that they wait for."""
        found, after = {arm, self.reference}, self.definition.after
        while more := {after[one] for one in found if one in after} - found:
            found |= more
        return found

    def next_count(self, arm: str) -> int:
        """How many seeds the next look at an arm needs."""
        made = sum(one.arm == arm for one in self.looks)
        return self.rule.first + made

    def jobs_of_round(self, arms: Sequence[str]) -> list[Job]:
        """The jobs that the next look at each of these arms needs, seed by seed; some may be done."""
        wanted = {
            (name, seed)
            for arm in arms
            for seed in self._next_seeds(arm)
            for name in self.needed(arm)
        }
        order = [(arm, seed) for seed in self.definition.all_seeds for arm in self.definition.arms]
        return [self.jobs[key] for key in order if key in wanted]

    def look_at_all(self) -> None:
        """Look at every open arm as often as its finished jobs allow."""
        for arm in self.open_arms():
            while arm in self.open_arms() and self._is_ready(arm):
                self.looks.append(self._look(arm))
                record.write(self.directory, self.looks)
                _log_look(self.looks[-1])

    def check_looks(self) -> None:
        """Raise SettingsError where a look was made at other answers than the runs hold now."""
        for one in record.last(self.looks).values():
            if one.arm in self.definition.arms and one.answers != self._digest(one.arm, one.seeds):
                raise SettingsError(
                    f"{self.directory}: looks.json has a look at {one.arm} with {len(one.seeds)} seeds that saw other"
                    " answers than its runs and the reference's hold now, and no look is repeated with other data;"
                    " restore them, or give a new run_dir"
                )

    def log_end(self) -> None:
        for arm, one in record.last(self.looks).items():
            told = "not settled" if one.decision == "open" else one.decision
            log.info("%s: %s after %d seeds", arm, told, len(one.seeds))

    def _next_seeds(self, arm: str) -> list[int]:
        return self.definition.all_seeds[: self.next_count(arm)]

    def _is_ready(self, arm: str) -> bool:
        keys = [(name, seed) for seed in self._next_seeds(arm) for name in (arm, self.reference)]
        return all(self.jobs[key].run.read_status().get("state") == "done" for key in keys)

    def _look(self, arm: str) -> Look:
        seeds = self._next_seeds(arm)
        earlier = [one.p for one in self.looks if one.arm == arm]
        seen = look(self.rule, self._table(self.reference, seeds), self._table(arm, seeds), earlier)
        return Look(arm, seeds, **asdict(seen), answers=self._digest(arm, seeds))

    def _table(self, arm: str, seeds: Sequence[int]) -> list[list[float]]:
        """The scores `[seed][question]`, with the questions in one order."""
        first = self._scores_of(self.reference, seeds[0])
        found = [self._scores_of(arm, seed) for seed in seeds]
        for seed, scores in zip(seeds, found, strict=True):
            if scores.keys() != first.keys():
                raise SettingsError(
                    f"{self.jobs[arm, seed].run.path}: was evaluated on other questions than"
                    f" {self.jobs[self.reference, seeds[0]].run.path}, so that they cannot be compared;"
                    " give a new run_dir"
                )
        return [[scores[key] for key in sorted(first)] for scores in found]

    def _digest(self, arm: str, seeds: Sequence[int]) -> str:
        seen = [self._scores_of(name, seed) for name in (self.reference, arm) for seed in seeds]
        text = json.dumps([sorted(scores.items()) for scores in seen])
        return hashlib.sha256(text.encode()).hexdigest()

    def _scores_of(self, arm: str, seed: int) -> Scores:
        if (arm, seed) not in self._scores:
            self._scores[arm, seed] = dict(self._read(self.directory / arm / f"seed_{seed}"))
        return self._scores[arm, seed]

    def _read(self, path: Path) -> Iterator[tuple[str, float]]:
        """Yields the question and its score by the primary outcome; none where the run has no such evaluation."""
        primary = self.definition.primary
        assert primary is not None
        file = RunDir(path).evaluation("after") / f"{primary.set}.jsonl"
        for row in read_rows(file):
            yield row.id, row.score(primary.measure)


def _log_look(one: Look) -> None:
    log.info(
        "look at %s with %d seeds: difference %+.3f [%+.3f, %+.3f], p %.2g, which decides at most at %.2g: %s",
        *(one.arm, len(one.seeds), one.difference, one.low, one.high, one.p, one.level),
        one.decision,
    )
