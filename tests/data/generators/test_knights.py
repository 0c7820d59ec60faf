"""Knights and Knaves: a second solver that reads the words of the puzzle, and traces that reach its answer."""

import re
from itertools import product
from random import Random

import pytest

from hybrid_rl.data.generators import knights
from hybrid_rl.data.generators.knights import Claim, Puzzle, Role
from hybrid_rl.errors import DataError

# Ada: Boris is a knave. Boris: Ada and Boris are knights.
SMALL = Puzzle(
    ("Ada", "Boris"),
    (Claim((Role(1, False),)), Claim((Role(0, True), Role(1, True)), "{} and {}")),
)


def solutions_of(question: str) -> list[str]:
    """All answers that fit the words of a question, found by Python's own logic on them."""
    said = re.findall(r'(\w+) says: "(.+?)\."', question)
    found = []
    for roles in product((True, False), repeat=len(said)):
        knight = dict(zip([name for name, _ in said], roles, strict=True))
        if all(knight[name] == is_true(claim, knight) for name, claim in said):
            lines = [
                f"({i}) {name} is a {'knight' if knight[name] else 'knave'}"
                for i, (name, _) in enumerate(said, 1)
            ]
            found.append("\n".join(lines))
    return found


def is_true(claim: str, knight: dict[str, bool]) -> bool:
    values = [
        knight[name] == (role == "knight")
        for name, role in re.findall(r"(\w+) is a (knight|knave)", claim)
    ]
    if claim.startswith("If "):
        return values[0] <= values[1]
    if " if and only if " in claim:
        return values[0] == values[1]
    return any(values) if " or " in claim else all(values)


def test_a_puzzle_reads_like_this() -> None:
    assert knights.question(SMALL) == (
        "On an island everyone is either a knight or a knave. A knight says only what is true, a knave only what is"
        ' false. You meet Ada and Boris. Ada says: "Boris is a knave." Boris says: "Ada is a knight and Boris is a'
        ' knight." Who is a knight, and who is a knave?'
    )


def test_a_solution_supposes_finds_contradictions_and_ends_with_the_roles() -> None:
    assert knights.solution(SMALL) == (
        "Suppose Ada is a knight: nothing contradicts it so far.\n"
        "Boris cannot be a knight: Ada, a knight, would say something false, that Boris is a knave.\n"
        "Suppose Boris is a knave: nothing contradicts it so far.\n"
        "All claims fit.\n\n"
        "(1) Ada is a knight\n(2) Boris is a knave"
    )


@pytest.mark.parametrize("people", range(2, 9))
def test_every_puzzle_has_exactly_the_answer_that_its_words_have(people: int) -> None:
    for row in knights.rows(25, 0, (people, people)):
        assert solutions_of(row.question) == [row.answer]
        assert row.level == str(people)


def test_a_puzzle_with_two_solutions_has_no_answer() -> None:
    agree = Puzzle(("Ada", "Boris"), (Claim((Role(1, True),)), Claim((Role(0, True),))))

    assert knights.solve(agree) == [(True, True), (False, False)]
    with pytest.raises(ValueError, match="too many values"):
        knights.answer(agree)


def test_the_suppositions_that_stand_at_the_end_of_a_trace_are_its_answer() -> None:
    for row in knights.rows(100, 1, (2, 8)):
        steps, roles = row.trace.split("\nAll claims fit.\n\n")
        standing: list[str] = []
        for line in steps.split("\n"):
            if found := re.match(r"Suppose (\w+ is a \w+):", line):
                standing.append(found[1])
            elif found := re.match(r"That leads nowhere: (\w+) is not (a \w+)\.", line):
                assert standing.pop() == f"{found[1]} is {found[2]}"
        assert roles == row.answer
        assert sorted(standing) == sorted(re.findall(r"\(\d\) (.+)", row.answer))


def test_a_claim_called_false_or_true_in_a_trace_is_so_in_the_standing_suppositions() -> None:
    checked = 0
    for row in knights.rows(60, 2, (3, 6)):
        knight: list[tuple[str, bool]] = []
        for line in row.trace.split("\n"):
            if found := re.match(r"Suppose (\w+) is a (\w+):", line):
                knight.append((found[1], found[2] == "knight"))
            elif line.startswith("That leads nowhere"):
                knight.pop()
            elif found := re.match(
                r"(\w+) cannot be a (\w+): .* something (\w+), that (.+)\.", line
            ):
                roles = {**dict(knight), found[1]: found[2] == "knight"}
                claim = found[4][0].upper() + found[4][1:]
                open_people = set(re.findall(r"(\w+) is a", claim)) - set(roles)
                for guess in product((True, False), repeat=len(open_people)):
                    full = {**roles, **dict(zip(open_people, guess, strict=True))}
                    assert is_true(claim, full) == (found[3] == "true")
                checked += 1
    assert checked > 100


def test_rows_are_distinct_and_reproducible_and_extend_shorter_lists() -> None:
    rows = knights.rows(300, 5, (2, 4))

    assert len({row.question for row in rows}) == 300
    assert rows[:40] == knights.rows(40, 5, (2, 4))
    assert rows[:40] != knights.rows(40, 6, (2, 4))
    assert {row.level for row in rows} == {"2", "3", "4"}


def test_claims_are_about_others_or_two_people() -> None:
    rng = Random(0)
    for _ in range(50):
        for speaker, claim in enumerate(knights.draw(rng, 4).claims):
            people = [person for person, _ in claim.roles]
            assert people != [speaker]
            assert len(set(people)) == len(people)


def test_puzzles_that_run_out_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(knights, "NAMES", ("Ada", "Boris"))
    monkeypatch.setattr(knights, "_PATIENCE", 20)
    message = r"^size = 100000: only about \d+ puzzles with \(2, 2\) people can be found$"

    with pytest.raises(DataError, match=message):
        knights.rows(100_000, 0, (2, 2))
