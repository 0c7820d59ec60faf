"""What may stand under `trl.`: the fields of trl.GRPOConfig, read from its source, for importing it takes seconds.

A field that one of our own settings decides is refused, with the name of that setting.
"""

import ast
import difflib
import importlib.util
from functools import cache
from pathlib import Path

_SOURCES = {
    "trl": ("trainer/grpo_config.py", "trainer/base_config.py"),
    "transformers": ("training_args.py",),
}
_CLASSES = ("GRPOConfig", "_BaseConfig", "TrainingArguments")

_BY_OWNER = {
    "run_dir": "output_dir",
    "resume": "resume_from_checkpoint",
    "seed": "seed data_seed",
    "tracker": "report_to run_name project trackio_space_id trackio_bucket_id trackio_static_space_id",
    "train.steps": "max_steps num_train_epochs",
    "train.max_completion_tokens": "max_completion_length",
    "train.max_grad_norm": "max_grad_norm",
    "train.weight_decay": "weight_decay",
    "train.adam_betas": "adam_beta1 adam_beta2",
    "train.save_every": "save_strategy save_steps",
    "train.keep_checkpoints": "save_total_limit",
    "train.eval_every": "eval_strategy eval_steps eval_delay eval_on_start do_eval",
    "train.rollouts_every": "log_completions num_completions_to_print log_unique_prompts",
    "train.rl.learning_rate": "learning_rate",
    "train.rl.schedule": "lr_scheduler_type lr_scheduler_kwargs",
    "train.rl.warmup": "warmup_steps",
    "train.rl.loss": "loss_type",
    "train.rl.scale_rewards": "scale_rewards",
    "train.rl.epsilon": "epsilon",
    "train.rl.epsilon_high": "epsilon_high",
    "train.rl.beta": "beta",
    "train.rl.entropy_bonus": "entropy_coef",
    "train.rl.ref_sync_steps": "sync_ref_model ref_model_sync_steps ref_model_mixup_alpha",
    "train.rl.temperature": "temperature",
    "train.rl.top_p": "top_p",
    "train.rl.top_k": "top_k",
    "method.group_size": "num_generations",
    "reward.correct": "reward_weights",
    "hardware.device": "use_cpu",
    "hardware.precision": "bf16 fp16",
    "hardware.activation_checkpointing": "activation_checkpointing gradient_checkpointing",
    "hardware.deepspeed": "deepspeed fsdp fsdp_config",
    "hardware.generation_batch": "generation_batch_size",
    "hardware.micro_batch": "per_device_train_batch_size gradient_accumulation_steps"
    " steps_per_generation auto_find_batch_size",
    "model.path": "model_init_kwargs",
    "model.trust_remote_code": "trust_remote_code",
    "model.chat_template": "chat_template_kwargs",
    "eval.samples": "num_generations_eval",
    "eval.sets": "per_device_eval_batch_size",
}
OWNERS = {key: owner for owner, keys in _BY_OWNER.items() for key in keys.split()}

# One update per batch of rollouts, sampled by sampling.py, logged and kept by our own files: no setting changes these.
_FIXED = (
    "num_iterations remove_unused_columns shuffle_dataset min_p repetition_penalty generation_kwargs"
    " cache_implementation use_vllm use_transformers_paged use_transformers_continuous_batching"
    " logging_strategy logging_steps logging_first_step logging_nan_inf_filter disable_tqdm"
    " average_tokens_across_devices ddp_find_unused_parameters ignore_data_skip do_train do_predict"
    " local_rank load_best_model_at_end save_only_model push_to_hub log_completions_hub_repo"
    " hub_token hub_model_id hub_strategy hub_private_repo hub_always_push hub_revision"
)
FIXED = frozenset(_FIXED.split())


@cache
def names() -> frozenset[str]:
    """All fields of trl.GRPOConfig; raises ModuleNotFoundError where trl or transformers is not installed."""
    found: set[str] = set()
    for package, files in _SOURCES.items():
        spec = importlib.util.find_spec(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f"{package} is not installed", name=package)
        for file in files:
            found |= _fields(Path(spec.origin).parent / file)
    return frozenset(found)


def problem(key: str, value: str) -> str | None:
    """Why `trl.<key>` cannot be set, in one line; None when it can."""
    if key in OWNERS:
        return f"trl.{key} = {value}: decided by {OWNERS[key]}; set that instead"
    if key in FIXED or key.startswith("vllm_"):
        return f"trl.{key} = {value}: fixed by hybrid_rl; leave it out (~trl.{key})"
    if key not in names():
        near = difflib.get_close_matches(key, names() - FIXED - OWNERS.keys(), n=1)
        hint = f"did you mean trl.{near[0]}?" if near else "leave it out"
        return f"trl.{key} = {value}: trl.GRPOConfig has no such field; {hint}"
    return None


def _fields(source: Path) -> set[str]:
    """Annotated names in the bodies of the configuration classes of one file."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    return {
        node.target.id
        for body in (
            n.body for n in tree.body if isinstance(n, ast.ClassDef) and n.name in _CLASSES
        )
        for node in body
        if isinstance(node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
        and not node.target.id.startswith("_")
    }
