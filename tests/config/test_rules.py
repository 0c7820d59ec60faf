"""Each rule: one value that passes, one that fails, and the whole message."""

import pytest

from hybrid_rl.config import rules
from hybrid_rl.errors import SettingsError
from tests.conftest import Compose, Load

HUB = "{kind:hub,path:org/set,config:null,split:train,revision:null,limit:null}"


RULES = [
    (
        ["calibrate=true"],
        "calibrate = true: belongs to check=true; give that too, or leave it out",
    ),
    (
        ["calibrate=true", "check=true", "task=evaluate"],
        "calibrate = true: predicts a training run from its beginning; leave it out",
    ),
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
        ["train.rl.epsilon=0.2"],
        "train.rl.epsilon = 0.2: with train.rl.updates_per_batch = 1 the ratio of new to old probabilities is 1, and"
        " nothing is clipped; set train.rl.updates_per_batch=2 or more, or train.rl.epsilon=null",
    ),
    (
        ["train.rl.ref_sync_steps=5"],
        "train.rl.ref_sync_steps = 5: with train.rl.beta = 0 there is no reference model;"
        " set train.rl.beta above 0, or train.rl.ref_sync_steps=null",
    ),
    (
        ["train.rl.beta=0.1", "model.dtype=int8"],
        "model.dtype = int8: must be one of float32, bfloat16, float16; e.g. model.dtype=float32",
    ),
    (
        ["train.adam_betas=[0.9,1]"],
        "train.adam_betas = [0.9, 1.0]: both must be at least 0 and below 1",
    ),
    (
        ["method=grpo", "train.rl.warmup=140"],
        "train.rl.warmup = 140: a rise of so many steps leaves none of the 140 steps of its phase; give fewer, or a"
        " share of them below 1, such as train.rl.warmup=0.1",
    ),
    (
        [
            "method=sft_then_grpo",
            "method.sft_fraction=0.5",
            "train.sft.warmup=70",
            "train.rl.warmup=69",
        ],
        "train.sft.warmup = 70: a rise of so many steps leaves none of the 70 steps of its phase; give fewer, or a"
        " share of them below 1, such as train.sft.warmup=0.1",
    ),
    (
        ["train.patience=3", "train.eval_every=null"],
        "train.patience = 3: counts looks at dev, and there are none; give train.eval_every, such as 20 steps or 0.1 of"
        " the run, or train.patience=null",
    ),
    (
        ["method=grpo", "train.rl.schedule=inverse_sqrt"],
        "train.rl.schedule = inverse_sqrt: falls by the length of its rise, and train.rl.warmup = 0.0; give one, as a"
        " share or in steps, such as train.rl.warmup=0.1",
    ),
    (
        [
            "method=grpo",
            "train.rl.schedule=warmup_stable_decay",
            "train.rl.decay=0.9",
            "train.rl.warmup=28",
        ],
        "train.rl.decay = 0.9: with a rise over 0.2 of the phase less than that is left for it; lower it or"
        " train.rl.warmup",
    ),
    (
        ["train.sft.warmup=1.5"],
        "train.sft.warmup = 1.5: 1.5 is neither a whole number of steps nor a share below 1; change train.sft.warmup",
    ),
    (
        ["method=sasr", "method.warmup_steps=500"],
        "method.warmup_steps = 500: a warm-up of 500 leaves none of the 140 steps of train.steps;"
        " lower the one or raise the other",
    ),
    (
        ["method=luffy", "train.rl.loss=bnpo", "trl.top_entropy_quantile=0.8"],
        "train.rl.loss = bnpo: divides by the tokens of a micro-batch, and method=luffy makes up its loss of terms of"
        " its own, however they are cut; set train.rl.loss to grpo, dapo or dr_grpo\n"
        "trl.top_entropy_quantile = 0.8: is an option of TRL's loss, and method=luffy makes up its loss of terms of"
        " its own; leave it out",
    ),
    (
        ["method=sft", "method.group_size=4"],
        "method.group_size = 4: must be null; leave it out",
    ),
    (
        ["reward.correct=0"],
        "reward.correct = 0.0: and no term of reward.terms has a weight, so that every reward is 0 and nothing is"
        " learned; set one",
    ),
    (
        [
            "reward.terms={brief: {weight: 1}, both: {weight: 1, pattern: a, length: [2, 3]}, long: {weight: 1, length:"
            " [3, 3]}, own: {weight: 1, function: exact}, other: {weight: 1, verifier: good}}",
        ],
        "reward.terms.both = {'weight': 1, 'pattern': 'a', 'length': [2, 3]}: gives pattern and length; give one of"
        " verifier, function, pattern, length; change reward.terms.both\n"
        "reward.terms.brief = {'weight': 1}: gives no score; give one of verifier, function, pattern, length; change"
        " reward.terms.brief\n"
        "reward.terms.long.length = [3, 3]: must be two increasing numbers of tokens from 0; give such as [48, 64];"
        " change reward.terms.long.length\n"
        "reward.terms.other.verifier = good: is no verifier; choose from exact, numeric, symbolic, roles,"
        " reasoning_gym, or give the dotted path of a function or verifier of your own, module.name; change"
        " reward.terms.other.verifier\n"
        "reward.terms.own.function = exact: is a verifier; give verifier: exact instead; change"
        " reward.terms.own.function",
    ),
    (
        ["data.columns.trace=null", "~data.train", f"+data.train={HUB}"],
        "data.columns.trace = null: method=sft_then_grpo learns from expert traces;"
        " name the column that holds them, e.g. 'data.columns.trace=\"{{ solution }}\"'",
    ),
    (
        ["data=reasoning_gym", "data.train.task=zebra_puzzles", "reward=reasoning_gym"],
        "data.train.task = zebra_puzzles: method=sft_then_grpo learns from expert traces, and no column has any;"
        " choose method=grpo, which needs none, or data=gsm_symbolic or data=chain, which have them",
    ),
    (
        ["train.rl.importance_cap=2"],
        "train.rl.importance_cap = 2: the weights that train also sample, so there is nothing to correct;"
        " set rollout.dtype=bfloat16, or train.rl.importance_cap=null",
    ),
    (
        ["train.rl.importance_cap=2", "rollout.dtype=bfloat16", "speed.own_decoding=false"],
        "train.rl.importance_cap = 2: only our own loop tells the probabilities of what it draws; set"
        " speed.own_decoding=true, or train.rl.importance_cap=null",
    ),
    (
        ["train.rl.epsilon_high=0.28"],
        "train.rl.epsilon_high = 0.28: with train.rl.updates_per_batch = 1 the ratio of new to old probabilities is 1,"
        " and nothing is clipped; set train.rl.updates_per_batch=2 or more, or train.rl.epsilon_high=null",
    ),
    (
        ["train.rl.clip=none"],
        "train.rl.clip = none: with train.rl.updates_per_batch = 1 the ratio of new to old probabilities is 1,"
        " and nothing is clipped; set train.rl.updates_per_batch=2 or more, or train.rl.clip=null",
    ),
    (
        ["train.rl.updates_per_batch=2", "method=sft"],
        "train.rl.updates_per_batch = 2: method=sft has no RL update, and an SFT update is always one;"
        " set train.rl.updates_per_batch=1",
    ),
    (
        [
            "train.rl.updates_per_batch=2",
            "method=sasr",
            "method.signal=divergence",
            "method.probe_every=5",
        ],
        "train.rl.updates_per_batch = 2: the loss is then computed as a sum of terms, and method.signal = divergence is"
        " measured beside TRL's; set train.rl.updates_per_batch=1, or method.signal=norm",
    ),
    (
        ["train.rl.updates_per_batch=2", "train.rl.clip=cispo"],
        "train.rl.clip = cispo: has no usual bound of the weight; set train.rl.epsilon_high, e.g. to 4.0 for weights of"
        " up to 5",
    ),
    (
        ["train.rl.updates_per_batch=2", "train.rl.clip=none", "train.rl.epsilon=0.1"],
        "train.rl.epsilon = 0.1: bounds nothing with train.rl.clip = none; set train.rl.epsilon=null, or"
        " train.rl.clip=ppo",
    ),
    (
        ["train.rl.updates_per_batch=2", "train.rl.loss=bnpo", "method=grpo"],
        "train.rl.loss = bnpo: divides by the tokens of a micro-batch, and with train.rl.updates_per_batch = 2 the loss"
        " is computed as a sum of terms, however they are cut; set train.rl.loss to grpo, dapo or dr_grpo",
    ),
    (
        ["rollout.dtype=float32"],
        "rollout.dtype = float32: a copy of the weights samples in bfloat16 or not at all; set rollout.dtype=bfloat16,"
        " or rollout.dtype=null",
    ),
    (
        ["rollout.dtype=bfloat16", "hardware=gpu"],
        "rollout.dtype = bfloat16: a copy of the weights samples on a CPU only; set rollout.dtype=null, and"
        " hardware.precision for a GPU",
    ),
    (
        ["data.traces=0"],
        "data.traces = 0: method=sft_then_grpo learns from expert traces; give at least 1, or null for all",
    ),
    (
        ["reward.terms={a: {weight: 1, pattern: '(a'}}"],
        "reward.terms.a.pattern = (a: is not a regular expression (missing ), unterminated subpattern at position 0);"
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
        [
            "method=sasr",
            "method.signal=both",
            "model.lora={rank:8,alpha:16,dropout:0,target_modules:all-linear}",
        ],
        "method.signal = both: is measured from a model that is kept beside the policy, and with model.lora none is;"
        " set method.signal=norm, or model.lora=null",
    ),
    (
        ["method=sasr", "method.signal=both", "train.rl.beta=0.1", "train.rl.ref_sync_steps=5"],
        "train.rl.ref_sync_steps = 5: method.signal = both is measured from the same reference model, which must then"
        " stay; set train.rl.ref_sync_steps=null, or method.signal=norm",
    ),
    (
        ["method=sasr", "method.signal=both", "hardware=zero3"],
        "method.signal = both: needs a reference model, which cannot be sharded (ZeRO-3);"
        " set method.signal=norm, or hardware=zero2",
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
    *(
        (
            [f"data.test={{{name}:${{data.train}}}}"],
            f"data.test.{name}: becomes a file name, so only letters, digits and . _ + = , -,"
            " and neither `train` nor `dev`; rename it",
        )
        for name in ("train", "dev")
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
    ["train.rl.beta=0.1", "train.rl.ref_sync_steps=5"],
    ["reward.correct=0", "reward.terms={a: {weight: -1, length: [0, 1]}}"],
    ["method=sft", "reward.correct=0"],
    ["method=grpo", "data.traces=0", "data.columns.trace=null"],
    ["data.answer_pattern='(a)'"],
    ["hardware=gpu", "model.attention=flash_attention_2"],
    ["hardware.processes=2", "hardware.micro_batch=16"],
    ["hardware.deepspeed={zero_optimization:{stage:2}}"],
    ["hardware=zero2"],
    ["hardware=zero3"],
    ["method=sasr", "method.signal=both", "hardware=zero2"],
    ["method=sasr", "method.signal=divergence", "method.probe_every=5", "hardware=zero1"],
    ["method=sasr", "method.signal=both", "train.rl.beta=0.1"],
    ["trl.mask_truncated_completions=true"],
    ["task=evaluate", "data.train=null"],
    ["data.dev=8", "eval.sets=[dev]"],
    ["model.lora={rank:8,alpha:16,dropout:0,target_modules:all-linear}"],
]


def _message(load: Load, overrides: list[str]) -> str:
    with pytest.raises(SettingsError) as error:
        load(*overrides)
    return str(error.value)


@pytest.mark.parametrize(("overrides", "message"), RULES, ids=lambda value: str(value)[:40])
def test_settings_that_do_not_fit_together_are_refused(
    load: Load, composed: Compose, overrides: list[str], message: str
) -> None:
    tests = ", ".join(composed().data.test)
    found = _message(load, [*overrides])
    assert found == message.replace("{TESTS}", tests)


@pytest.mark.parametrize("overrides", PASSING, ids=str)
def test_settings_that_fit_together_pass(
    load: Load, overrides: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_is_installed", lambda package: True)
    load(*overrides)


def test_a_missing_package_is_named_with_what_installs_it(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_is_installed", lambda package: False)
    assert _message(load, ["model.lora={rank:8,alpha:16,dropout:0,target_modules:all}"]) == (
        "model.lora.rank = 8: needs the package peft; pip install peft, or choose model.lora=null"
    )
    assert _message(load, ["model.attention=flash_attention_2", "hardware=gpu"]) == (
        "model.attention = flash_attention_2: needs the package flash_attn; pip install flash-attn, or choose"
        " model.attention=sdpa"
    )


ENGINES = [
    (
        ["model.path=runs/no/such"],
        "model.path = runs/no/such: no such directory, nor a hub id (OWNER/NAME); correct it",
    ),
    (
        ["model.path=runs/no/such", "model.obtain=pip install it"],
        "model.path = runs/no/such: no such directory, nor a hub id (OWNER/NAME); type pip install it, or correct it",
    ),
    (
        ["rollout=vllm_server"],
        "rollout.engine = vllm_server: vLLM takes its weights between GPUs; set hardware=gpu, or rollout=transformers",
    ),
    (
        ["rollout=vllm_server"],
        "rollout.engine = vllm_server: needs the package vllm; pip install 'hybrid-rl[vllm]', or choose"
        " rollout=transformers",
    ),
    (
        [
            "rollout=vllm_colocate",
            "hardware=gpu",
            "rollout.dtype=bfloat16",
            "train.rl.importance_cap=2",
            "train.rl.top_p=0.9",
        ],
        "train.rl.importance_cap = 2: vLLM tells the probabilities of what it draws after top_p and top_k; set"
        " train.rl.top_p=1 train.rl.top_k=0, or train.rl.importance_cap=null",
    ),
    (
        ["rollout=vllm_colocate", "hardware=gpu", "task=evaluate"],
        "rollout.engine = vllm_colocate: task=evaluate generates with transformers; set rollout=transformers",
    ),
    (
        ["rollout=vllm_colocate", "hardware=gpu", "model.gguf_file=some.gguf"],
        "rollout.engine = vllm_colocate: cannot start from model.gguf_file = some.gguf; convert it to a model"
        " directory, or set rollout=transformers",
    ),
    (
        ["hardware.deepspeed={zero_optimization:{stage:2}}", "guards.non_finite=skip"],
        "guards.non_finite = skip: DeepSpeed updates the weights within its backward pass, too early to leave an update"
        " out; set guards.non_finite=stop, or hardware.deepspeed=null",
    ),
]


@pytest.mark.parametrize(("overrides", "message"), ENGINES, ids=lambda value: str(value)[:60])
def test_an_engine_or_a_model_that_does_not_fit_is_refused(
    load: Load, overrides: list[str], message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(*overrides)
    assert message in str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("method", "setting"),
    [("relift", "method.batch_size"), ("bread_relift", "method.relift.batch_size")],
)
def test_the_sft_batch_of_a_method_obeys_the_micro_batch(
    load: Load, method: str, setting: str
) -> None:
    """8 questions by 16 rollouts are 128 rows."""
    with pytest.raises(SettingsError) as raised:
        load(f"method={method}", f"{setting}=256", "hardware.micro_batch=4")
    assert str(raised.value) == (
        f"{setting} = 256: cut over the 32 micro-batches of an RL update it exceeds"
        " hardware.micro_batch = 4; at most 128 fit, or set hardware.micro_batch=null"
    )


def test_an_sft_batch_that_the_method_never_takes_is_not_refused(load: Load) -> None:
    settings = load("method=relift", "train.sft.batch_size=256", "hardware.micro_batch=4")
    assert settings.batch.sft_rows_per_device == 16
