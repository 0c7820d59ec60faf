"""The grader turns solutions into verdicts: one serves rewards, triggers, buffers and evaluation.

A verifier whose cost is bounded by the length of its input runs in this process. Any other, and format patterns, run in
processes that are killed when their clock runs out. Knows no verifier in particular, and loads neither torch nor sympy.
"""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import Any, Protocol

from hybrid_rl.config.reward import RewardSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.types import Json, Outcome, Verdict
from hybrid_rl.verification import verifier, worker
from hybrid_rl.verification.answers import without_blanks
from hybrid_rl.verification.functions import Asks
from hybrid_rl.verification.judging import Judging, Key
from hybrid_rl.verification.pool import KillablePool, Lost
from hybrid_rl.verification.verifier import Judged

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Solution:
    """A text to be graded against a gold answer."""

    answer: str
    text: str
    truncated: bool = False
    """Whether it was cut at the length limit."""
    columns: Mapping[str, Json] = field(default_factory=dict)
    """What the reward asks for beside these, as in `Example.columns`."""
    tokens: int = 0
    """Its length, an expert prefix included; only a term of the reward counts it."""


class Grades(Protocol):
    """What training needs of a grader; the doctor, the benchmark and the tests bring their own."""

    @property
    def calls(self) -> int:
        """The number of solutions graded so far."""

    def grade(self, solutions: Sequence[Solution]) -> list[Verdict]:
        """One verdict per solution, in order."""

    def verify_early(self, solution: Solution) -> None:
        """Takes note of a solution that will be graded soon, and returns at once."""


def verifies_early(settings: Settings) -> bool:
    """Whether solutions are verified while others are being drawn: not where that takes place in this process."""
    built_in = [verifier.built_in(one.settings) for one in verifier.named(settings.reward)]
    here = all(one is not None and one.in_process for one in built_in)
    return settings.speed.early_verification and not here


