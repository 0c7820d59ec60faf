"""Knights and Knaves puzzles: islanders who only say true or only say false things, one claim each.

The kind of puzzle is that of "On Memorization of Large Language Models in Logical Reasoning" (arXiv 2410.23123); the
wording is our own, the answer has the form of its `solution_text_format`, one numbered role a line. Every puzzle has
exactly one solution, found by trying all roles. Knows no model and no file.
"""

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from random import Random
from typing import NamedTuple

from hybrid_rl.config.data import Range
from hybrid_rl.data.questions import GeneratedQuestion
from hybrid_rl.errors import DataError

_PATIENCE = 1000  # so many draws in a row without a new puzzle, and there is hardly one left
NAMES = (
    "Ada", "Boris", "Clara", "Dario", "Edith", "Felix", "Greta", "Hugo", "Irene", "Jonas", "Karla", "Leon", "Marta",
    "Nils", "Olga", "Pavel", "Quinn", "Rosa", "Stefan", "Tilda", "Ulrich", "Vera", "Walter", "Xenia", "Yusuf", "Zelda",
)  # fmt: skip
_CONNECTIVES: Mapping[str, Callable[[bool, bool], bool]] = {
    "{} and {}": operator.and_,
    "{} or {}": operator.or_,
    "if {}, then {}": operator.le,
    "{} if and only if {}": operator.eq,
}
"""The words that join two roles -> whether what they join is true."""
Roles = tuple[bool, ...]
"""Whether each person is a knight, in the order of the puzzle's names."""


class Role(NamedTuple):
    """The statement that `person`, an index, is a knight or, where `knight` is False, a knave."""

    person: int
    knight: bool


@dataclass(frozen=True)
class Claim:
    """What one islander says: a role, or two with the words that join them."""

    roles: tuple[Role, ...]
    words: str = "{}"


@dataclass(frozen=True)
class Puzzle:
    """The islanders and what each says: `claims[i]` is made by `names[i]`."""

    names: tuple[str, ...]
    claims: tuple[Claim, ...]


def draw(rng: Random, people: int) -> Puzzle:
    """A random puzzle with exactly one solution."""
    names = tuple(rng.sample(NAMES, people))
    while True:
        puzzle = Puzzle(names, tuple(_claim(rng, speaker, people) for speaker in range(people)))
        if len(solve(puzzle)) == 1:
            return puzzle


def solve(puzzle: Puzzle) -> list[Roles]:
    """All assignments of roles in which exactly the knights' claims are true, by trying each."""
    return [
        roles
        for roles in product((True, False), repeat=len(puzzle.names))
        if all(
            _holds(claim, dict(enumerate(roles))) == role
            for claim, role in zip(puzzle.claims, roles, strict=True)
        )
    ]


def question(puzzle: Puzzle) -> str:
    """The puzzle in words."""
    *others, last = puzzle.names
    claims = [_words(claim, puzzle.names) for claim in puzzle.claims]
    said = " ".join(
        f'{name} says: "{words[0].upper()}{words[1:]}."'
        for name, words in zip(puzzle.names, claims, strict=True)
    )
    return (
        "On an island everyone is either a knight or a knave. A knight says only what is true, a knave only what is"
        f" false. You meet {', '.join(others)} and {last}. {said} Who is a knight, and who is a knave?"
    )


def answer(puzzle: Puzzle) -> str:
    """The roles, a line per person: `(1) Ada is a knave`. Raises ValueError unless there is exactly one solution."""
    [roles] = solve(puzzle)
    return "\n".join(
        f"({number}) {_role(name, knight)}"
        for number, (name, knight) in enumerate(zip(puzzle.names, roles, strict=True), 1)
    )


def solution(puzzle: Puzzle) -> str:
    """The expert's solution: suppose a role, go back where that contradicts a claim, and end with the answer."""
    return "\n".join([*_search(puzzle), "All claims fit.", "", answer(puzzle)])


