"""The benchmark: both trainers do the same work, and its figures are what they say."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.bench import figures, presets  # noqa: E402 - after the skip
from hybrid_rl.bench.measure import Bench  # noqa: E402
from hybrid_rl.bench.relay import PHASES, Step  # noqa: E402
from hybrid_rl.bench.workload import ArrangedGrader  # noqa: E402
from hybrid_rl.rewards import Solution  # noqa: E402
from tests import tiny  # noqa: E402

pytestmark = pytest.mark.slow


def step(seconds: float, **phases: float) -> Step:
    return Step(seconds, dict.fromkeys(PHASES, 0.0) | phases, generated_tokens=60)


def test_the_ratio_is_taken_pair_by_pair() -> None:
    ours = [step(1.0), step(4.0), step(3.0)]
    theirs = [step(2.0), step(4.0), step(4.0)]
    found = figures.ratio(ours, theirs)
    assert found["pairs"] == [0.5, 1.0, 0.75]
    assert found["median"] == 0.75
    assert found["low"] <= 0.75 <= found["high"]


def test_what_no_phase_explains_is_other() -> None:
    found = figures.summary([step(1.0, generate=0.5, forward=0.1, backward=0.3)] * 3)
    assert found["phases_seconds"]["other"] == pytest.approx(0.1)
    assert found["other_share"] == pytest.approx(0.1)
    assert found["rollout_tokens_per_second"] == 120


@pytest.mark.parametrize(
    ("share", "mixed"), [(1.0, [True] * 4), (0.5, [False, True] * 2), (0.0, [False] * 4)]
)
def test_the_arranged_share_of_groups_has_advantages(share: float, mixed: list[bool]) -> None:
    grader = ArrangedGrader(tiny.EvenGrader(), 4, share)  # type: ignore[arg-type]
    rewards = [verdict.reward for verdict in grader.grade([Solution("", "0")] * 16)]
    assert [len(set(rewards[i : i + 4])) == 2 for i in range(0, 16, 4)] == mixed
    assert grader.calls == 16


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
    assert found["limits"]["floors"]["generate_seconds"] > 0
    assert found["limits"]["needs"]["train_gflop"] > 0


def test_a_wrong_option_ends_with_the_usage() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hybrid_rl.bench", "preset=huge"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("usage: python -m hybrid_rl.bench preset=")
