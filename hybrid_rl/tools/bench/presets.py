"""The presets of the benchmark: what each types for settings, and how much of each part it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

STILL = (
    "method=grpo eval=none train.rl.learning_rate=1e-6 train.eval_every=null train.save_every=null"
    " train.on_long_trace=drop train.step_on_zero_gradient=true speed.single_uniform=false"
)
"""What every preset types: the policy hardly moves, so that every step is the same amount of work, and both trainers
draw the same tokens."""
OPEN = ("hardware", "model", "data", "train.prompts_per_step", "train.max_completion_tokens",
    "method.group_size")  # fmt: skip
"""Settings that a command line may change, with all below them: both trainers follow them."""


@dataclass(frozen=True)
class Preset:
    """A size of the benchmark."""

    overrides: str
    """What it types, between blanks."""
    pairs: int
    """Steps of each trainer that count, after a warm-up."""
    scaling: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The name of what is varied -> overrides, a run each."""
    models: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """The name of a larger model of the same family with random weights -> its hidden size and layers."""
    methods: tuple[str, ...] = ()
    """The methods of which a step is profiled."""
    search: bool = False
    """Whether BREAD's search is measured."""
    savings: bool = False
    """Whether each saving is measured alone."""
    growth: bool = False
    """Whether it measures growth, and nothing else."""
    random: tuple[int, int] | None = None
    """Hidden size and layers of random weights in place of the model of `overrides`; None: the model itself."""


SMALL = Preset(
    overrides="model=tiny data=ledger hardware=cpu",
    pairs=7,
    scaling={
        "rollouts per prompt": ("method.group_size=4", "method.group_size=32"),
        "completion tokens": ("train.max_completion_tokens=16", "train.max_completion_tokens=32"),
        "prompts per step": ("train.prompts_per_step=2", "train.prompts_per_step=16"),
        "rows per forward pass": ("hardware.micro_batch=16", "hardware.micro_batch=64"),
    },
    models={"0.8 M": (128, 4), "4.7 M": (256, 6)},
    methods=("sft", "grpo", "bread", "sasr", "relift", "bread_relift"),
    search=True,
    savings=True,
)

MEDIUM = Preset(
    overrides=(
        "experiment=gsm8k model=smollm2_135m_gguf hardware=cpu train.prompts_per_step=2 method.group_size=8"
        " train.max_completion_tokens=128 hardware.micro_batch=4"
    ),
    pairs=5,
)

LARGE = Preset(
    overrides=(
        "model=tiny model.dtype=bfloat16 data=ledger hardware=gpu hardware.micro_batch=32"
        " hardware.activation_checkpointing=false train.max_completion_tokens=128"
    ),
    pairs=7,
    scaling={
        "rollouts per prompt": ("method.group_size=64",),
        "rows per forward pass": ("hardware.micro_batch=128",),
    },
    methods=("grpo",),
    savings=True,
    random=(1280, 30),
)
"""A model of 0.5 B parameters for a GPU, with the small vocabulary of the embedded model."""

GROWTH = Preset(
    "model=tiny data=ledger guards=quiet hardware=cpu hardware.threads=1", pairs=0, growth=True
)
"""The sizes are in `growth`. No guard speaks, for all completions are cut at their length limit."""

PRESETS = {"small": SMALL, "medium": MEDIUM, "large": LARGE, "growth": GROWTH}


def overrides(preset: Preset, data: Path | None, typed: Sequence[str] = ()) -> list[str]:
    """The overrides of the preset, then those `typed`. `data`: directory of GSM8K's files; None: from the hub."""
    files = () if data is None else ("data=gsm8k_files", f"data.directory={data}")
    return [*preset.overrides.split(), *files, *STILL.split(), *typed]


def is_open(key: str) -> bool:
    """Whether a command line may change this setting."""
    return any(key == name or key.startswith(f"{name}.") for name in OPEN)
