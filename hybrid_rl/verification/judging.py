"""A verifier that is asked where it may be: in this process, or in those of the pool, which can be killed.

Knows neither rewards nor the lengths of solutions.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hybrid_rl.config.reward import BUILT_IN_VERIFIERS
from hybrid_rl.errors import SettingsError
from hybrid_rl.types import Json
from hybrid_rl.verification import verifier, worker
from hybrid_rl.verification.functions import Asks
from hybrid_rl.verification.pool import KillablePool, Lost
from hybrid_rl.verification.verifier import Judged, Named, Verifier, VerifierError
from hybrid_rl.verification.worker import Ready

_NO_COLUMNS = "{}"


class Key(NamedTuple):
    """What a verifier is given."""

    answer: str
    """The gold answer."""
    text: str
    """The solution."""
    columns: str
    """The columns of the row that the verifier asks for, as JSON text."""


class Judging:
    """A verifier that the settings name, asked in the right place. Two threads must not use it at once."""

    def __init__(self, named: Named, pool: KillablePool) -> None:
        self.named = named
        self._pool = pool
        built_in = verifier.built_in(named.settings)
        self._verifier: Verifier | None = built_in
        """The verifier, which is None for a user's own unless that says that it may be called in this process."""
        self._ready = Ready(True, Asks()) if built_in and built_in.in_process else None
        """What is known of the verifier, once it is known that it can be used."""
        self._early: dict[Key, Judged] = {}

    @property
    def here(self) -> bool:
        """Whether it is known by now that it judges in this process."""
        return self._ready is not None and self._ready.here

    def asks(self) -> Asks:
        """What it wants beside the gold answer and the solution. Raises SettingsError where it cannot be used."""
        return self._checked().asks

    def key(self, answer: str, text: str, columns: Mapping[str, Json]) -> Key:
        """What it is given of a solution. Raises SettingsError where it cannot be used, or the columns not be had."""
        asks = self.asks()
        if lacking := [name for name in asks.needed if name not in columns]:
            raise self.refused(
                f"asks for {', '.join(lacking)}, and what is graded comes without; give the parameter a default value,"
                " or grade where the rows of the data are read"
            )
        wanted = asks.of(columns)
        return Key(answer, text, json.dumps(wanted, sort_keys=True) if wanted else _NO_COLUMNS)

    def begin(self, keys: Sequence[Key]) -> None:
        """Judges these and keeps what it finds for the next `judge`.

        One that takes all solutions of a question at once waits for the last of them.
        """
        if not self.asks().many:
            self._early = self._judged(keys)

    def judge(self, keys: Sequence[Key]) -> list[Judged]:
        """The judgements, in order. What was begun early is used, and then forgotten.

        Raises SettingsError where the verifier cannot be used, or returns what it must not.
        """
        if keys and self.asks().many:
            return self._judged_together(keys)
        found = self._judged(keys)
        self._early = {}
        return [found[key] for key in keys]

    def ask(self, member: str, calls: Sequence[tuple[str, ...]]) -> list[Any]:
        """What another member of the verifier returns for each call; Lost where it raised or did not return.

        Built-in verifiers are asked here also where they judge elsewhere: of theirs, only `judge` is expensive.
        """
        if self._verifier is None:
            self._checked()
        if self._verifier is None:
            return self._pool.run(
                worker.ask, [(self.named.setting, member, *call) for call in calls]
            )
        return [verifier.ask_of(self._verifier, member, call) for call in calls]

    @property
    def told(self) -> str:
        """The setting that names it, and its value, for messages."""
        return f"{self.named.setting} = {self.named.settings.verifier}"

    def refused(self, text: str) -> SettingsError:
        """The error that says what is wrong with the verifier."""
        return SettingsError(f"{self.told}: {text}")

    def _checked(self) -> Ready:
        """What is known of the verifier; it is loaded here too if it may be called here. Raises SettingsError."""
        if self._ready is not None:
            return self._ready
        [said] = self._pool.run(worker.ready, [(self.named.setting,)])
        if isinstance(said, Lost):
            raise self.refused(
                f"cannot be used ({said.reason}); give {', '.join(BUILT_IN_VERIFIERS)}, or the dotted path of a"
                " function or verifier that can be imported"
            )
        if said.here and self._verifier is None:
            self._verifier = verifier.find(self.named.settings)
        self._ready = said
        return said

    def _judged(self, keys: Sequence[Key]) -> dict[Key, Judged]:
        """The judgements of these, each once, and of what is judged already."""
        new = [key for key in dict.fromkeys(keys) if key not in self._early]
        if not new:
            return dict(self._early)
        if self._checked().here and self._verifier is not None:
            found = [self._judged_here(self._verifier, key) for key in new]
        else:
            found = [one for [one] in self._called([[key] for key in new])]
        return self._early | dict(zip(new, found, strict=True))

    def _judged_here(self, mine: Verifier, key: Key) -> Judged:
        columns = {} if key.columns == _NO_COLUMNS else json.loads(key.columns)
        try:
            return verifier.judge_by(mine, key.answer, key.text, columns, self.named.any_number)
        except VerifierError as error:
            raise self.refused(f"{error}; correct the verifier") from error

    def _judged_together(self, keys: Sequence[Key]) -> list[Judged]:
        """The judgements by a function that takes all solutions of a question at once, equal ones included.

        Where such a call does not return, each of its solutions gets a call of its own.
        """
        questions: dict[tuple[str, str], list[int]] = {}
        for place, key in enumerate(keys):
            questions.setdefault((key.answer, key.columns), []).append(place)
        found: dict[int, Judged] = {}
        asked = [[keys[place] for place in places] for places in questions.values()]
        for places, judged in zip(questions.values(), self._called(asked), strict=True):
            found |= dict(zip(places, judged, strict=True))
        lost = [
            place
            for places in questions.values()
            for place in places
            if len(places) > 1 and found[place].outcome == "timeout"
        ]
        again = self._called([[keys[place]] for place in lost])
        found |= {place: alone for place, [alone] in zip(lost, again, strict=True)}
        return [found[place] for place in range(len(keys))]

    def _called(self, groups: Sequence[Sequence[Key]]) -> list[list[Judged]]:
        """The judgements from the processes, a call for each group of solutions of one question."""
        calls = [
            (self.named.setting, group[0].answer, [key.text for key in group], group[0].columns)
            for group in groups
        ]
        try:
            found = self._pool.run(worker.judge, calls, [len(group) for group in groups])
        except VerifierError as error:
            raise self.refused(f"{error}; correct the verifier") from error
        return [
            [Judged("timeout", error=said.reason)] * len(group) if isinstance(said, Lost) else said
            for group, said in zip(groups, found, strict=True)
        ]