def rows(size: int, seed: int, people: Range) -> list[GeneratedQuestion]:
    """`size` distinct puzzles, the number of people uniform in its range; the first are the same whatever the size.

    The level is the number of people. Raises DataError where new puzzles can no longer be found.
    """
    assert 2 <= people[0] <= people[1]
    rng = Random(f"knights-{seed}")
    found: dict[Puzzle, None] = {}
    misses = 0
    while len(found) < size:
        puzzle = draw(rng, rng.randint(*people))
        misses = misses + 1 if puzzle in found else 0
        if misses == _PATIENCE:
            few = f"only about {len(found)} puzzles with {people} people can be found"
            raise DataError(f"size = {size}: {few}")
        found[puzzle] = None
    return [
        GeneratedQuestion(question(one), answer(one), solution(one), str(len(one.names)))
        for one in found
    ]


def _claim(rng: Random, speaker: int, people: int) -> Claim:
    """A role of someone else, or two roles of different people, the speaker perhaps among them."""
    if rng.random() < 0.4:
        # Not of the speaker: "I am a knight" says nothing, and "I am a knave" nobody can say.
        other = rng.choice([person for person in range(people) if person != speaker])
        return Claim((Role(other, rng.random() < 0.5),))
    joined = tuple(Role(person, rng.random() < 0.5) for person in rng.sample(range(people), 2))
    return Claim(joined, rng.choice(list(_CONNECTIVES)))


def _holds(claim: Claim, roles: Mapping[int, bool]) -> bool:
    """Whether the claim is true, given who of those whom it is about is a knight."""
    holds: Callable[..., bool] = _CONNECTIVES.get(claim.words, bool)
    return holds(*(roles[person] == knight for person, knight in claim.roles))


def _search(puzzle: Puzzle) -> list[str]:
    """The lines of a depth-first search that supposes roles in the order in which claims bring people up."""
    lines: list[str] = []

    def place(roles: dict[int, bool]) -> bool:
        if len(roles) == len(puzzle.names):
            return True
        person = _next_person(puzzle, roles)
        name = puzzle.names[person]
        for knight in (True, False):
            trial = {**roles, person: knight}
            contradiction = _contradiction(puzzle, trial)
            if contradiction is not None:
                lines.append(f"{name} cannot be {_article(knight)}: {contradiction}.")
                continue
            lines.append(f"Suppose {_role(name, knight)}: nothing contradicts it so far.")
            if place(trial):
                return True
            lines.append(f"That leads nowhere: {name} is not {_article(knight)}.")
        return False

    place({})
    return lines


def _next_person(puzzle: Puzzle, roles: dict[int, bool]) -> int:
    """The person to place next: whom the claims of those placed mention first, else the first one not placed."""
    candidates = [person for speaker in roles for person, _ in puzzle.claims[speaker].roles]
    candidates += range(len(puzzle.names))
    return next(person for person in candidates if person not in roles)


def _contradiction(puzzle: Puzzle, roles: dict[int, bool]) -> str | None:
    """The first claim that its speaker's role rules out, whatever those without a role are, in words; else None."""
    for speaker, knight in roles.items():
        claim = puzzle.claims[speaker]
        open_people = [person for person, _ in claim.roles if person not in roles]
        possible = {
            _holds(claim, {**roles, **dict(zip(open_people, guess, strict=True))})
            for guess in product((True, False), repeat=len(open_people))
        }
        if knight not in possible:
            said = f"{'false' if knight else 'true'}, that {_words(claim, puzzle.names)}"
            return f"{puzzle.names[speaker]}, {_article(knight)}, would say something {said}"
    return None


def _words(claim: Claim, names: Sequence[str]) -> str:
    return claim.words.format(*(_role(names[person], knight) for person, knight in claim.roles))


def _role(name: str, knight: bool) -> str:
    return f"{name} is {_article(knight)}"


def _article(knight: bool) -> str:
    return "a knight" if knight else "a knave"
