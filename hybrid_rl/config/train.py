"""Types and limits of `train`, `budget` and `speed`: how to train, when to stop, and which work to leave out."""

from math import inf
from typing import Literal

from pydantic import Field

from hybrid_rl.methods.warmup import StepsOrShare
from hybrid_rl.types import Section

ClipKind = Literal["ppo", "cispo", "none"]
RatioLevel = Literal["token", "sequence"]
PPO_EPSILON = 0.2


class PhaseSettings(Section):
    """The learning rate of one kind of update, and how it changes over the run, or the part that a method names."""

    learning_rate: float = Field(gt=0)
    """The learning rate at its highest."""
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt", "warmup_stable_decay"]
    """The course of the learning rate after its rise, by transformers' names. inverse_sqrt: the root of the rise's
    length over the way so far, which needs a warmup. warmup_stable_decay: constant, and a cosine over the last part."""
    warmup: StepsOrShare = Field(ge=0)
    """The share of the phase in which the learning rate rises, to all of it with the last update of the rise; from 1
    on, a count of the phase's optimizer steps of any kind."""
    floor: float = Field(ge=0, le=1)
    """The share of the learning rate towards which it falls; all schedules but constant and inverse_sqrt reach it."""
    decay: float = Field(0.2, gt=0, le=1)
    """The share of the phase, at its end, in which warmup_stable_decay falls."""


class RlSettings(PhaseSettings):
    """The loss of an RL update, and how its rollouts are sampled.

    With one update on a batch of rollouts the ratio of new to old probabilities is 1, and there is nothing to clip:
    `clip`, `epsilon`, `epsilon_high` and `ratio` belong to several.
    """

    loss: Literal["grpo", "dr_grpo", "dapo", "bnpo"]
    """How the loss of tokens is averaged, by TRL's names."""
    updates_per_batch: int = Field(1, ge=1)
    """Optimizer updates on each batch of rollouts, every one on all of it. They are one step of the run, and each is
    charged. An SFT update is always one."""
    clip: ClipKind | None = None
    """What is done where the ratio of new to old probabilities leaves its bounds. ppo: the token no longer drives the
    policy on. cispo: its weight is held at the upper bound, without a gradient. none: nothing. null: ppo."""
    epsilon: float | None = Field(None, gt=0, lt=1)
    """How far below 1 the ratio may come, and without epsilon_high how far above. null: 0.2 for ppo."""
    epsilon_high: float | None = Field(None, gt=0)
    """How far above 1 the ratio may come; null: as epsilon."""
    ratio: RatioLevel | None = None
    """token: each token has its own ratio. sequence: all tokens of a rollout have the geometric mean of theirs (GSPO).
    null: token."""
    scale_rewards: Literal["group", "batch", "none"]
    """The standard deviation by which advantages are divided: that of the group, that of the batch, or none."""
    beta: float = Field(ge=0)
    """The weight of the KL to the reference model; 0 loads none."""
    entropy_bonus: float = Field(ge=0)
    """The weight of the mean entropy of a token, which is subtracted from the loss."""
    ref_sync_steps: int | None = Field(ge=1)
    """Optimizer steps after which the policy is copied into the reference; null: never."""
    temperature: float = Field(gt=0)
    """The temperature at which rollouts are sampled."""
    top_p: float = Field(gt=0, le=1)
    """The share of probability, of the likeliest tokens, from which is drawn; 1: all."""
    top_k: int = Field(ge=0)
    """How many of the most probable tokens may be drawn; 0: all."""
    importance_cap: float | None = Field(ge=1)
    """The largest weight, per token, by which the loss corrects for rollouts of a sampler that rounds otherwise than
    the trainer: the ratio of their probabilities, truncated here (truncated importance sampling); null: 1."""

    @property
    def clip_bounds(self) -> tuple[float, float]:
        """How far below and above 1 the ratio may come; infinite where nothing bounds it."""
        if self.clip == "none":
            return inf, inf
        if self.clip == "cispo":
            return inf, self.epsilon_high or inf
        low = self.epsilon or PPO_EPSILON
        return low, self.epsilon_high or low


class SftSettings(PhaseSettings):
    """The size of an SFT update."""

    batch_size: int = Field(ge=1)
    """Sequences per SFT update, over all devices."""


