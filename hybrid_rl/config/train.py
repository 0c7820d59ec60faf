"""Types and limits of every setting; the values live in conf/. Loads no torch.

`loading.load` turns what Hydra composed into one frozen `Settings`; `rules` joins settings of different groups.
"""

from typing import Literal

from pydantic import Field

from hybrid_rl.types import Section


class PhaseSettings(Section):
    learning_rate: float = Field(gt=0)
    schedule: Literal["constant", "linear", "cosine"]
    warmup: float = Field(ge=0, lt=1)
    """Share of the phase in which the learning rate rises from 0."""
    floor: float = Field(ge=0, le=1)
    """Last learning rate as a share of the first (linear, cosine)."""


class RlSettings(PhaseSettings):
    loss: Literal["grpo", "dr_grpo", "dapo", "bnpo"]
    scale_rewards: Literal["group", "batch", "none"]
    epsilon: float = Field(gt=0)
    epsilon_high: float | None = Field(gt=0)
    """Upper clip ("clip-higher"); null: the same as epsilon."""
    beta: float = Field(ge=0)
    """Weight of the KL to the reference model; 0 loads none."""
    entropy_bonus: float = Field(ge=0)
    ref_sync_steps: int | None = Field(ge=1)
    """Copy the policy into the reference every so many steps; null: never."""
    temperature: float = Field(gt=0)
    top_p: float = Field(gt=0, le=1)
    top_k: int = Field(ge=0)


class SftSettings(PhaseSettings):
    batch_size: int = Field(ge=1)
    """Sequences per SFT update, over all devices."""


class TrainSettings(Section):
    steps: int = Field(ge=1)
    """Optimizer steps, of either kind."""
    prompts_per_step: int = Field(ge=1)
    """Questions per RL update, over all devices."""
    max_completion_tokens: int = Field(ge=1)
    """Of a rollout, an expert prefix included."""
    on_long_trace: Literal["refuse", "drop"]
    """A trace that does not fit in max_completion_tokens with its end-of-sequence token. drop: the question stays."""
    rl: RlSettings
    sft: SftSettings
    max_grad_norm: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    adam_betas: tuple[float, float]
    save_every: int | None = Field(ge=1)
    """Optimizer steps between checkpoints; null: only at the end."""
    keep_checkpoints: int = Field(ge=1)
    eval_every: int | None = Field(ge=1)
    """Optimizer steps between evaluations on dev; null: none."""
    rollouts_every: int = Field(ge=1)
    """Optimizer steps between files of rollouts."""


class BudgetSettings(Section):
    """Limits on what training spends; the names are those of the axes on every metrics line."""

    generated_tokens: int | None = Field(ge=1)
    trained_tokens: int | None = Field(ge=1)
    flops: float | None = Field(gt=0)
    wall_seconds: float | None = Field(gt=0)
    device_seconds: float | None = Field(gt=0)
    traces_used: int | None = Field(ge=1)


class SpeedSettings(Section):
    """Work that is saved without changing what comes out, up to float rounding; each can be switched off.

    With all of them off, sampling is transformers' `generate` and the loss is TRL's as it stands.
    """

    own_decoding: bool
    """Sample with our own loop (hybrid_rl/models/decoding.py) where the model's cache allows it."""
    shared_prefill: bool
    """With own_decoding: read a prompt once for all of its rows."""
    drop_finished: bool
    """With own_decoding: rows that have ended leave the batch."""
    skip_zero_advantages: bool
    """Rows without advantage stay out of forward and backward, where nothing but advantages makes the loss; the entropy
    that is logged is then that of the other rows."""
    shared_context: bool
    """A group's prompt, and expert prefix, passes forward and backward once for all of its rows."""
    completion_head: bool
    """On a CPU: project to the vocabulary where the loss has a token, and in one piece where memory allows. On a GPU
    TRL's own kernel does as much. Needed for shared_context."""
    token_budget: bool
    """Micro-batches of like length, as many rows as fit into the tokens of the largest; padding alone is trimmed where
    the loss has means over a micro-batch (bnpo, an entropy bonus, trl.top_entropy_quantile below 1)."""
    early_verification: bool
    """Where verifiers run in processes of their own: solutions that end first are verified while others are drawn."""
