"""The grader turns solutions into verdicts: one serves rewards, triggers, buffers and evaluation.

A verifier whose cost is bounded by the length of its input runs in this process. Any other, and format patterns, run in
processes that are killed when their clock runs out. Knows no verifier in particular, and loads neither torch nor sympy.
"""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import Lock
from typing import Any, Protocol

from hybrid_rl.config.reward import BUILT_IN_VERIFIERS, RewardSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.types import Verdict
from hybrid_rl.verification import verifier, worker
from hybrid_rl.verification.answers import without_blanks
from hybrid_rl.verification.pool import KillablePool, Lost
from hybrid_rl.verification.verifier import Judged, Verifier, VerifierError

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""What a verifier is given: the gold answer and the solution."""


@dataclass(frozen=True)
class Solution:
    """A text to be graded against a gold answer."""

    answer: str
    text: str
    truncated: bool = False
    """Whether it was cut at the length limit."""


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
    built_in = verifier.built_in(settings.reward)
    return settings.speed.early_verification and not (built_in and built_in.in_process)


class Grader:
    """Grades by the settings and counts. May be called from any thread; a `with` closes it."""

    def __init__(self, settings: RewardSettings) -> None:
        built_in = verifier.built_in(settings)
        self.settings = settings
        self._verifier: Verifier | None = built_in
        """The verifier, which is None for a user's own unless that says that it may be called in this process."""
        self._usable = built_in is not None and built_in.in_process
        self._lock = Lock()
        # A process that replaces a killed one starts with these modules loaded.
        self._pool = KillablePool(
            settings.workers,
            settings.timeout_seconds,
            partial(worker.prepare, settings),
            preload=("hybrid_rl.config.settings", *(built_in.loads if built_in else ())),
        )
        self._golds: dict[str, str | None] = {}
        self._waiting: list[Key] = []
        """Filled without the lock: what is lost by that is not verified early, and `grade` verifies it."""
        self._early: dict[Key, Judged] = {}
        self._background = ThreadPoolExecutor(1, "early verification")
        self.calls = 0
        """Solutions graded so far; equal ones are verified once and count each."""
        self.first_error: str | None = None
        """What was said by the first verifier or format pattern that raised, ran out of time, or died."""

    def __enter__(self) -> "Grader":
        return self

    def __exit__(self, *_: object) -> None:
        """Kills the processes, if there are any."""
        self._background.shutdown(cancel_futures=True)
        self._pool.close()

    def verify_early(self, solution: Solution) -> None:
        """Verifies in the background what will be graded soon: `grade` then has the answer. Returns at once."""
        key = self._key(solution)
        if key is None or (self._verifier is not None and self._verifier.in_process):
            return
        self._waiting.append(key)
        self._background.submit(self._verify_waiting)

    def grade(self, solutions: Sequence[Solution]) -> list[Verdict]:
        """One verdict per solution, in order.

        A verification that outlives its clock, or whose process dies (memory, a crash), is a timeout; one that raises
        makes the solution unparseable. Raises SettingsError for a verifier of the user's that cannot be used.
        """
        with self._lock:
            self._waiting = []  # what is not verified yet, is now
            keys = dict.fromkeys(key for one in solutions if (key := self._key(one)) is not None)
            judged = self._judge(list(keys))
            self._early.clear()
            formatted = self._find_format(solutions)
            self.calls += len(solutions)
            verdicts = []
            for solution in solutions:
                key = self._key(solution)
                found = Judged("truncated") if key is None else judged[key]
                form = formatted.get(solution.text, Judged("unparseable"))
                self._tell_first(found.error or form.error)
                cut = solution.truncated and found.outcome != "correct"
                reward = self.settings.correct * found.score + self.settings.format * form.score
                verdicts.append(Verdict("truncated" if cut else found.outcome, reward))
            return verdicts

    def check_golds(self, answers: Sequence[str]) -> list[str | None]:
        """None for each gold answer by which the verifier can grade, else the problem in words.

        The verifier must accept a solution that states the answer; where it cannot say what such a solution looks like,
        the answer must only not be empty. Raises SettingsError for a verifier that cannot be used.
        """
        with self._lock:
            new = [answer for answer in dict.fromkeys(answers) if answer not in self._golds]
            stating = dict(zip(new, self._ask("stating", [(one,) for one in new]), strict=True))
            pairs = [(answer, text) for answer, text in stating.items() if isinstance(text, str)]
            found = self._judge(pairs)
            for answer, text in stating.items():
                self._golds[answer] = _objection(answer, text, found.get((answer, text)))
            return [self._golds[answer] for answer in answers]

    def stating(self, answers: Sequence[str]) -> list[str | None]:
        """A solution that states each answer and nothing else; None where the verifier knows none."""
        with self._lock:
            found = self._ask("stating", [(answer,) for answer in answers])
        return [one if isinstance(one, str) else None for one in found]

    def answer_start(self, text: str) -> int:
        """Where the statement of the final answer begins, in characters; len(text) where there is none."""
        with self._lock:
            [start] = self._ask("answer_start", [(text,)])
        if isinstance(start, int) and 0 <= start <= len(text):
            return start
        said = start.reason if isinstance(start, Lost) else f"it returned {str(start)[:80]!r}"
        # Without a position, a hint could give the answer away.
        raise self._refused(
            f"its answer_start must return a position in the text ({said}); correct the verifier"
        )

    def vote(self, answer: str, text: str) -> str:
        """What a wrong solution counts for in the majority; equal answers count for the same."""
        with self._lock:
            [found] = self._ask("vote", [(answer, text)])
        if isinstance(found, str):
            return found
        self._tell_first(found.reason if isinstance(found, Lost) else f"vote returned {found!r}")
        return without_blanks(text)  # a vote of its own

    def _key(self, solution: Solution) -> Key | None:
        """What the verifier is given; None where it is not asked."""
        if solution.truncated and not self.settings.credit_truncated:
            return None
        return solution.answer, solution.text

    def _verify_waiting(self) -> None:
        """Verifies, in a thread of its own, all that waits by now. Where it raises, `grade` does too."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._early = self._judge(list(dict.fromkeys(waiting)))

    def _judge(self, keys: Sequence[Key]) -> dict[Key, Judged]:
        """The judgements of these, and of what is verified already."""
        new = [key for key in keys if key not in self._early]
        if not new:
            return dict(self._early)
        self._check_usable()
        try:
            if self._verifier is not None and self._verifier.in_process:
                return self._early | {key: verifier.judge_by(self._verifier, *key) for key in new}
            found = self._pool.run(worker.judge, new)
        except VerifierError as error:
            raise self._refused(f"{error}; correct the verifier") from error
        return self._early | {
            key: Judged("timeout", error=one.reason) if isinstance(one, Lost) else one
            for key, one in zip(new, found, strict=True)
        }

    def _ask(self, member: str, calls: Sequence[tuple[str, ...]]) -> list[Any]:
        """What another member of the verifier returns for each call; Lost where it raised or did not return.

        Built-in verifiers are asked here also where they judge elsewhere: of theirs, only `judge` is expensive.
        """
        if self._verifier is None:
            self._check_usable()
        if self._verifier is None:
            return self._pool.run(worker.ask, [(member, *call) for call in calls])
        return [verifier.ask_of(self._verifier, member, call) for call in calls]

    def _check_usable(self) -> None:
        """Raises SettingsError where the verifier cannot be used; loads it here too if it may be called here."""
        if self._usable:
            return
        [said] = self._pool.run(worker.ready, [()])
        if isinstance(said, Lost):
            raise self._refused(
                f"cannot be used ({said.reason}); give {', '.join(BUILT_IN_VERIFIERS)}, or the dotted path of a"
                " function or verifier that can be imported"
            )
        if said and self._verifier is None:
            self._verifier = verifier.find(self.settings)
        self._usable = True

    def _refused(self, text: str) -> SettingsError:
        return SettingsError(f"reward.verifier = {self.settings.verifier}: {text}")

    def _find_format(self, solutions: Sequence[Solution]) -> dict[str, Judged]:
        """A score of 1 for each text that has the format; nothing where no format is rewarded."""
        pattern = self.settings.format_pattern
        if pattern is None or self.settings.format == 0:
            return {}
        texts = list(dict.fromkeys(one.text for one in solutions))
        found = self._pool.run(worker.has_format, [(pattern, text) for text in texts])
        return {
            text: Judged("timeout", error=f"reward.format_pattern: {one.reason}")
            if isinstance(one, Lost)
            else Judged("correct" if one else "wrong", float(one))
            for text, one in zip(texts, found, strict=True)
        }

    def _tell_first(self, error: str | None) -> None:
        """Warns of the first error of all; absurd solutions may cause any number of them."""
        if error is None or self.first_error is not None:
            return
        self.first_error = error
        told = "reward.verifier = %s: a verification failed (%s); this is the only warning about it"
        log.warning(told, self.settings.verifier, error)


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