class TrainSettings(Section):
    """The length of training, and what every update has in common."""

    steps: int = Field(ge=1)
    """Optimizer steps of a run, RL and SFT together."""
    epochs: float | None = Field(None, gt=0)
    """Passes over the training set after which the run ends, if train.steps or a budget has not ended it before; null:
    no limit. Passes of RL updates over the questions, and of SFT updates over the demonstrations, are added up: a
    hybrid that has drawn every question once and every demonstration once has two. What a method takes of its own
    accord, such as the trace of a question that it has just tried, is of no further pass."""
    prompts_per_step: int = Field(ge=1)
    """Questions per RL update, over all devices."""
    max_completion_tokens: int = Field(ge=1)
    """The most tokens of a rollout, an expert prefix included."""
    on_long_trace: Literal["refuse", "drop"]
    """What becomes of a trace that does not fit into max_completion_tokens with its end-of-sequence token. drop: the
    question stays, without its trace."""
    rl: RlSettings
    sft: SftSettings
    max_grad_norm: float = Field(gt=0)
    """The norm to which longer gradients are clipped."""
    step_on_zero_gradient: bool
    """Whether Adam steps where the gradient's norm is exactly 0, by the momentum of earlier updates. If not, such an
    update leaves weights, moments and their step count alone; it still counts as an optimizer step and is charged."""
    weight_decay: float = Field(ge=0)
    """The weight decay of AdamW."""
    adam_betas: tuple[float, float]
    """The decay of Adam's two moments."""
    save_every: int | None = Field(ge=1)
    """Optimizer steps between checkpoints; null: only at the end."""
    keep_checkpoints: int = Field(ge=0)
    """How many checkpoints stay, the newest. 0: one while the run lasts, and none once it is done."""
    eval_every: StepsOrShare | None = Field(gt=0)
    """Optimizer steps between evaluations on dev, or below 1 the share of the run, by the limit that will end it; null:
    none."""
    patience: int | None = Field(None, ge=1)
    """Early stopping: after so many evaluations on dev (eval_every) without a better greedy accuracy the run ends;
    null: never. The measure is that of eval.best, which keeps the weights that were best. In a study an arm that stops
    early has spent less than the others, so arms are then compared each at its own stop, not at equal budgets."""
    rollouts_every: int = Field(ge=1)
    """Optimizer steps between files of rollouts."""
    update_norm: bool
    """Whether metrics.jsonl tells how far each optimizer step moved the trained weights, as an L2 norm."""


class BudgetSettings(Section):
    """Limits on what training spends, under the names of the axes on every metrics line; null: no limit."""

    generated_tokens: int | None = Field(ge=1)
    """Tokens that were sampled, whether trained on or not."""
    trained_tokens: int | None = Field(ge=1)
    """Tokens in the loss."""
    flops: float | None = Field(gt=0)
    wall_seconds: float | None = Field(gt=0)
    """Seconds of training by the clock, without evaluations."""
    device_seconds: float | None = Field(gt=0)
    traces_used: int | None = Field(ge=1)


class SpeedSettings(Section):
    """Switches of work that is left out without changing what comes out, up to rounding of floats.

    With all of them off, sampling is transformers' `generate` and the loss is TRL's as it stands.
    """

    own_decoding: bool
    """Whether our own loop samples (hybrid_rl/models/decoding.py), where the model's cache allows it."""
    shared_prefill: bool
    """Whether a prompt is read once for all of its rows. Needs own_decoding."""
    drop_finished: bool
    """Whether rows that have ended leave the batch. Needs own_decoding."""
    skip_zero_advantages: bool
    """Whether rows without advantage stay out of forward and backward, where nothing but advantages makes the loss. The
    entropy that is logged is then that of the other rows."""
    shared_context: bool
    """Whether a group's prompt and expert prefix pass forward and backward once for all of its rows."""
    completion_head: bool
    """Whether, on a CPU, only tokens in the loss are projected to the vocabulary, in one piece where memory allows.
    On a GPU TRL's own kernel does as much. shared_context needs it."""
    token_budget: bool
    """Whether micro-batches have rows of like length, as many as fit into the tokens of the largest. Where the loss has
    means over a micro-batch (bnpo, an entropy bonus, trl.top_entropy_quantile below 1), padding alone is trimmed."""
    single_uniform: bool
    """Whether a token of a large vocabulary is drawn with one uniform number, by the same probabilities as with one for
    each word; the same seed then gives other completions than `generate`. Needs own_decoding."""
    early_verification: bool
    """Whether solutions that end first are verified while others are drawn,
    where verifiers have processes of their own."""
