"""The warning where a pretrained model keeps the settings of the built-in one."""

from hybrid_rl.config import toy
from tests.conftest import Load

LONG = "train.max_completion_tokens=512"


def test_a_pretrained_model_with_the_toys_settings_is_warned_of(load: Load) -> None:
    assert toy.warning(load("method=bread", "model.path=owner/name")) == (
        "train.max_completion_tokens = 64, train.rl.learning_rate = 0.0002, train.sft.learning_rate = 0.0005: are made"
        " for the built-in toy, and name is another model; start from experiment=mine, which has values for pretrained"
        " models, or give your own"
    )


def test_a_rate_that_the_method_never_takes_is_no_matter(load: Load) -> None:
    own = ("model.path=owner/name", LONG)
    assert [*toy.kept(load("method=grpo", *own))] == ["train.rl.learning_rate"]
    assert [*toy.kept(load("method=sft", *own))] == ["train.sft.learning_rate"]


def test_what_was_typed_is_meant(load: Load) -> None:
    settings = load("method=grpo", "model.path=owner/name", LONG)
    assert toy.warning(settings, ["train.rl.learning_rate"]) is None


def test_the_toy_itself_and_presets_for_pretrained_models_are_not_warned_of(load: Load) -> None:
    own = ("model.path=owner/name", "data.train.path=train.jsonl", "method=grpo")
    for typed in ((), ("experiment=gsm8k",), ("experiment=mine", *own)):
        assert toy.warning(load(*typed)) is None, typed
    assert toy.warning(load("task=evaluate", "model.path=owner/name")) is None
