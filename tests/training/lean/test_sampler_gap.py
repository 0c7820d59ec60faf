"""The gap between sampler and trainer: written-out weights, and that the loss is multiplied by them."""

import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.training.lean.sampler_gap import SAMPLED, WEIGHTS, SamplerGap, summary
from tests.training.test_trainer import build

NAN = math.nan


def test_weights_are_ratios_up_to_the_cap_and_differences_those_of_the_loss() -> None:
    gap = SamplerGap(cap=2.0)
    inputs = {
        SAMPLED: torch.tensor([[math.log(0.5), math.log(0.1), NAN], [math.log(0.5), 0.0, 0.0]]),
        "completion_mask": torch.tensor([[1, 1, 1], [1, 0, 0]]),
        "tool_mask": torch.tensor([[1, 1, 1], [0, 0, 0]]),
    }
    trained = torch.tensor([[math.log(0.25), math.log(0.8), -1.0], [math.log(0.75), -1.0, -1.0]])
    gap.compare(trained, inputs)
    assert inputs[WEIGHTS][0].tolist() == pytest.approx([0.5, 2.0, 1.0])
    assert inputs[WEIGHTS][1, 0].item() == pytest.approx(1.0)  # not in the loss
    assert gap.take() == pytest.approx([math.log(2), math.log(8)])
    assert gap.take() == []


def test_a_sampler_that_told_nothing_of_a_token_leaves_its_weight_at_1() -> None:
    gap = SamplerGap(cap=3.0)
    sampled = torch.tensor([[math.log(0.2), NAN]])
    found = gap.weights(torch.tensor([[math.log(0.5), math.log(0.5)]]), sampled)
    assert found.tolist() == [pytest.approx([2.5, 1.0])]
    assert gap.take() == pytest.approx([math.log(2.5)])


def test_without_a_cap_there_are_no_weights() -> None:
    inputs = {SAMPLED: torch.zeros(1, 2), "completion_mask": torch.ones(1, 2)}
    SamplerGap(cap=None).compare(torch.ones(1, 2), inputs)
    assert WEIGHTS not in inputs


def test_the_summary_has_the_mean_and_the_99th_percentile() -> None:
    found = summary([float(number) for number in range(1, 201)])
    assert found == {"sampler_gap_mean": 100.5, "sampler_gap_p99": 198.0}
    assert summary([]) == {}


class Halved(SamplerGap):
    """As if every token had had half the probability when it was drawn."""

    def compare(self, log_probs: Any, inputs: Any) -> None:
        inputs[SAMPLED] = log_probs.detach() - math.log(2)
        super().compare(log_probs, inputs)


@pytest.mark.slow
@pytest.mark.parametrize("ours", [True, False])
def test_the_gradient_is_that_of_the_weighted_loss(tmp_path: Path, ours: bool) -> None:
    norms = []
    for name, cap in (("none", None), ("truncated", 1.5), ("whole", 3.0)):
        trainer, recorder = build(
            tmp_path / name,
            train__steps=1,
            rollout__dtype="bfloat16",
            speed__completion_head=ours,
        )
        trainer.gap = Halved(cap)
        torch.manual_seed(7)
        trainer.train()
        norms += recorder.column("grad_norm")
    assert norms[0] > 1e-3
    assert [norms[1] / norms[0], norms[2] / norms[0]] == pytest.approx([1.5, 2.0], rel=1e-4)
