"""BREAD rollouts, ReLIFT updates: what no hint can open up is learned from the demonstration.

Not published. BREAD (arXiv 2506.17211) leaves a question out when even the longest prefix gives no
correct rollout; here it goes to the buffer of ReLIFT (arXiv 2506.07527) instead, and leaves it again
once a later group solves it, guided or not.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import Field, field_validator, model_validator

from hybrid_rl.methods import base
from hybrid_rl.methods.bread import HOPELESS, Bread
from hybrid_rl.methods.relift import Relift


class BreadReliftSettings(base.Method.Settings):
    group_size: int = Field(ge=2)
    """Rollouts per question; that of `bread` and `relift` too."""
    bread: Bread.Settings
    relift: Relift.Settings

    @field_validator("bread", "relift", mode="before")
    @classmethod
    def _without_target(cls, section: object) -> object:
        """The files of the two methods say which class they are for; here that is known."""
        if not isinstance(section, Mapping):
            return section
        return {key: value for key, value in section.items() if key != "_target_"}

    @model_validator(mode="after")
    def _one_group_size(self) -> "BreadReliftSettings":
        sizes = [self.group_size, self.bread.group_size, self.relift.group_size]
        if len(set(sizes)) > 1:
            raise ValueError(
                "group_size, bread.group_size and relift.group_size must be equal; found "
                f"{', '.join(map(str, sizes))}; set method.group_size alone"
            )
        return self


class BreadRelift(base.Method):
    needs_traces = True

    class Settings(BreadReliftSettings):
        pass

    def __init__(
        self,
        settings: BreadReliftSettings,
        examples: Mapping[str, base.Example],
        seed: int,
        steps: int,
    ) -> None:
        super().__init__(settings, examples, seed, steps)
        self.bread = Bread(settings.bread, examples, seed, steps)
        self.relift = Relift(settings.relift, examples, seed, steps)

    def rollout(
        self, step: int, examples: Sequence[base.Example], attempt: base.Attempts
    ) -> list[base.Group]:
        return self.bread.rollout(step, examples, attempt)

    def next_update(self, step: int) -> base.Update:
        update = self.relift.next_update(step)
        note = {"bread": self.bread.next_update(step).note, "relift": update.note}
        return replace(update, note=note)

    def observe_results(self, step: int, results: Sequence[base.Result]) -> None:
        """ReLIFT hears of what was solved and of what even the longest prefix does not solve."""
        self.bread.observe_results(step, results)
        told = [r for r in results if r.correct > 0 or r.note["outcome"] in HOPELESS]
        self.relift.observe_results(step, told)

    def state_dict(self) -> dict[str, base.Json]:
        return {"bread": self.bread.state_dict(), "relift": self.relift.state_dict()}

    def load_state_dict(self, state: Mapping[str, base.Json]) -> None:
        self.bread.load_state_dict(state["bread"])
        self.relift.load_state_dict(state["relift"])

    @classmethod
    def expected_sft_steps(cls, settings: BreadReliftSettings, steps: int) -> int:
        """The most there can be."""
        return Relift.expected_sft_steps(settings.relift, steps)

    @classmethod
    def fewest_sft_steps(cls, settings: BreadReliftSettings, steps: int) -> int:
        return Relift.fewest_sft_steps(settings.relift, steps)

    @classmethod
    def extra_rollouts(cls, settings: BreadReliftSettings) -> int:
        return Bread.extra_rollouts(settings.bread)
