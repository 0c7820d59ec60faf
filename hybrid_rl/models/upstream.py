"""Every private name of other libraries that this package uses, patches or overrides, and what is relied on.

A private name may change in any release. `tests/models/test_upstream.py` compares each entry with the installed
library, and walks the package for private names that have no entry, so that an upgrade fails there and not in a run.
The functions are the only places where the names that they wrap are used; an override has to stand in its class.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from accelerate.state import AcceleratorState


@dataclass(frozen=True)
class PrivateName:
    """A private name of a library, and what would break here if it changed."""

    owner: str
    """The dotted path of the class that defines it."""
    name: str
    relied_on: str
    parameters: str | None = None
    """The first parameters of a method, in order; any others must have defaults. None: an attribute that is set."""


_GRPO = "trl.trainer.grpo_trainer.GRPOTrainer"
_TRAINER = "transformers.trainer.Trainer"
_MIXIN = "transformers.generation.utils.GenerationMixin"
_CONFIG = "transformers.configuration_utils.PreTrainedConfig"
_ACCELERATOR = "accelerate.accelerator.Accelerator"
_MODULE = "torch.nn.modules.module.Module"
_WORKSPACE = "wandb_workspaces.workspaces.interface.Workspace"
_ZERO = "deepspeed.runtime.zero"
_NORM, _SET_BEFORE = "_global_grad_norm", "is set before the optimizer inside steps"
_SCORED = (
    "self model input_ids attention_mask logits_to_keep batch_size compute_entropy compute_aux_loss"
)
_TURN = "self prompt_ids images multimodal_fields num_generations has_tool_images"
_REWARDED = "self inputs prompts completions completion_ids_list"

OVERRIDDEN = (
    PrivateName(_GRPO, "_prepare_inputs", "fills the step's buffer", "self generation_batch"),
    PrivateName(_GRPO, "_generate_and_score_completions", "a batch by names", "self inputs"),
    PrivateName(_GRPO, "_calculate_rewards", "rewards of all ranks, row by row", _REWARDED),
    PrivateName(_GRPO, "_compute_loss", "one scalar", "self model inputs"),
    PrivateName(_GRPO, "_get_per_token_logps_and_entropies", "a triple in this order", _SCORED),
    PrivateName(_GRPO, "_save_checkpoint", "writes checkpoint-<step>", "self model trial"),
    PrivateName(_TRAINER, "_get_grad_norm", "once a step, after clipping", "self model grad_norm"),
    PrivateName(_TRAINER, "_load_optimizer_and_scheduler", "None: no resume", "self checkpoint"),
)
"""Methods of TRL and transformers that a trainer of ours extends; each calls the original."""

USED = (
    PrivateName(_GRPO, "_buffered_inputs", "the micro-batches of the step; None: none"),
    PrivateName(_GRPO, "_step", "counts micro-steps"),
    PrivateName(_GRPO, "_logs", "holds the advantages of all ranks, in rank order"),
    PrivateName(_GRPO, "_entropy_bonus_enabled", "whether the loss has an entropy bonus"),
    # The benchmark takes the time of these three.
    PrivateName(_GRPO, "_tokenize_prompts", "token ids of text", "self prompts"),
    PrivateName(_GRPO, "_generate_single_turn", "returns the completions first", _TURN),
    PrivateName(_TRAINER, "_clip_grad_norm", "clips the gradient", "self model"),
    PrivateName(_MIXIN, "_supports_logits_to_keep", "whether forward takes logits_to_keep", "self"),
    PrivateName(_CONFIG, "_attn_implementation", "names the attention that the model runs"),
    PrivateName(_ACCELERATOR, "_original_forward", "is set on a model that autocast has wrapped"),
    PrivateName("accelerate.state.AcceleratorState", "_reset_state", "forgets all", ""),
    PrivateName(f"{_ZERO}.stage_1_and_2.DeepSpeedZeroOptimizer", _NORM, _SET_BEFORE),
    PrivateName(f"{_ZERO}.stage3.DeepSpeedZeroOptimizer_Stage3", _NORM, _SET_BEFORE),
    PrivateName(_MODULE, "_forward_pre_hooks", "hooks by their handles' ids"),
    PrivateName(_WORKSPACE, "_to_model", "a pydantic model, for reporting/dashboard.py", "self"),
)
"""Names that are read, called or patched."""


def keeps_last_logits(model: Any) -> bool:
    """Whether the forward pass takes `logits_to_keep`."""
    return bool(model._supports_logits_to_keep())


def attention_of(model: Any) -> str:
    """The name of the attention that the model runs, such as sdpa."""
    return str(model.config._attn_implementation)


def is_prepared(model: Any) -> bool:
    """Whether accelerate has wrapped the forward pass for training."""
    return hasattr(model, "_original_forward")


def forget_engine() -> None:
    """Lets the next trainer of this process bring its own DeepSpeed configuration; accelerate keeps the first."""
    AcceleratorState._reset_state()


def norm_of_zero(optimizer: Any) -> float:
    """The norm, before clipping, of the gradient that DeepSpeed's optimizer is about to step on, over all ranks."""
    return float(optimizer._global_grad_norm)


@contextmanager
def without_forward_pre_hook(module: Any, handle_id: int) -> Iterator[None]:
    """Takes one hook off a module while the context lasts."""
    hooks = module._forward_pre_hooks
    held = hooks.pop(handle_id)
    try:
        yield
    finally:
        hooks[handle_id] = held
