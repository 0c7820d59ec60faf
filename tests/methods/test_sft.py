"""SFT: every update is supervised, and nothing is sampled."""

from hybrid_rl.methods.base import Plan
from hybrid_rl.methods.sft import Sft, SftSettings
from hybrid_rl.types import Update


def test_sft_is_supervised_throughout_and_never_samples() -> None:
    method = Sft(SftSettings(name="sft"), {}, seed=0, steps=5)
    assert [method.next_update(step, 0.0) for step in range(5)] == [Update("sft")] * 5
    assert method.settings.plan(5) == Plan(opening=5, fewest=5, expected=5)
    assert Sft.needs_traces
    assert method.settings.group_size is None
