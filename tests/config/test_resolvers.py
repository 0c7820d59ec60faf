"""Names, rates and sets that conf/ computes from other settings."""

import pytest

from hybrid_rl.config import resolvers
from hybrid_rl.errors import SettingsError
from hybrid_rl.methods.bread_relift import BreadReliftSettings
from hybrid_rl.methods.relift import ReliftSettings
from tests.conftest import Load

OWN = ("experiment=mine", "method=grpo", "data.train.path=questions/sums.jsonl")
LORA = "model.lora={rank: 8, alpha: 16, dropout: 0.0, target_modules: all-linear}"


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", 0.5e9),
        ("HuggingFaceTB/SmolLM2-135M", 135e6),
        ("meta-llama/Llama-3.1-8B", 8e9),
        ("microsoft/phi-2", None),
        ("/models/1b/weights", None),
        ("owner/model-3beta", None),
    ],
)
def test_the_size_is_that_which_the_name_states(path: str, size: float | None) -> None:
    assert resolvers.size_in(path) == size


@pytest.mark.parametrize(
    ("path", "lora", "rl", "sft"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", False, 1e-6, 1e-5),
        ("Qwen/Qwen2.5-0.5B-Instruct", True, 1e-5, 1e-4),
        ("HuggingFaceTB/SmolLM2-135M", False, 4e-6, 5e-5),
        ("HuggingFaceTB/SmolLM2-135M", True, 4e-5, 5e-4),
        ("owner/name", False, 1e-6, 1e-5),
    ],
)
def test_rates_of_a_pretrained_model_follow_its_size_and_are_higher_for_adapters(
    load: Load, path: str, lora: bool, rl: float, sft: float
) -> None:
    train = load(*OWN, f"model.path={path}", *([LORA] if lora else [])).train
    assert (train.rl.learning_rate, train.sft.learning_rate) == (rl, sft)


def test_a_rate_that_is_typed_takes_the_place_of_the_usual_one(load: Load) -> None:
    settings = load(*OWN, "model.path=owner/name", "train.rl.learning_rate=3e-6")
    assert settings.train.rl.learning_rate == 3e-6


@pytest.mark.parametrize(("steps", "size"), [(1, 1), (4, 1), (30, 7), (64, 16), (5000, 16)])
def test_a_batch_that_waits_for_unsolved_questions_can_be_filled_in_a_short_run(
    load: Load, steps: int, size: int
) -> None:
    alone = load("method=relift", f"train.steps={steps}").method
    combined = load("method=bread_relift", f"train.steps={steps}").method
    assert isinstance(alone, ReliftSettings)
    assert isinstance(combined, BreadReliftSettings)
    assert alone.batch_size == combined.relift.batch_size == size


@pytest.mark.parametrize("steps", ["abc", "null", "[1]"])
def test_steps_that_are_no_number_are_told_as_such_and_not_as_a_batch(
    load: Load, steps: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load("method=relift", f"train.steps={steps}")
    assert str(refused.value).startswith("train.steps = ")
    assert "batch_size" not in str(refused.value)


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5-0.5B-Instruct"),
        ("tiny", "tiny"),
        ("/home/me/runs/sft-tiny-ledger/20260102-030405/model", "sft-tiny-ledger-20260102-030405"),
        ("runs/studies/words/bread/seed_1/best_model", "bread-seed_1"),
        ("../model", "model"),
        ("my model", "my-model"),
        ({"kind": "hub", "path": "openai/gsm8k"}, "gsm8k"),
        ({"kind": "file", "path": ["a/sums.jsonl", "b.jsonl"]}, "sums"),
        ({"kind": "chain", "size": 4}, "chain"),
        ({"kind": "reasoning_gym", "task": "basic_arithmetic"}, "basic_arithmetic"),
        (None, "data"),
    ],
)
def test_what_has_no_name_is_named_by_where_it_comes_from(source: object, name: str) -> None:
    assert resolvers.name_of(source) == name


def test_a_run_is_named_by_what_is_trained_on_what(load: Load) -> None:
    settings = load(*OWN, "model.path=Qwen/Qwen2.5-0.5B-Instruct", "reward.verifier=mine.verify")
    assert settings.name == "grpo-Qwen2.5-0.5B-Instruct-sums"
    assert (settings.model.name, settings.reward.name) == ("Qwen2.5-0.5B-Instruct", "mine.verify")
    assert load("method=grpo", "model.path=owner/name").name == "grpo-name-ledger"


def test_an_evaluation_is_named_as_one(load: Load) -> None:
    assert load("task=evaluate").name == "evaluate-tiny-ledger"
    assert load("task=evaluate", "experiment=smoke").name == "smoke-evaluate"


def test_dev_is_evaluated_where_there_is_no_test_set(load: Load) -> None:
    settings = load(*OWN, "model.path=owner/name")
    assert settings.eval.sets == ["dev"]
    assert settings.stand_in == (
        "data=sums has no test set: dev, which training looks at, is evaluated in its place"
    )
    assert load().stand_in is None
    assert load("eval.sets=[dev]").stand_in is None
    assert load().eval.sets == ["hard", "easy"]
    assert load(*OWN, "model.path=owner/name", "eval=none").eval.sets == []
    nothing = ("data.dev=0", "train.eval_every=null")
    assert load(*OWN, "model.path=owner/name", *nothing).eval.sets == []
