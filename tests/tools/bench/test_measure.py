"""The benchmark runs both trainers in turn, and finds time in every phase and part of both."""

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

from hybrid_rl.tools.bench import presets
from hybrid_rl.tools.bench.measure import Bench

pytestmark = pytest.mark.slow


def test_both_trainers_do_the_same_work_in_turn(tmp_path: Path) -> None:
    preset = replace(presets.SMALL, pairs=2)
    few = ("train.prompts_per_step=2", "method.group_size=4", "train.max_completion_tokens=24")
    bench = Bench(preset, [*presets.overrides(preset, None), *few], tmp_path)
    found = bench.against_plain(0.5)
    assert len(found["ratio"]["pairs"]) == 2
    assert found["ratio"]["median"] > 0
    assert found["ours"]["rollout_tokens"] == found["plain"]["rollout_tokens"] > 0
    for who in ("ours", "plain"):
        spent = found[who]["phases_seconds"]
        assert all(spent[name] > 0 for name in ("generate", "forward", "backward", "optimizer"))
        parts = found[who]["other_parts_share"]
        assert sum(parts.values()) == pytest.approx(found[who]["phases_share"]["other"])
        assert min(parts["text"], parts["trl"], parts["log"]) > 0
    assert found["ours"]["other_parts_share"]["ours"] > 0
    assert found["limits"]["floors"]["generate_seconds"] > 0
    assert found["limits"]["needs"]["train_gflop"] > 0
