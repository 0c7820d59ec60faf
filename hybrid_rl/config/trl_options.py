"""The fields of trl.GRPOConfig that may stand under `trl.`: those that tests cover, and no others.

A field that nobody tried may be ignored by our trainer, or undo one of its savings, without a word. So any other field
is refused, with the name of the setting of ours that decides the matter, if there is one. Loads neither TRL nor torch.
"""

import difflib
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from hybrid_rl.config import messages
from hybrid_rl.config.trl_names import ELSEWHERE, OWNERS, TYPED
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
        return f"{shown}: decided by {OWNERS[key]}; set {TYPED.get(key, 'that')} instead"
    if key in ELSEWHERE:
        return f"{shown}: no setting does that; {ELSEWHERE[key]}"
    near = next(iter(difflib.get_close_matches(key, ALLOWED | OWNERS.keys(), 1, 0.9)), None)
    if near in OWNERS:
        remedy = f"trl.{near} is decided by {OWNERS[near]}; set that instead"
    elif near is not None:
        remedy = f"did you mean trl.{near}?"
    else:
        remedy = f"leave it out, or choose from {', '.join(sorted(ALLOWED))}"
    return f"{shown}: only fields of trl.GRPOConfig that are tested here are passed on; {remedy}"
