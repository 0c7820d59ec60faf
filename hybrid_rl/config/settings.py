"""The settings of a run as a whole, one section per group of conf/, and what follows from several of them.

Each section has its types and limits in a file of its own, and its values in conf/. `loading` turns what Hydra
composed into one frozen `Settings`; `rules` says which sections do not fit together. It knows no torch.
"""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator

from hybrid_rl.config.audit import AuditSettings
from hybrid_rl.config.batch import Batch, plan
from hybrid_rl.config.data import DataSettings
from hybrid_rl.config.eval import EvalSettings
from hybrid_rl.config.guards import GuardSettings
from hybrid_rl.config.hardware import HardwareSettings
from hybrid_rl.config.model import ModelSettings
from hybrid_rl.config.reward import RewardSettings
from hybrid_rl.config.rollout import RolloutSettings
from hybrid_rl.config.tracker import TrackerSettings
from hybrid_rl.config.train import BudgetSettings, SpeedSettings, TrainSettings
from hybrid_rl.methods.base import Method, MethodSettings
from hybrid_rl.methods.lookup import method_class, settings_class
from hybrid_rl.types import Section


class Settings(Section):
    """Everything that a run depends on. `run_dir` is absolute once loaded."""

    task: Literal["train", "evaluate", "doctor", "audit"]
    """doctor checks that this hardware=... computes what it should; audit, that verifiers judge as they should."""
    name: str
    """The name of the run, which is a directory under runs/."""
    seed: int = Field(ge=0, le=2**32 - 1)
    """The seed of everything that a run draws: batches, rollouts, evaluations."""
    run_dir: str
    resume: str | None
    check: bool
    calibrate: bool = False
    """Whether check=true measures a few steps and evaluations, and predicts the time and the price of it all."""
    price_per_device_hour: float | None = Field(None, gt=0)
    """The price of an hour of one device, in any currency, for what calibrate=true tells; null: none is told."""
    resume_allows: tuple[str, ...] = ()
    """Settings, by dotted key, that `resume` takes although they differ from those of the run that it continues."""
    train: TrainSettings
    budget: BudgetSettings
    """Limits besides train.steps. Learning-rate schedules and shares of the run follow the limit that is nearest, which
    in the end is the one that ends it."""
    trl: dict[str, Any]
    """Fields of trl.GRPOConfig that `trl_options` allows; they are passed on as they are."""
    method_target: str
    """The dotted path of the method's class."""
    method: SerializeAsAny[MethodSettings]
    """The settings of the method, of the class that the method names as its own."""
    model: ModelSettings
    data: DataSettings
    reward: RewardSettings
    hardware: HardwareSettings
    rollout: RolloutSettings
    guards: GuardSettings
    speed: SpeedSettings
    eval: EvalSettings
    tracker: TrackerSettings
    audit: AuditSettings = AuditSettings()

    @field_validator("method", mode="before")
    @classmethod
    def _own_settings(cls, value: Any, info: ValidationInfo) -> Any:
        """The method's section in the type that its class names, also when it is read from settings.json."""
        if isinstance(value, Section) or "method_target" not in info.data:
            return value
        return settings_class(method_class(info.data["method_target"])).model_validate(value)

    @classmethod
    def load_json(cls, path: Path) -> "Settings":
        """The settings in a settings.json, equal to those that were written."""
        return cls.model_validate_json(path.read_text(encoding="utf-8"))

    @property
    def method_class(self) -> type[Method[MethodSettings]]:
        return method_class(self.method_target)

    @property
    def has_reference(self) -> bool:
        """Whether there is a reference model, for the KL of the RL loss or for a divergence that the method reads."""
        return self.train.rl.beta > 0 or self.method.needs_reference is not None

    @property
    def moves_reference(self) -> bool:
        """Whether the reference model changes in training, and belongs to every checkpoint."""
        moves = self.train.rl.ref_sync_steps is not None or self.method.renews_reference
        return self.has_reference and moves

    @property
    def sft_batch(self) -> tuple[str, int]:
        """The setting that limits the demonstrations of an SFT update, by name, and its value."""
        return self.method.sft_batch or ("train.sft.batch_size", self.train.sft.batch_size)

    @property
    def batch(self) -> Batch:
        """What one device holds in one optimizer step."""
        prompts, hardware = self.train.prompts_per_step, self.hardware
        rows = (prompts, self.method.group_size, self.sft_batch[1])
        extra = self.method.extra_rows(prompts)
        return plan(*rows, hardware.world_size, hardware.micro_batch, extra)

    @property
    def stand_in(self) -> str | None:
        """A sentence where dev is evaluated for want of a test set; None where there is one, or no evaluation."""
        if self.data.test or self.eval.sets != ["dev"]:
            return None
        return f"data={self.data.name} has no test set: dev, which training looks at, is evaluated in its place"

    @property
    def tells_log_probs(self) -> bool:
        """Whether the sampler rounds otherwise than the trainer and tells log-probabilities that compare with its own.

        A copy in another dtype tells them as the trainer has them; vLLM's are those after top_p and top_k.
        """
        if self.rollout.engine == "transformers":
            return self.rollout.copy_dtype is not None and self.speed.own_decoding
        return self.train.rl.top_p == 1 and self.train.rl.top_k == 0

    @property
    def composes(self) -> bool:
        """Whether the loss is a sum of the method's `terms`, which TRL's loss is not asked for.

        So it is where the class has its own, and where a batch has several updates, for which any method has terms.
        """
        return self.method_class.composes(self.method) or self.train.rl.updates_per_batch > 1