class Grader:
    """Grades by the settings and counts. May be called from any thread; a `with` closes it."""

    def __init__(self, settings: RewardSettings) -> None:
        named = verifier.named(settings)
        built_in = filter(None, (verifier.built_in(one.settings) for one in named))
        self.settings = settings
        self._lock = Lock()
        # A process that replaces a killed one starts with these modules loaded.
        self._pool = KillablePool(
            settings.workers,
            settings.timeout_seconds,
            partial(worker.prepare, settings),
            preload=(
                "hybrid_rl.config.settings",
                *(name for one in built_in for name in one.loads),
            ),
        )
        self._judging = {one.setting: Judging(one, self._pool) for one in named}
        self._verdict = self._judging[named[0].setting]
        self._golds: dict[Key, str | None] = {}
        self._waiting: list[Solution] = []
        """Filled without the lock: what is lost by that is not verified early, and `grade` verifies it."""
        self._background = ThreadPoolExecutor(1, "early verification")
        self.calls = 0
        """Solutions graded so far; equal ones are verified once and count each."""
        self.first_error: str | None = None
        """What was said by the first verifier or format pattern that raised, ran out of time, or died."""
        self.failures = 0
        """The count of solutions on which the verifier raised, ran out of time, or died; each is among the `calls`."""

    def __enter__(self) -> "Grader":
        return self

    def __exit__(self, *_: object) -> None:
        """Kills the processes, if there are any."""
        self._background.shutdown(cancel_futures=True)
        self._pool.close()

    def asks(self, training: bool) -> dict[str, Asks]:
        """What each function of the settings wants of a row, by the setting that names it, with its value.

        `training`: whether the terms of the reward count too. Raises SettingsError for all that cannot be used.
        """
        with self._lock:
            found, problems = {}, []
            for one in self._judging.values() if training else [self._verdict]:
                try:
                    found[one.told] = one.asks()
                except SettingsError as error:
                    problems.append(str(error))
        if problems:
            raise SettingsError("\n".join(problems))
        return found

    def verify_early(self, solution: Solution) -> None:
        """Verifies in the background what will be graded soon: `grade` then has the answer. Returns at once."""
        if not all(one.here for one in self._judging.values()):
            self._waiting.append(solution)
            self._background.submit(self._verify_waiting)

    def grade(self, solutions: Sequence[Solution]) -> list[Verdict]:
        """One verdict per solution, in order, with its reward.

        A verification that outlives its clock, or whose process dies (memory, a crash), is a timeout; one that raises
        makes the solution unparseable. A term of which the same is true scores 0. Raises SettingsError for a verifier
        or function of the user's that cannot be used.
        """
        with self._lock:
            judged = self._judged(solutions)
            terms = {name: self._scores(name, solutions) for name in self.settings.terms}
            verdicts = []
            for place, (solution, found) in enumerate(zip(solutions, judged, strict=True)):
                scores = {name: one[place] for name, one in terms.items()}
                reward = self.settings.correct * found.score
                for name, score in scores.items():
                    reward += self.settings.terms[name].weight * score
                verdicts.append(Verdict(_outcome(solution, found), reward, scores))
            return verdicts

    def outcomes(self, solutions: Sequence[Solution]) -> list[Outcome]:
        """The outcomes of the same verdicts, for those who need no reward: its terms are not asked."""
        with self._lock:
            judged = self._judged(solutions)
        return [_outcome(one, found) for one, found in zip(solutions, judged, strict=True)]

    def check_golds(
        self, answers: Sequence[str], columns: Sequence[Mapping[str, Json]] = ()
    ) -> list[str | None]:
        """None for each gold answer by which the verifier can grade, else the problem in words.

        The verifier must accept a solution that states the answer; where it cannot say what such a solution looks like,
        the answer must only not be empty. `columns`: of the row of each answer, where there are rows. Raises
        SettingsError for a verifier that cannot be used.
        """
        with self._lock:
            rows = columns or [{}] * len(answers)
            golds = [
                self._verdict.key(*one) for one in zip(answers, [""] * len(rows), rows, strict=True)
            ]
            new = [gold for gold in dict.fromkeys(golds) if gold not in self._golds]
            stating = self._verdict.ask("stating", [(gold.answer,) for gold in new])
            stated = {
                gold: gold._replace(text=text)
                for gold, text in zip(new, stating, strict=True)
                if isinstance(text, str)
            }
            found = dict(zip(stated, self._verdict.judge([*stated.values()]), strict=True))
            for gold, text in zip(new, stating, strict=True):
                self._golds[gold] = _objection(gold.answer, text, found.get(gold))
            return [self._golds[gold] for gold in golds]

    def stating(self, answers: Sequence[str]) -> list[str | None]:
        """A solution that states each answer and nothing else; None where the verifier knows none."""
        with self._lock:
            found = self._verdict.ask("stating", [(answer,) for answer in answers])
        return [one if isinstance(one, str) else None for one in found]

    def answer_start(self, text: str) -> int:
        """Where the statement of the final answer begins, in characters; len(text) where there is none."""
        with self._lock:
            [start] = self._verdict.ask("answer_start", [(text,)])
        if isinstance(start, int) and 0 <= start <= len(text):
            return start
        said = start.reason if isinstance(start, Lost) else f"it returned {str(start)[:80]!r}"
        # Without a position, a hint could give the answer away.
        raise self._verdict.refused(
            f"its answer_start must return a position in the text ({said}); correct the verifier"
        )

    def vote(self, answer: str, text: str) -> str:
        """What a wrong solution counts for in the majority; equal answers count for the same."""
        with self._lock:
            [found] = self._verdict.ask("vote", [(answer, text)])
        if isinstance(found, str):
            return found
        said = found.reason if isinstance(found, Lost) else f"vote returned {found!r}"
        self._tell_first(self._verdict.told, [Judged("unparseable", error=said)])
        return without_blanks(text)  # a vote of its own

    def _is_asked(self, solution: Solution) -> bool:
        """Whether the verifier is asked about a solution."""
        return self.settings.credit_truncated or not solution.truncated

    def _keys(self, judging: Judging, solutions: Sequence[Solution]) -> list[Key]:
        """What a verifier is given of those that it is asked about: a term's of all of them."""
        return [
            judging.key(one.answer, one.text, one.columns)
            for one in solutions
            if judging is not self._verdict or self._is_asked(one)
        ]

    def _verify_waiting(self) -> None:
        """Verifies, in a thread of its own, all that waits by now. Where it raises, `grade` does too."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            for judging in self._judging.values():
                if not judging.here:
                    judging.begin(self._keys(judging, waiting))

    def _judged(self, solutions: Sequence[Solution]) -> list[Judged]:
        """The judgements of the verifier, which is not asked about all of those that were cut."""
        self._waiting = []  # what is not verified yet, is now
        judged = iter(self._verdict.judge(self._keys(self._verdict, solutions)))
        self.calls += len(solutions)
        found = [next(judged) if self._is_asked(one) else Judged("truncated") for one in solutions]
        self.failures += sum(one.error is not None for one in found)
        self._tell_first(self._verdict.told, found)
        return found

    def _scores(self, name: str, solutions: Sequence[Solution]) -> list[float]:
        """The score of each solution by a term of the reward."""
        setting, term = f"reward.terms.{name}", self.settings.terms[name]
        if term.length is not None:
            return [_length_score(one.tokens, *term.length) for one in solutions]
        if term.pattern is not None:
            told = f"{setting}.pattern"
            found = self._find(term.pattern, [one.text for one in solutions])
        else:
            kind = "verifier" if term.function is None else "function"
            judging = self._judging[f"{setting}.{kind}"]
            told, found = judging.told, judging.judge(self._keys(judging, solutions))
        self._tell_first(told, found)
        return [one.score for one in found]

    def _find(self, pattern: str, texts: Sequence[str]) -> list[Judged]:
        """A score of 1 for each text in which the pattern is found."""
        different = list(dict.fromkeys(texts))
        found = self._pool.run(worker.has_format, [(pattern, text) for text in different])
        scores = {
            text: Judged("timeout", error=one.reason)
            if isinstance(one, Lost)
            else Judged("correct" if one else "wrong", float(one))
            for text, one in zip(different, found, strict=True)
        }
        return [scores[text] for text in texts]

    def _tell_first(self, told: str, found: Sequence[Judged]) -> None:
        """Warns of the first error of all; absurd solutions may cause any number of them."""
        error = next((one.error for one in found if one.error is not None), None)
        if error is not None and self.first_error is None:
            self.first_error = error
            text = "%s: a verification failed (%s); this is the only warning about any"
            log.warning(text, told, error)


def _outcome(solution: Solution, found: Judged) -> Outcome:
    cut = solution.truncated and found.outcome != "correct"
    return "truncated" if cut else found.outcome


def _length_score(tokens: int, free: int, most: int) -> float:
    """0 up to `free` tokens, -1 from `most` on, and on the line between them."""
    return -min(1.0, max(0, tokens - free) / (most - free))


def _objection(answer: str, stating: Any, found: Judged | None) -> str | None:
    """Why the verifier cannot grade by this answer, seen from the judgement of a solution that states it; or None."""
    if not answer.strip():
        return "it is empty"
    if isinstance(stating, Lost):
        return stating.reason
    if stating is not None and not isinstance(stating, str):
        return f"stating returned {stating!r}, which is no text"
    if found is None or found.outcome == "correct":
        return None
    if found.error is not None:
        return found.error.removeprefix("ValueError: ")
    return f"a solution that states it is {found.outcome}"
