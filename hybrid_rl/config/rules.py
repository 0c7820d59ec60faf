"""The rules that join settings of different groups; each yields lines of the form `setting = value: rule; remedy`.

It knows no torch, and of optional packages only whether they are installed.
"""

import importlib.util
import re
from collections.abc import Callable, Container, Iterator
from pathlib import Path

from hybrid_rl.config import (
    batch,
    hardware_rules,
    packages,
    ratio_rules,
    schedule_rules,
    text_rules,
    trl_options,
)
from hybrid_rl.config.data import FileSource, GymSource, HubSource
from hybrid_rl.config.messages import NAME, NAME_RULE
from hybrid_rl.config.settings import Settings
from hybrid_rl.config.tracker import PACKAGES

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def problems(settings: Settings, absent: Container[str] = ()) -> list[str]:
    """The lines of all broken rules; rules that need a section in `absent` are left out."""
    return [
        line
        for rule, sections in _RULES.items()
        if not any(section in absent for section in sections.split())
        for line in rule(settings)
    ]


def _task(settings: Settings) -> Iterator[str]:
    if settings.task == "train" and settings.data.train is None:
        yield (
            "data.train = null: task=train needs a training set;"
            " choose another data=..., or give data.train.kind and its settings"
        )
    if settings.task in ("evaluate", "audit") and settings.resume is not None:
        yield f"resume = {settings.resume}: only training can be resumed; leave it out"
    if settings.eval.rescore is None:
        return
    if settings.task != "evaluate":
        yield f"eval.rescore = {settings.eval.rescore}: needs task=evaluate"
    if not list((Path(settings.eval.rescore) / "eval").glob("*/summary.json")):
        yield f"eval.rescore = {settings.eval.rescore}: must be a run directory with an evaluation in its eval/"


def _calibration(settings: Settings) -> Iterator[str]:
    if not settings.calibrate:
        return
    if not settings.check:
        yield "calibrate = true: belongs to check=true; give that too, or leave it out"
    if settings.task != "train" or settings.resume is not None:
        yield "calibrate = true: predicts a training run from its beginning; leave it out"
    if settings.hardware.nodes > 1:
        yield (
            f"calibrate = true: measures on one machine, and hardware.nodes = {settings.hardware.nodes};"
            " give hardware.nodes=1, and multiply the price yourself, or leave it out"
        )


def _names(settings: Settings) -> Iterator[str]:
    if not NAME.fullmatch(settings.name):
        yield f"name = {settings.name}: becomes a directory, so {NAME_RULE}"
    for name in settings.data.test:
        if name in ("train", "dev") or not NAME.fullmatch(name):
            yield (
                f"data.test.{name}: becomes a file name, so only letters, digits and . _ + = , -,"
                " and neither `train` nor `dev`; rename it"
            )


def _model(settings: Settings) -> Iterator[str]:
    """Refuses what can be neither a directory nor a hub id, which cannot be looked up here."""
    model = settings.model
    known = model.package is not None or _HUB_ID.fullmatch(model.path)
    if not known and not Path(model.path).is_dir():
        remedy = f"type {model.obtain}, or correct it" if model.obtain else "correct it"
        yield f"model.path = {model.path}: no such directory, nor a hub id (OWNER/NAME); {remedy}"


def _batch(settings: Settings) -> Iterator[str]:
    train = settings.train
    try:
        sft_steps = settings.method.plan(train.steps).expected
    except ValueError as error:  # the phases of the method do not fit into so few steps
        yield str(error)
        return
    setting, most = settings.sft_batch
    share = (settings.hardware.world_size, settings.hardware.micro_batch, setting)
    rows = most if sft_steps else None
    yield from batch.problems(train.prompts_per_step, settings.method.group_size, rows, *share)


def _training(settings: Settings) -> Iterator[str]:
    rl = settings.train.rl
    if rl.ref_sync_steps is not None and rl.beta == 0:
        yield (
            f"train.rl.ref_sync_steps = {rl.ref_sync_steps}: with train.rl.beta = 0 there is no reference model;"
            " set train.rl.beta above 0, or train.rl.ref_sync_steps=null"
        )
    measured = settings.method.needs_reference
    if measured is not None and settings.model.lora is not None:
        yield (
            f"{measured[0]}: is measured from a model that is kept beside the policy, and with model.lora none is;"
            f" set {measured[1]}, or model.lora=null"
        )
    if measured is not None and rl.beta > 0 and rl.ref_sync_steps is not None:
        yield (
            f"train.rl.ref_sync_steps = {rl.ref_sync_steps}: {measured[0]} is measured from the same reference model,"
            f" which must then stay; set train.rl.ref_sync_steps=null, or {measured[1]}"
        )
    if rl.beta > 0 and settings.model.lora is not None and settings.method.renews_reference:
        yield (
            f"train.rl.beta = {rl.beta}: {settings.method.name} takes the KL to the model as it is after the warm-up,"
            " and with model.lora only that as loaded is kept; set train.rl.beta=0, or model.lora=null"
        )
    if not all(0 <= beta < 1 for beta in settings.train.adam_betas):
        yield f"train.adam_betas = {list(settings.train.adam_betas)}: both must be at least 0 and below 1"
    reward = settings.reward
    weights = (reward.correct, *(term.weight for term in reward.terms.values()))
    if settings.method.group_size is not None and not any(weights):
        yield (
            "reward.correct = 0.0: and no term of reward.terms has a weight, so that every reward is 0 and nothing is"
            " learned; set one"
        )


