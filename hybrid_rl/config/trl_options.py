"""The fields of trl.GRPOConfig that may stand under `trl.`: those that tests cover, and no others.

A field that nobody tried may be ignored by our trainer, or undo one of its savings, without a word. So any other field
is refused, with the name of the setting of ours that decides the matter, if there is one. Loads neither TRL nor torch.
"""

import difflib
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from hybrid_rl.config import messages
from hybrid_rl.types import Section


class TrlOptions(Section):
    """The allowed fields under TRL's names, with TRL's defaults, and their types and limits."""

    adam_epsilon: float = Field(1e-8, gt=0)
    """Added to the denominator of Adam's step."""
    ddp_bucket_cap_mb: int | None = Field(None, ge=1)
    """Megabytes of gradients that DDP averages over processes at a time; null: torch's own choice."""
    disable_dropout: bool = False
    """Whether all dropout of the model is off in training."""
    ds3_gather_for_generation: bool = True
    """Whether ZeRO-3 gathers all weights on each GPU for sampling, which is faster where the model fits."""
    full_determinism: bool = False
    """Whether torch takes kernels that add in a fixed order only, which are slower on a GPU."""
    mask_truncated_completions: bool = False
    """Whether rollouts that were cut at the length limit stay out of the loss."""
    pad_to_multiple_of: Annotated[int, Field(ge=1)] | Literal["auto"] | None = "auto"
    """Prompts and completions are padded to a multiple of so many tokens; null: to the longest; auto: TRL's choice."""
    top_entropy_quantile: float = Field(1.0, gt=0, le=1)
    """Share of tokens, those of highest entropy, that are in the policy's loss."""
    torch_empty_cache_steps: int | None = Field(None, ge=1)
    """Optimizer steps after which torch gives unused memory back to the device; null: never."""
    use_bias_correction_kl: bool = True
    """Whether the KL term is weighted with the ratio of new to old probabilities."""


ALLOWED = frozenset(TrlOptions.model_fields)

_BY_OWNER = {
    "run_dir": "output_dir",
    "resume": "resume_from_checkpoint",
    "seed": "seed data_seed",
    "tracker": "report_to run_name project trackio_space_id trackio_bucket_id trackio_static_space_id",
    "train.steps": "max_steps num_train_epochs",
    "train.max_completion_tokens": "max_completion_length",
    "train.adam_betas": "adam_beta1 adam_beta2",
    "train.save_every": "save_strategy save_steps",
    "train.keep_checkpoints": "save_total_limit",
    "train.eval_every": "eval_strategy eval_steps eval_delay eval_on_start do_eval",
    "train.rollouts_every": "log_completions num_completions_to_print log_unique_prompts",
    "train.rl.schedule": "lr_scheduler_type lr_scheduler_kwargs",
    "train.rl.warmup": "warmup_steps",
    "train.rl.loss": "loss_type",
    "train.rl.entropy_bonus": "entropy_coef use_adaptive_entropy",
    "train.rl.ref_sync_steps": "sync_ref_model ref_model_sync_steps ref_model_mixup_alpha",
    "method.group_size": "num_generations",
    "reward.correct": "reward_weights",
    "hardware.device": "use_cpu",
    "hardware.precision": "bf16 fp16 bf16_full_eval fp16_full_eval",
    "hardware.activation_checkpointing": "activation_checkpointing gradient_checkpointing",
    "hardware.collective_timeout_seconds": "ddp_timeout",
    "hardware.deepspeed": "deepspeed fsdp fsdp_config",
    "hardware.generation_batch": "generation_batch_size",
    "hardware.micro_batch": "per_device_train_batch_size gradient_accumulation_steps"
    " steps_per_generation auto_find_batch_size",
    "model.path": "model_init_kwargs",
    "model.chat_template": "chat_template_kwargs",
    "rollout.engine": "use_vllm use_transformers_paged use_transformers_continuous_batching",
    "eval.best": "load_best_model_at_end metric_for_best_model",
    "eval.samples": "num_generations_eval",
    "eval.sets": "per_device_eval_batch_size",
}
_SAME_NAME = (
    "train.max_grad_norm train.weight_decay train.rl.learning_rate train.rl.scale_rewards"
    " train.rl.beta train.rl.temperature train.rl.top_p train.rl.top_k model.trust_remote_code"
)
OWNERS = {
    **{key: owner for owner, keys in _BY_OWNER.items() for key in keys.split()},
    **{owner.rpartition(".")[2]: owner for owner in _SAME_NAME.split()},
}
"""Field of trl.GRPOConfig -> the setting of ours that decides it."""


def problem(key: str, value: object) -> str | None:
    """Why `trl.<key>` cannot have this value, as `setting = value: rule; remedy`; None when it can."""
    if key in ALLOWED:
        try:
            TrlOptions.model_validate({key: value})
        except ValidationError as error:
            found = messages.lines(error, {key: value}, Section, schema=TrlOptions, prefix="trl.")
            return found[f"trl.{key}"]
        return None
    shown = f"trl.{key} = {messages.as_typed(value)}"
    if key in OWNERS:
        return f"{shown}: decided by {OWNERS[key]}; set that instead"
    near = next(iter(difflib.get_close_matches(key, ALLOWED | OWNERS.keys(), 1, 0.9)), None)
    if near in OWNERS:
        remedy = f"trl.{near} is decided by {OWNERS[near]}; set that instead"
    elif near is not None:
        remedy = f"did you mean trl.{near}?"
    else:
        remedy = f"leave it out, or choose from {', '.join(sorted(ALLOWED))}"
    return f"{shown}: only fields of trl.GRPOConfig that are tested here are passed on; {remedy}"
