"""From solutions to verdicts: one grader serves rewards, triggers, buffers and evaluation.

Verifiers whose cost is bounded by the length of their input run in this process. `symbolic`, a function of the user's,
and format patterns run in processes that are killed when their clock runs out. Loads neither torch nor sympy.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from types import TracebackType

from hybrid_rl.config.reward import RewardSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.types import Verdict
from hybrid_rl.verification import answers as answers_
from hybrid_rl.verification import numeric, worker
from hybrid_rl.verification.answers import answer_part
from hybrid_rl.verification.pool import KillablePool, Lost
from hybrid_rl.verification.verifier import Judged, VerifierError, find, judge_by

log = logging.getLogger(__name__)

_IN_PROCESS = ("exact", "numeric", "roles")
_PRELOAD = ("hybrid_rl.config.settings", "hybrid_rl.verification.symbolic")
_BUILT_IN = (*_IN_PROCESS, "symbolic")
Key = tuple[str, str]
"""What a verifier is given: gold answer, and solution or its end."""


def in_processes(settings: RewardSettings) -> bool:
    """Whether solutions are verified outside of this process."""
    return settings.verifier not in _IN_PROCESS


def foresees(settings: Settings) -> bool:
    """Whether solutions are verified while others are being drawn."""
    return settings.speed.early_verification and in_processes(settings.reward)


@dataclass(frozen=True)
class Solution:
    """A text to be graded against a gold answer."""

    answer: str
    text: str
    truncated: bool = False
    """Cut at the length limit."""


class Grader:
    """Grades by the settings and counts. May be called from any thread; close it, or use it in a `with`."""

    def __init__(self, settings: RewardSettings) -> None:
        self.settings = settings
        self._lock = Lock()
        self._pool = KillablePool(
            settings.workers,
            settings.timeout_seconds,
            worker.prepare,
            (
                settings.verifier,
                settings.unmarked,
                settings.timeout_seconds,
                settings.memory_mb,
            ),
            preload=_PRELOAD if settings.verifier == "symbolic" else _PRELOAD[:1],
        )
        self._checked_verifier = False
        self._golds: dict[str, str | None] = {}
        self._waiting: list[Key] = []
        self._waiting_lock = Lock()
        self._foreseen: dict[Key, Judged] = {}
        self._background = ThreadPoolExecutor(1, "early verification")
        self._verifying: Future[None] | None = None
        self.calls = 0
        """Solutions graded so far; equal ones are verified once and count each."""
        self.outcomes: Counter[str] = Counter()
        """Verdicts so far, by outcome."""
        self.errors = 0
        """Solutions so far on which the verifier or the format pattern raised, ran out of time, or died."""
        self.first_error: str | None = None
        """What the first of them said."""

    def __enter__(self) -> "Grader":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill the processes, if there are any."""
        with self._waiting_lock:
            self._waiting.clear()
        self._background.shutdown()
        self._pool.close()

    @property
    def error_rate(self) -> float:
        """`errors` as a share of `calls`; 0 before the first."""
        return self.errors / self.calls if self.calls else 0.0

    def foresee(self, solution: Solution) -> None:
        """Verify in the background what will be graded soon: `grade` then has the answer. Returns at once."""
        key = self._key(solution)
        if key is None or not in_processes(self.settings):
            return
        with self._waiting_lock:
            self._waiting.append(key)
            if self._verifying is None:
                self._verifying = self._background.submit(self._verify_waiting)

    def grade(self, solutions: Sequence[Solution]) -> list[Verdict]:
        """One verdict per solution, in order.

        A verification that outlives its clock, or whose process dies (memory, a crash), is a timeout; one that raises
        makes the solution unparseable. Raises SettingsError for a function of the user's that cannot be used.
        """
        with self._lock:
            with self._waiting_lock:
                self._waiting.clear()  # what is not verified yet, is now
            keys = dict.fromkeys(key for one in solutions if (key := self._key(one)) is not None)
            judged = self._judge(list(keys))
            self._foreseen.clear()
            formatted = self._find_format(solutions)
            verdicts = []
            for solution in solutions:
                key = self._key(solution)
                found = Judged("truncated") if key is None else judged[key]
                form = formatted.get(solution.text, Judged("unparseable"))
                verdicts.append(self._verdict(solution, found, form.score))
                self._count_error(found.error or form.error)
            self.calls += len(verdicts)
            self.outcomes.update(verdict.outcome for verdict in verdicts)
            return verdicts

    def check_gold(self, answer: str) -> str | None:
        """None where the verifier can grade by this gold answer, else the problem in words.

        A built-in verifier must accept the answer as a solution that states it; an answer for a function of the user's
        must not be empty. Raises SettingsError for a function that cannot be used.
        """
        return self.check_golds([answer])[0]

    def check_golds(self, answers: Sequence[str]) -> list[str | None]:
        """`check_gold` of each; many at a time are much faster with `symbolic`."""
        with self._lock:
            if in_processes(self.settings):
                self._check_verifier()
            new = [answer for answer in dict.fromkeys(answers) if answer not in self._golds]
            if self.settings.verifier in _BUILT_IN:
                pairs = [(answer, _stating(answer, self.settings.verifier)) for answer in new]
                found = self._run(pairs)
                for answer, pair in zip(new, pairs, strict=True):
                    self._golds[answer] = _objection(answer, found[pair])
            else:
                self._golds.update((one, None if one.strip() else "it is empty") for one in new)
            return [self._golds[answer] for answer in answers]

    def answer_start(self, text: str) -> int:
        """Where the statement of the final answer begins, in characters; len(text) where there is none."""
        return answers_.answer_start(text, self.settings.verifier)

    def _is_verified(self, solution: Solution) -> bool:
        return self.settings.credit_truncated or not solution.truncated

    def _key(self, solution: Solution) -> Key | None:
        """What the verifier is given; None where it is not asked."""
        if not self._is_verified(solution):
            return None
        if self.settings.verifier not in _BUILT_IN:
            return solution.answer, solution.text
        part = answer_part(solution.text, self.settings.answer_after)
        return solution.answer, part

    def _verify_waiting(self) -> None:
        """In a thread of its own, until nothing waits. Where it raises, `grade` does too."""
        while True:
            with self._lock:
                with self._waiting_lock:
                    keys, self._waiting = dict.fromkeys(self._waiting), []
                    if not keys:
                        self._verifying = None
                        return
                self._foreseen = self._judge(list(keys))

    def _judge(self, keys: Sequence[Key]) -> dict[Key, Judged]:
        """Of these, and of what is foreseen."""
        if keys and in_processes(self.settings):
            self._check_verifier()
        return self._foreseen | self._run([key for key in keys if key not in self._foreseen])

    def _run(self, pairs: Sequence[Key]) -> dict[Key, Judged]:
        """What the verifier says of each."""
        try:
            if not in_processes(self.settings):
                verifier = find(self.settings.verifier, self.settings.unmarked)
                return {pair: judge_by(verifier, *pair) for pair in pairs}
            found = self._pool.run(worker.judge, pairs)
        except VerifierError as error:
            raise SettingsError(
                f"reward.verifier = {self.settings.verifier}: {error}; correct the function"
            ) from error
        return {
            pair: Judged("timeout", error=one.reason) if isinstance(one, Lost) else one
            for pair, one in zip(pairs, found, strict=True)
        }

    def _check_verifier(self) -> None:
        """Raise SettingsError where it cannot be imported."""
        if self._checked_verifier:
            return
        [problem] = self._pool.run(worker.ready, [()])
        if problem is not None:
            raise SettingsError(
                f"reward.verifier = {self.settings.verifier}: cannot be used"
                f" ({problem.reason if isinstance(problem, Lost) else problem});"
                " give exact, numeric, symbolic, roles, or the dotted path of a function that can be imported"
            )
        self._checked_verifier = True

    def _find_format(self, solutions: Sequence[Solution]) -> dict[str, Judged]:
        """Text -> 1 where it has the format; nothing where no format is rewarded."""
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

    def _verdict(self, solution: Solution, found: Judged, form: float) -> Verdict:
        outcome = found.outcome
        if solution.truncated and outcome != "correct":
            outcome = "truncated"
        return Verdict(outcome, self.settings.correct * found.score + self.settings.format * form)

    def _count_error(self, error: str | None) -> None:
        if error is None:
            return
        if self.first_error is None:
            self.first_error = error
            log.warning(
                "reward.verifier = %s: a verification failed (%s); further ones are only counted",
                self.settings.verifier,
                error,
            )
        self.errors += 1


def _stating(answer: str, verifier: str) -> str:
    """A solution that states `answer` and nothing else."""
    match verifier:
        case "exact":
            return f"# {answer}"
        case "numeric":
            value = numeric.numeric_gold(answer)
            return answer if value is None else f"#### {value}"
        case "roles":
            return f"Answer:\n{answer}"
        case _:
            return answer if "\\boxed" in answer else f"\\boxed{{{answer}}}"


def _objection(answer: str, found: Judged) -> str | None:
    if not answer.strip():
        return "it is empty"
    if found.outcome == "correct":
        return None
    if found.error is not None:
        return found.error.removeprefix("ValueError: ")
    return f"a solution that states it is {found.outcome}"
