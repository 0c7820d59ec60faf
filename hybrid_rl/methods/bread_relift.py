"""BREAD rollouts, ReLIFT updates: what no hint can open up is learned from the demonstration.

Not published. BREAD (arXiv 2506.17211) leaves a question out when no prefix that it tries gives a
correct rollout; here it goes to the buffer of ReLIFT (arXiv 2506.07527) instead, and leaves it again
once a later rollout solves it, guided or not.

An unlimited search fails throughout only if the longest prefix fails. With `bread.max_probes` or
`order: random` fewer probes decide, and with a control of BREAD the unguided rollouts do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import Field, field_validator, model_validator

from hybrid_rl import types
from hybrid_rl.methods import base
from hybrid_rl.methods.bread import Bread
from hybrid_rl.methods.relift import Relift


def hopeless(results: Sequence[types.Result]) -> list[str]:
    """Ids of the questions that no rollout solved, however it was guided, in batch order, each once."""
    solved = {result.example_id for result in results if not _failed(result)}
    return [i for i in dict.fromkeys(result.example_id for result in results) if i not in solved]


def _failed(result: types.Result) -> bool:
    """Whether all of the student's own rollouts failed, those of probes too."""
    if result.note["outcome"] == "expert in group":  # what is correct there is the expert's
        return True
    return result.correct == 0 and not any(rate for _, rate in result.note.get("probes", ()))


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
        examples: Mapping[str, types.Example],
        seed: int,
        steps: int,
    ) -> None:
        super().__init__(settings, examples, seed, steps)
        self.bread = Bread(settings.bread, examples, seed, steps)
        self.relift = Relift(settings.relift, examples, seed, steps)

    def rollout(
        self, step: int, examples: Sequence[types.Example], attempt: types.Attempts
    ) -> list[types.Group]:
        return self.bread.rollout(step, examples, attempt)

    def next_update(self, step: int) -> types.Update:
        update = self.relift.next_update(step)
        note = {"bread": self.bread.next_update(step).note, "relift": update.note}
        return replace(update, note=note)

    def observe_results(self, step: int, results: Sequence[types.Result]) -> None:
        """ReLIFT hears of all questions, and that those are hardest which nothing opened up."""
        self.bread.observe_results(step, results)
        self.relift.observe_hardest(step, results, hopeless(results))

    def state_dict(self) -> dict[str, types.Json]:
        return {"bread": self.bread.state_dict(), "relift": self.relift.state_dict()}

    def load_state_dict(self, state: Mapping[str, types.Json]) -> None:
        self.bread.load_state_dict(state["bread"])
        self.relift.load_state_dict(state["relift"])

    @classmethod
    def beyond_deepspeed(cls, settings: BreadReliftSettings) -> tuple[str, str] | None:
        if not settings.relift.own_moments:
            return None
        return "method.relift.own_moments = true", "method.relift.own_moments=false"

    @classmethod
    def sft_batch(cls, settings: BreadReliftSettings) -> tuple[str, int]:
        return "method.relift.batch_size", settings.relift.batch_size

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
