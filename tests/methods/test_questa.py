"""QuestA: the part of the solution that a phase gives."""

from dataclasses import replace

from hybrid_rl.methods.questa import Questa, QuestaSettings
from hybrid_rl.types import Trace
from tests.fakes.reference_row import attempts_of, example

TEN = replace(example(), trace=Trace("0123456789", tuple(range(20, 30)), tuple(range(1, 11)), 4))


def parts(first: float, second: float) -> list[int]:
    """The tokens that are given before and after half of the run."""
    settings = QuestaSettings(name="questa", group_size=2, first=first, second=second, until=0.5)
    made, found = Questa(settings, {}, seed=0, steps=9), []
    for progress in (0.49, 0.5):
        assert made.next_update(0, progress).kind == "rl"
        group, untraced = made.rollout(0, [TEN, example(traced=False)], attempts_of(1, 0))
        assert (len(group.rollouts), untraced.prefix) == (2, ())
        found.append(len(group.prefix))
    return found


def test_half_of_a_solution_and_then_a_quarter() -> None:
    assert parts(0.4, 0.25) == [4, 2]


def test_the_answer_is_not_given() -> None:
    assert parts(0.9, 0.0) == [4, 0]
