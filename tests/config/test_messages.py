"""What the schema finds wrong, as the whole line that a user reads."""

from pathlib import Path

import pytest

from hybrid_rl.config import loading
from hybrid_rl.errors import SettingsError
from tests.conftest import Compose, Load

# (what is typed, the whole message)
SCHEMA = [
    (["train.steps=0"], "train.steps = 0: must be at least 1; e.g. train.steps=1"),
    (
        ["train.steps=many"],
        "train.steps = many: must be a whole number; e.g. train.steps=1",
    ),
    (
        ["train.rl.learning_rate=0"],
        "train.rl.learning_rate = 0: must be above 0; give a number above that",
    ),
    (
        ["train.rl.loss=dr_grp"],
        "train.rl.loss = dr_grp: must be one of grpo, dr_grpo, dapo, bnpo; did you mean dr_grpo?",
    ),
    (
        ["method=grpo", "method.group_sze=4"],
        "method.group_sze = 4: no such setting; did you mean method.group_size?",
    ),
    (["metod=grpo"], "metod = grpo: no such setting; did you mean method?"),
    (
        ["reward.terms={brief:{weight:1,pattern:a,kind:b}}"],
        "reward.terms.brief.kind = b: no such setting; reward.terms.brief has weight, verifier, function, pattern,"
        " length",
    ),
    (
        ["reward.terms={brief:{weigt:1,weight:1,pattern:a}}"],
        "reward.terms.brief.weigt = 1: no such setting; did you mean reward.terms.brief.weight?",
    ),
    (
        ["+reward.weight=1"],
        "reward.weight = 1: no such setting; did you mean reward.terms.NAME.weight?",
    ),
    (
        ["+data.test.hard.opertions=[1,2]"],
        "data.test.hard.opertions = [1, 2]: no such setting; did you mean data.test.hard.operations?",
    ),
    (
        ["+data.test.hard.path=a"],
        "data.test.hard.path = a: data.test.hard has it for another kind only; take it out with"
        " ~data.test.hard.path",
    ),
    (
        ["train.learning_rate=1"],
        "train.learning_rate = 1: no such setting; did you mean train.rl.learning_rate?",
    ),
    (
        ["train.sft.zzz=1"],
        "train.sft.zzz = 1: no such setting; train.sft has learning_rate, schedule, warmup, floor, decay, batch_size",
    ),
    (["model.path=null"], "model.path = null: must be text; e.g. 'model.path=\"...\"'"),
    (
        ["eval.sets='[hard,a b]'"],
        "eval.sets = [hard,a b]: must be a list; e.g. 'eval.sets=[hard,\"a b\"]'",
    ),
    (["model.lora={rank:0}"], "model.lora.rank = 0: must be at least 1; e.g. model.lora.rank=1"),
    (
        ["lr=1e-4"],
        "lr = 0.0001: no such setting; did you mean train.rl.learning_rate or train.sft.learning_rate?",
    ),
    (
        ["train.sft.lr=1e-4"],
        "train.sft.lr = 0.0001: no such setting; did you mean train.sft.learning_rate?",
    ),
    (
        ["num_generations=8"],
        "num_generations = 8: no such setting; did you mean method.group_size?",
    ),
    (
        ["model_name_or_path=x"],
        "model_name_or_path = x: no such setting; did you mean model.path?",
    ),
    (
        ["train.push_to_hub=true"],
        "train.push_to_hub = true: no such setting; hybrid-rl-push RUN_DIR OWNER/NAME uploads"
        " the model, once the run is done",
    ),
    (
        ["data.dev=many"],
        "data.dev = many: must be a group of settings or a whole number; e.g. data.dev=1",
    ),
    (
        ["data.train.kind=leger"],
        "data.train = {KIND}: must have a kind, one of hub, file, ledger, chain, knights, reasoning_gym;"
        " e.g. data.train.kind=hub",
    ),
    (
        ["~data.train", "+data.train={kind:file,path:a.jsonl,size:3}"],
        "data.train.size = 3: data.train has it for another kind only; take it out with ~data.train.size",
    ),
    (["check=perhaps"], "check = perhaps: must be true or false; e.g. check=true"),
    (["train.steps=???"], "train.steps = ???: has no value; give one with train.steps=..."),
    (
        ["method._target_=nowhere.Here"],
        "method._target_ = nowhere.Here: cannot be imported (No module named 'nowhere');"
        " give the dotted path of a class",
    ),
    (
        ["method._target_=pathlib.Path"],
        "method._target_ = pathlib.Path: must be a subclass of hybrid_rl.methods.base.Method",
    ),
    (["~method._target_"], "method._target_: is missing; choose a method, e.g. method=grpo"),
]


def _message(load: Load, overrides: list[str]) -> str:
    with pytest.raises(SettingsError) as error:
        load(*overrides)
    return str(error.value)


@pytest.mark.parametrize(("overrides", "message"), SCHEMA, ids=lambda value: str(value)[:40])
def test_a_value_outside_the_schema_is_refused(
    load: Load, composed: Compose, overrides: list[str], message: str
) -> None:
    shown = str({**dict(composed().data.train), "kind": "leger"})
    assert _message(load, overrides) == message.replace("{KIND}", f"{shown[:57]}...")


def test_a_key_that_a_preset_left_behind_names_the_preset(
    composed: Compose, tmp_path: Path
) -> None:
    config = composed("method=sft", "method.sft_fraction=0.4")
    choices = {"experiment": "mixed", "method": "sft"}
    with pytest.raises(SettingsError) as error:
        loading.load_settings(config, tmp_path, choices=choices, typed=["method"])
    assert str(error.value) == (
        "method.sft_fraction = 0.4: no such setting; method=sft has none,"
        " experiment=mixed sets it for another method; did you mean method.factor?"
    )