def _terms(settings: Settings) -> Iterator[str]:
    """Refuses what TRL's loss has and a loss of the method's own terms has not."""
    if not settings.composes:
        return
    why = f"method={settings.method.name} makes up its loss of terms of its own"
    if not settings.method_class.composes(settings.method):
        updates = settings.train.rl.updates_per_batch
        why = f"with train.rl.updates_per_batch = {updates} the loss is computed as a sum of terms"
    if settings.train.rl.loss == "bnpo":
        yield (
            f"train.rl.loss = bnpo: divides by the tokens of a micro-batch, and {why}, however they are cut;"
            " set train.rl.loss to grpo, dapo or dr_grpo"
        )
    plain = trl_options.TrlOptions()
    for name in ("mask_truncated_completions", "top_entropy_quantile"):
        value = settings.trl.get(name, getattr(plain, name))
        if value != getattr(plain, name):
            yield f"trl.{name} = {value}: is an option of TRL's loss, and {why}; leave it out"


def _traces(settings: Settings) -> Iterator[str]:
    data, method = settings.data, settings.method.name
    if settings.task != "train" or not settings.method_class.needs_traces:
        return
    if isinstance(data.train, HubSource | FileSource) and data.columns.trace is None:
        yield (
            f"data.columns.trace = null: method={method} learns from expert traces;"
            " name the column that holds them, e.g. 'data.columns.trace=\"{{ solution }}\"'"
        )
    if isinstance(data.train, GymSource) and data.columns.trace is None:
        yield (
            f"data.train.task = {data.train.task}: method={method} learns from expert traces, and no column has any;"
            " choose method=grpo, which needs none, or data=gsm_symbolic or data=chain, which have them"
        )
    if data.traces == 0:
        yield (
            f"data.traces = {data.traces}: method={method} learns from expert traces;"
            " give at least 1, or null for all"
        )


def _sets(settings: Settings) -> Iterator[str]:
    data = settings.data
    has_dev = data.train is not None and data.dev > 0 if isinstance(data.dev, int) else True
    known = [*(["dev"] if has_dev else []), *data.test]
    for name in settings.eval.sets:
        if name not in known:
            yield (
                f"eval.sets = {settings.eval.sets}: data={data.name} has no set {name};"
                f" choose from {', '.join(known) or 'none: give data.dev or data.test'}"
            )
    if settings.task == "evaluate" and not settings.eval.sets:
        yield f"eval.sets = []: task=evaluate needs a set; choose from {', '.join(known)}"
    if settings.task == "train" and settings.train.eval_every is not None and not has_dev:
        yield (
            f"train.eval_every = {settings.train.eval_every}: data={data.name} has no dev questions;"
            " give data.dev a count, or set train.eval_every=null"
        )
    if settings.eval.best and settings.task == "train" and settings.train.eval_every is None:
        yield "eval.best = true: weights are chosen on dev during training; give train.eval_every, or eval.best=false"
    for name in data.test_columns:
        if name not in data.test:
            yield (
                f"data.test_columns.{name}: data.test has no set of that name;"
                f" choose from {', '.join(data.test) or 'none'}"
            )


def _patterns(settings: Settings) -> Iterator[str]:
    for name, pattern, needs_group in (
        ("data.answer_pattern", settings.data.answer_pattern, True),
        ("data.remove_pattern", settings.data.remove_pattern, False),
        *(
            (f"reward.terms.{name}.pattern", term.pattern, False)
            for name, term in settings.reward.terms.items()
        ),
    ):
        try:
            if pattern is not None and re.compile(pattern).groups == 0 and needs_group:
                yield f"{name} = {pattern}: needs a group, in parentheses, around the answer"
        except re.error as error:
            yield f"{name} = {pattern}: is not a regular expression ({error}); see Python's re module"


def _rollout(settings: Settings) -> Iterator[str]:
    name = f"rollout.engine = {settings.rollout.engine}"
    yield from _sampling_copy(settings)
    if settings.rollout.engine == "transformers":
        return
    if settings.hardware.device == "cpu":
        yield f"{name}: vLLM takes its weights between GPUs; set hardware=gpu, or rollout=transformers"
    if settings.task == "evaluate":
        yield f"{name}: task=evaluate generates with transformers; set rollout=transformers"
    if settings.rollout.engine == "vllm_colocate" and settings.model.gguf_file is not None:
        yield (
            f"{name}: cannot start from model.gguf_file = {settings.model.gguf_file};"
            " convert it to a model directory, or set rollout=transformers"
        )


