"""Each rule: one value that passes, one that fails, and the whole message."""

from pathlib import Path

import pytest

from hybrid_rl.config import loading, rules, trl_options
from hybrid_rl.config.data import FileSource
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from tests.conftest import Compose, Load

HUB = "{kind:hub,path:org/set,config:null,split:train,revision:null,limit:null}"

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
        ["train.learning_rate=1"],
        "train.learning_rate = 1: no such setting; did you mean train.rl.learning_rate?",
    ),
    (
        ["train.sft.zzz=1"],
        "train.sft.zzz = 1: no such setting; train.sft has learning_rate, schedule, warmup, floor, batch_size",
    ),
    (["model.path=null"], "model.path = null: must be text; e.g. 'model.path=\"...\"'"),
    (
        ["model.lora={rank:8,alpha:16,dropout:0}"],
        "model.lora.target_modules: is missing; give it with model.lora.target_modules=...",
    ),
    (
        ["data.dev=many"],
        "data.dev = many: must be a group of settings or a whole number; e.g. data.dev=1",
    ),
    (
        ["data.train.kind=leger"],
        "data.train = {KIND}: must have a kind, one of hub, file, ledger, knights; e.g. data.train.kind=hub",
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

RULES = [
    (
        ["data.train=null", "train.eval_every=null"],
        "data.train = null: task=train needs a training set; choose another data=..., or give data.train.kind"
        " and its settings",
    ),
    (
        ["eval.rescore=/nowhere"],
        "eval.rescore = /nowhere: must be a run directory with an evaluation in its eval/\n"
        "eval.rescore = /nowhere: needs task=evaluate",
    ),
    (
        ["name=a/b"],
        "name = a/b: becomes a directory, so only letters, digits and . _ + = , - may stand in it",
    ),
    (
        ["hardware.processes=3"],
        "train.prompts_per_step = 8: each of the 3 processes takes whole groups, so it must be a multiple of"
        " hardware.processes; nearest: 6 or 9",
    ),
    (
        ["train.rl.epsilon_high=0.1"],
        "train.rl.epsilon_high = 0.1: must be at least train.rl.epsilon = 0.2",
    ),
    (
        ["train.rl.ref_sync_steps=5"],
        "train.rl.ref_sync_steps = 5: with train.rl.beta = 0 there is no reference model;"
        " set train.rl.beta above 0, or train.rl.ref_sync_steps=null",
    ),
    (
        ["train.adam_betas=[0.9,1]"],
        "train.adam_betas = [0.9, 1.0]: both must be at least 0 and below 1",
    ),
    (
        ["reward.correct=0"],
        "reward.correct = 0.0: with reward.format = 0 too, every reward is 0 and nothing is learned; set one",
    ),
    (
        ["reward.format=0.5"],
        "reward.format = 0.5: needs a pattern to look for; set reward.format_pattern, or reward.format=0",
    ),
    (
        ["data.columns.trace=null", "~data.train", f"+data.train={HUB}"],
        "data.columns.trace = null: method=sft_then_grpo learns from expert traces;"
        " name the column that holds them, e.g. 'data.columns.trace=\"{solution}\"'",
    ),
    (
        ["data.traces=0"],
        "data.traces = 0: method=sft_then_grpo learns from expert traces; give at least 1, or null for all",
    ),
    (
        ["reward.format=1", "reward.format_pattern='(a'"],
        "reward.format_pattern = (a: is not a regular expression (missing ), unterminated subpattern at position 0);"
        " see Python's re module",
    ),
    (
        ["data.answer_pattern=a"],
        "data.answer_pattern = a: needs a group, in parentheses, around the answer",
    ),
    (
        ["model.attention=flash_attention_2"],
        "model.attention = flash_attention_2: needs a GPU; choose hardware=gpu, or model.attention=sdpa",
    ),
    (
        ["hardware.deepspeed={zero_optimization:{stage:0}}"],
        "hardware.deepspeed.zero_optimization.stage = 0: must be 1, 2 or 3;"
        " without sharding set hardware.deepspeed=null",
    ),
    (
        ["hardware.deepspeed={zero_optimization:{stage:2},optimizer:{type:AdamW}}"],
        "hardware.deepspeed.optimizer = {'type': 'AdamW'}: decided by train.rl.learning_rate and train.weight_decay;"
        " leave it out, or set it to auto",
    ),
    (
        ["hardware.deepspeed={zero_optimization:{stage:2}}", "train.rl.beta=0.1"],
        "train.rl.beta = 0.1: a reference model is not supported under DeepSpeed;"
        " set train.rl.beta=0, or hardware.deepspeed=null",
    ),
    (
        ["trl.num_generations=4"],
        "trl.num_generations = 4: decided by method.group_size; set that instead",
    ),
    (
        ["trl.mask_truncated_completion=true"],
        "trl.mask_truncated_completion = true: only fields of trl.GRPOConfig that are tested here are passed on;"
        " did you mean trl.mask_truncated_completions?",
    ),
    (
        ["data.test_columns={other:${data.columns}}"],
        "data.test_columns.other: data.test has no set of that name; choose from {TESTS}",
    ),
    (
        ["eval.sets=[other]"],
        "eval.sets = ['other']: data=ledger has no set other; choose from dev, {TESTS}",
    ),
    (
        ["task=evaluate", "eval.sets=[]"],
        "eval.sets = []: task=evaluate needs a set; choose from dev, {TESTS}",
    ),
    (
        ["task=evaluate", "resume=/nowhere"],
        "resume = /nowhere: only training can be resumed; leave it out",
    ),
    (
        ["data.dev=0"],
        "train.eval_every = 20: data=ledger has no dev questions;"
        " give data.dev a count, or set train.eval_every=null",
    ),
]

PASSING = [
    ["method=grpo", "method.group_size=2"],
    ["train.rl.epsilon_high=0.28"],
    ["train.rl.beta=0.1", "train.rl.ref_sync_steps=5"],
    ["reward.format=0.5", "reward.format_pattern=a"],
    ["method=sft", "reward.correct=0"],
    ["method=grpo", "data.traces=0", "data.columns.trace=null"],
    ["data.answer_pattern='(a)'"],
    ["hardware=gpu", "model.attention=flash_attention_2"],
    ["hardware.processes=2", "hardware.micro_batch=16"],
    ["hardware.deepspeed={zero_optimization:{stage:2}}"],
    ["hardware=zero2"],
    ["hardware=zero3"],
    ["trl.mask_truncated_completions=true"],
    ["task=evaluate", "data.train=null"],
    ["data.dev=8", "eval.sets=[dev]"],
    ["model.lora={rank:8,alpha:16,dropout:0,target_modules:all-linear}"],
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


@pytest.mark.parametrize(("overrides", "message"), RULES, ids=lambda value: str(value)[:40])
def test_settings_that_do_not_fit_together_are_refused(
    load: Load, composed: Compose, overrides: list[str], message: str
) -> None:
    tests = ", ".join(composed().data.test)
    found = _message(load, [*overrides])
    assert found == message.replace("{TESTS}", tests)


@pytest.mark.parametrize("overrides", PASSING, ids=str)
def test_settings_that_fit_together_pass(load: Load, overrides: list[str]) -> None:
    load(*overrides)


def test_all_problems_are_listed_at_once(load: Load) -> None:
    message = _message(
        load, ["train.steps=0", "metod=3", "trl.foo=2", "name=a/b", "model.dtype=int8", "seed=???"]
    )
    assert message.splitlines() == [
        "metod = 3: no such setting; did you mean method?",
        "model.dtype = int8: must be one of float32, bfloat16, float16; e.g. model.dtype=float32",
        "name = a/b: becomes a directory, so only letters, digits and . _ + = , - may stand in it",
        "seed = ???: has no value; give one with seed=...",
        "train.steps = 0: must be at least 1; e.g. train.steps=1",
        "trl.foo = 2: only fields of trl.GRPOConfig that are tested here are passed on; leave it out, or choose from"
        f" {', '.join(sorted(trl_options.ALLOWED))}",
    ]


def test_a_key_that_a_preset_left_behind_names_the_preset(
    composed: Compose, tmp_path: Path
) -> None:
    config = composed("method=sft", "method.sft_fraction=0.4")
    choices = {"experiment": "mixed", "method": "sft"}
    with pytest.raises(SettingsError) as error:
        loading.load_settings(config, tmp_path, choices=choices, typed=["method"])
    assert str(error.value) == (
        "method.sft_fraction = 0.4: no such setting; method=sft has none,"
        " experiment=mixed sets it for another method; method has name"
    )


def test_settings_come_back_equal_from_json(load: Load, tmp_path: Path) -> None:
    settings = load("method=grpo", "trl.top_entropy_quantile=0.8", "data.traces=0.5")
    path = tmp_path / "settings.json"
    path.write_text(settings.model_dump_json(indent=2))
    again = Settings.load_json(path)
    assert again == settings
    assert type(again.method) is settings.method_class.Settings


def test_settings_are_frozen(load: Load) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().seed = 3  # type: ignore[misc]


def test_paths_become_absolute_from_the_directory_of_launch(load: Load, tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    settings = load(
        "run_dir=out",
        "model.path=weights",
        "model.tokenizer=org/name",
        "~data.train",
        "+data.train={kind:file,path:[a.jsonl,/b.jsonl]}",
    )
    assert settings.run_dir == str(tmp_path / "out")
    assert settings.model.path == str(tmp_path / "weights")
    assert settings.model.tokenizer == "org/name"
    assert isinstance(settings.data.train, FileSource)
    assert settings.data.train.path == [str(tmp_path / "a.jsonl"), "/b.jsonl"]


def test_the_model_in_the_package_is_not_a_path(load: Load, tmp_path: Path) -> None:
    (tmp_path / "tiny").mkdir()
    assert load("model=tiny").model.path == "tiny"


def test_without_a_run_dir_a_dated_one_is_made_up(composed: Compose, tmp_path: Path) -> None:
    settings = loading.load_settings(composed("name=x"), tmp_path)
    assert Path(settings.run_dir).parent == tmp_path / "runs" / "x"


def test_a_reference_to_a_missing_value_names_it(load: Load) -> None:
    message = _message(load, ["model.name=???", "name=${model.name}"])
    assert message == "model.name = ???: has no value; give one with model.name=..."


def test_an_environment_variable_that_is_not_set_is_named(load: Load) -> None:
    message = _message(load, ["model.path=${oc.env:NO_SUCH_VARIABLE}"])
    assert message == (
        'model.path: KeyError raised while resolving interpolation: "Environment variable'
        " 'NO_SUCH_VARIABLE' not found\"; give model.path=..., or what it refers to"
    )


def test_a_missing_package_is_named_with_its_extra(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_is_installed", lambda package: False)
    assert _message(load, ["model.lora={rank:8,alpha:16,dropout:0,target_modules:all}"]) == (
        "model.lora.rank = 8: needs the package peft; pip install 'hybrid-rl[peft]', or choose model.lora=null"
    )


def test_the_batch_of_the_default_run(load: Load) -> None:
    batch = load("method=grpo", "method.group_size=4", "train.prompts_per_step=2").batch
    assert (batch.rows_per_device, batch.micro_batch, batch.accumulation) == (8, 8, 1)
    assert load("method=sft", "train.sft.batch_size=6").batch.rows_per_device == 6
