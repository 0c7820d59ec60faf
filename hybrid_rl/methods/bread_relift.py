"""BREAD rollouts with ReLIFT updates: what no hint can open up is learned from the demonstration.

The combination is ours and not published. BREAD (arXiv 2506.17211) leaves a question out when no prefix that it tries
gives a correct rollout; here it goes to the buffer of ReLIFT (arXiv 2506.07527) instead, and leaves it again once a
later rollout solves it, guided or not.

An unlimited search fails throughout only if the longest prefix fails. With `bread.max_probes` or
`order: random` fewer probes decide, and with a control of BREAD the unguided rollouts do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from hybrid_rl.methods.base import Method, MixedSettings, Plan
from hybrid_rl.methods.bread import Bread, BreadSettings
from hybrid_rl.methods.relift import Relift, ReliftSettings
from hybrid_rl.types import Attempts, Example, Examples, Group, Json, Result, Update


def hopeless(results: Sequence[Result]) -> list[str]:
    """Ids of the questions that no rollout solved, guided or not, in batch order, each once."""
    solved = {result.example_id for result in results if not _failed(result)}
    return [i for i in dict.fromkeys(result.example_id for result in results) if i not in solved]


def _failed(result: Result) -> bool:
    """Whether all of the student's own rollouts failed, those of probes too."""
    if result.note["outcome"] == "expert in group":  # what is correct there is the expert's
        return True
    return result.correct == 0 and not any(rate for _, rate in result.note.get("probes", ()))


class BreadReliftSettings(MixedSettings):
    group_size: int = Field(ge=2)
    """Rollouts per question; that of `bread` and `relift` too."""
    bread: BreadSettings
    """The settings of method=bread, for the rollouts."""
    relift: ReliftSettings
    """The settings of method=relift, for the buffer and its SFT updates."""

    @field_validator("bread", "relift", mode="before")
    @classmethod
    def _without_target(cls, section: object) -> object:
        """The section without `_target_`, by which the YAML files of the two methods name a class; here it is known."""
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

    @model_validator(mode="after")
    def _one_choice_of_moments(self) -> "BreadReliftSettings":
        if self.moments != self.relift.moments:
            raise ValueError(
                "moments and relift.moments must be equal; found "
                f"{self.moments}, {self.relift.moments}; set method.moments alone"
            )
        return self

    @property
    def extra_rollouts(self) -> int:
        return self.bread.extra_rollouts

    @property
    def sft_batch(self) -> tuple[str, int]:
        return "method.relift.batch_size", self.relift.batch_size

    def plan(self, steps: int) -> Plan:
        return self.relift.plan(steps)

    def remarks(self, examples: Sequence[Example], section: str = "method") -> list[str]:
        return self.bread.remarks(examples, f"{section}.bread")

    def obstacles(
        self, examples: Sequence[Example], questions_per_update: int, section: str = "method"
    ) -> list[str]:
        """The obstacles of ReLIFT alone: a question that no hint opens up is learned from its trace."""
        return self.relift.obstacles(examples, questions_per_update, f"{section}.relift")


class BreadRelift(Method[BreadReliftSettings]):
    needs_traces = True
    notes: ClassVar = {**Bread.notes, **Relift.notes}

    def __init__(
        self, settings: BreadReliftSettings, examples: Examples, seed: int, steps: int
    ) -> None:
        super().__init__(settings, examples, seed, steps)
        self.bread = Bread(settings.bread, examples, seed, steps)
        self.relift = Relift(settings.relift, examples, seed, steps)

    def rollout(self, step: int, examples: Sequence[Example], attempt: Attempts) -> list[Group]:
        return self.bread.rollout(step, examples, attempt)

    def next_update(self, step: int, progress: float) -> Update:
        update = self.relift.next_update(step, progress)
        bread = self.bread.next_update(step, progress)
        return replace(update, note={"bread": bread.note, "relift": update.note})

    def observe_results(self, step: int, results: Sequence[Result]) -> None:
        """Tells BREAD all, and ReLIFT that those questions are hardest which no hint opened up."""
        self.bread.observe_results(step, results)
        self.relift.observe_hardest(step, results, hopeless(results))

    def state_dict(self) -> dict[str, Json]:
        return {"bread": self.bread.state_dict(), "relift": self.relift.state_dict()}

    def load_state_dict(self, state: Mapping[str, Json]) -> None:
        self.bread.load_state_dict(state["bread"])
        self.relift.load_state_dict(state["relift"])