def _sampling_copy(settings: Settings) -> Iterator[str]:
    """A line for each setting that does not fit a copy of the weights that samples."""
    dtype, cap = settings.rollout.copy_dtype, settings.train.rl.importance_cap
    name = f"rollout.dtype = {dtype}: a copy of the weights samples"
    if dtype not in (None, "bfloat16"):
        yield f"{name} in bfloat16 or not at all; set rollout.dtype=bfloat16, or rollout.dtype=null"
    elif dtype is not None:
        if settings.hardware.device != "cpu":
            yield f"{name} on a CPU only; set rollout.dtype=null, and hardware.precision for a GPU"
        elif settings.hardware.deepspeed is not None:
            yield f"{name} outside of DeepSpeed; set rollout.dtype=null, or hardware.deepspeed=null"
        if settings.model.lora is not None:
            yield f"{name} without adapters; set rollout.dtype=null, or model.lora=null"
    if cap is not None:
        yield from _importance_cap(settings, cap)


def _importance_cap(settings: Settings, cap: float) -> Iterator[str]:
    """A line for each setting with which there is nothing to correct, or nothing known to correct it by."""
    name = f"train.rl.importance_cap = {cap:g}"
    if settings.rollout.engine != "transformers":
        if not settings.tells_log_probs:
            yield (
                f"{name}: vLLM tells the probabilities of what it draws after top_p and top_k; set train.rl.top_p=1"
                " train.rl.top_k=0, or train.rl.importance_cap=null"
            )
        return
    if settings.rollout.dtype is None:
        yield (
            f"{name}: the weights that train also sample, so there is nothing to correct;"
            " set rollout.dtype=bfloat16, or train.rl.importance_cap=null"
        )
    if not settings.speed.own_decoding:
        yield (
            f"{name}: only our own loop tells the probabilities of what it draws; set"
            " speed.own_decoding=true, or train.rl.importance_cap=null"
        )


def _guards(settings: Settings) -> Iterator[str]:
    if settings.guards.non_finite == "skip" and settings.hardware.deepspeed is not None:
        yield (
            "guards.non_finite = skip: DeepSpeed updates the weights within its backward pass, too early to leave an"
            " update out; set guards.non_finite=stop, or hardware.deepspeed=null"
        )


def _trl(settings: Settings) -> Iterator[str]:
    yield from filter(None, map(trl_options.problem, settings.trl, settings.trl.values()))


def _installed(settings: Settings) -> Iterator[str]:
    """Refuses settings whose package is not installed."""
    tracker, model = settings.tracker.name, settings.model
    engine = None if settings.rollout.engine == "transformers" else settings.rollout.engine
    terms = settings.reward.terms.values()
    verifiers = {settings.reward.verifier, *(term.verifier for term in terms)}
    gym = "reasoning_gym" if "reasoning_gym" in verifiers else None
    on_gpu = settings.hardware.device == "cuda"
    flash = model.attention if on_gpu and model.attention == "flash_attention_2" else None
    deepspeed = None if settings.hardware.deepspeed is None else "{...}"
    wanted = (
        ("tracker", tracker, PACKAGES.get(tracker), "tracker=none"),
        ("model.lora.rank", model.lora and model.lora.rank, "peft", "model.lora=null"),
        ("model.gguf_file", model.gguf_file, "gguf", "another model=..."),
        ("model.attention", flash, "flash_attn", "model.attention=sdpa"),
        ("hardware.deepspeed", deepspeed, "deepspeed", "hardware.deepspeed=null"),
        ("rollout.engine", engine, "vllm", "rollout=transformers"),
        ("reward.verifier", gym, "reasoning-gym", "another reward=..."),
    )
    for name, value, package, otherwise in wanted:
        if value is not None and package is not None and not _is_installed(package):
            yield (
                f"{name} = {value}: needs the package {package};"
                f" {packages.install(package)}, or choose {otherwise}"
            )


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package.replace("-", "_")) is not None


_RULES: dict[Callable[[Settings], Iterator[str]], str] = {
    _task: "task resume data eval",
    _calibration: "calibrate check task resume hardware",
    _names: "name data",
    _model: "model",
    _batch: "train method hardware",
    _training: "train method reward model",
    _terms: "train method trl",
    ratio_rules.problems: "train method",
    _traces: "task data method",
    _sets: "task data eval train",
    _patterns: "data reward",
    text_rules.problems: "data model",
    schedule_rules.problems: "task train method",
    hardware_rules.problems: "hardware model train method",
    _rollout: "rollout hardware task model train speed",
    _guards: "guards hardware",
    _trl: "trl",
    _installed: "tracker model hardware rollout reward",
}
"""Each rule with the sections that it reads."""
