"""The tables of the benchmark show its figures, rounded, and leave out parts that a preset does not run."""

import io
from typing import Any

import pytest

pytest.importorskip("torch")

from rich.console import Console

from hybrid_rl.tools.bench import tables
from hybrid_rl.tools.bench.relay import PARTS, PHASES

pytestmark = pytest.mark.slow  # the module of the phases imports transformers


def profile(seconds: float) -> dict[str, Any]:
    """A step whose phases each take a tenth of it, and the rest half."""
    shares = dict.fromkeys(PHASES, 0.1) | {"other": 0.5}
    return {
        "seconds_per_step": seconds,
        "phases_share": shares,
        "phases_seconds": {name: share * seconds for name, share in shares.items()},
        "other_parts_share": dict.fromkeys(PARTS, 0.1),
        "rollout_tokens_per_second": 1234.0,
    }


def figures() -> dict[str, Any]:
    ratio = {"median": 0.5, "low": 0.4, "high": 0.6, "pairs": [0.4, 0.5, 0.6]}
    limits = {
        "ceilings": {"matmul_gflops": 100, "dtype": "float32", "copy_gbytes_per_second": 9.5},
        "floors": {"generate_seconds": 0.1, "generate_calls_seconds": 0.05, "train_seconds": 0.2},
        "share_of_ceiling": {"generate": 0.25, "train": 0.75},
    }
    whole = {"ours": profile(2.0), "plain": profile(4.0), "limits": limits}
    return {
        "grpo_step_ratio_to_trl": ratio,
        "none_zero": whole,
        "grpo_step_ratio_to_trl_half_zero": ratio | {"median": 0.45},
        "half_zero": whole,
        "methods": {},
        "scaling": {"prompts per step: 2": {"plain_seconds": 1, "ours_seconds": 0.5, "ratio": 0.5}},
        "memory": {"ours_rss_mb": 700.0},
        "startup": {"help_seconds": 0.5},
    }


def shown(found: dict[str, Any]) -> str:
    written = io.StringIO()
    tables.show(found, Console(file=written, width=250))
    return written.getvalue()


def test_ratios_limits_and_shares_of_plain_trl_are_shown() -> None:
    text = shown(figures())
    assert (
        "every group has advantages: 0.50 of plain TRL's step (quartiles 0.40 to 0.60, 3 pairs)"
        in text
    )
    assert "half of the groups have none: 0.45 of plain TRL's step" in text
    assert "the device does 100 GFLOP/s in float32, 9.5 GB/s, so sampling takes 0.100 s" in text
    assert "25% and 75% of the ceiling reached" in text
    [ours, *_] = [line for line in text.splitlines() if "ours" in line and "25.0%" in line]
    assert (
        ours.count("5.0%") == len(PARTS) + 1
    )  # 25.0 % ends so too: half of 2 s is a quarter of 4 s


def test_parts_that_were_not_run_are_left_out() -> None:
    assert "step of each method" not in shown(figures())
    assert "step of each method" in shown(figures() | {"methods": {"sft": profile(1.0)}})
