"""How a user's function is called: what it asks for, and in which form it gets it."""

from collections.abc import Callable
from typing import Any

import pytest

from hybrid_rl.verification.functions import Asks, asks_of, of_many, of_one


def by_place(gold: str, response: str, level: int, prompt: str, unit: str = "m") -> list[Any]:
    return [gold, response, level, prompt, unit]


def by_name(completion: str, level: int, answer: str) -> list[Any]:
    return [completion, level, answer]


def greedy(gold: str, text: str, **columns: Any) -> list[Any]:
    return [gold, text, columns]


def like_trl(prompts: list[Any], completions: list[Any], level: list[int]) -> list[Any]:
    return list(zip(prompts, completions, level, strict=True))


def like_trl_with_all(completions: list[Any], answer: list[str], **columns: Any) -> list[Any]:
    return [(*one, sorted(columns)) for one in zip(completions, answer, strict=True)]


@pytest.mark.parametrize(
    ("function", "asks"),
    [
        (lambda answer, text: True, Asks()),
        (lambda *both: True, Asks()),
        (by_place, Asks(needed=("level", "prompt"), welcome=("unit",))),
        (by_name, Asks(needed=("level",))),
        (greedy, Asks(everything=True)),
        (like_trl, Asks(needed=("level", "prompt"), many=True)),
        (like_trl_with_all, Asks(needed=("prompt",), everything=True, many=True)),
    ],
)
def test_the_names_of_its_parameters_say_what_a_function_asks_for(
    function: Callable[..., Any], asks: Asks
) -> None:
    assert asks_of(function) == asks


def log_extra(completions: list[str], log_extra: object = None) -> None: ...


def ids(completions: list[str], completion_ids: list[int]) -> None: ...


def test_what_only_the_trainer_of_trl_has_must_have_a_default_value() -> None:
    assert asks_of(log_extra) == Asks(needed=("prompt",), welcome=("log_extra",), many=True)
    with pytest.raises(TypeError) as raised:
        asks_of(ids)
    assert str(raised.value) == (
        "it asks for completion_ids, which only TRL's own trainer has; give it a default value"
    )


def test_a_function_without_a_place_for_the_solution_is_refused() -> None:
    with pytest.raises(TypeError) as raised:
        asks_of(lambda text: True)
    assert str(raised.value) == (
        "it takes (text); write verify(answer, text), or call one of them completion or completions"
    )


def test_columns_are_those_that_are_asked_for() -> None:
    row = {"level": 3, "odd": 1, "unit": "s"}
    assert asks_of(by_place).of(row) == {"level": 3, "unit": "s"}
    assert asks_of(greedy).of(row) == row
    assert Asks().of(row) == {}


def test_one_solution_goes_to_the_first_two_parameters_or_to_those_that_name_it() -> None:
    row = {"level": 3, "prompt": "How long?"}
    assert of_one(by_place, "5", "it is 5", row) == ["5", "it is 5", 3, "How long?", "m"]
    assert of_one(by_name, "5", "it is 5", row) == ["it is 5", 3, "5"]
    # A column called as one of the first two is not given twice.
    assert of_one(greedy, "5", "it is 5", {"text": "t", "a": 1}) == ["5", "it is 5", {"a": 1}]


def test_many_solutions_are_lists_as_in_trl() -> None:
    row = {"level": 3, "prompt": "How long?"}
    assert of_many(like_trl, "5", ["a", "b"], row, False) == [
        ("How long?", "a", 3),
        ("How long?", "b", 3),
    ]
    assert of_many(like_trl_with_all, "5", ["a"], row, False) == [("a", "5", ["level", "prompts"])]


def test_a_conversation_is_answered_by_messages() -> None:
    asked = [{"role": "user", "content": "How long?"}]
    said = [{"role": "assistant", "content": "a"}]
    expected = [(asked, said, 3)]
    assert of_many(like_trl, "5", ["a"], {"level": 3, "prompt": asked}, False) == expected
    assert of_many(like_trl, "5", ["a"], {"level": 3, "prompt": "How long?"}, True) == expected


@pytest.mark.parametrize("said", ["ab", [1.0], 0.5])
def test_a_value_for_each_solution_must_be_returned(said: Any) -> None:
    with pytest.raises(TypeError):
        of_many(lambda completions: said, "5", ["a", "b"], {"prompt": ""}, False)
