"""The ratio of new to old probabilities and its bounds: by hand, and against the loss of TRL's own trainer."""

import math
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from trl.trainer.grpo_trainer import GRPOTrainer

from hybrid_rl.methods.terms import Factor, Row
from hybrid_rl.training.policy_ratio import Clip, clipped, ratios, surrogate
from hybrid_rl.training.term_loss import SUMS, Compared, loss_of
from hybrid_rl.training.term_weights import WeightedRow
from tests.fakes.reference_row import example

PPO = Clip("ppo", 0.2, 0.28, "token")
CISPO = Clip("cispo", math.inf, 0.5, "token")
GSPO = Clip("ppo", 3e-4, 4e-4, "sequence")
FREE = Clip("none", math.inf, math.inf, "token")


@pytest.mark.parametrize(
    ("clip", "c", "ratio", "value", "slope", "held"),
    [
        (PPO, 2.0, 1.1, -2.2, -2.2, False),
        (PPO, 2.0, 1.5, -2.56, 0.0, True),  # 1.28: the upper bound is DAPO's
        (PPO, 2.0, 0.5, -1.0, -1.0, False),  # it has gone the wrong way, and is driven on
        (PPO, -2.0, 0.5, 1.6, 0.0, True),  # 0.8
        (PPO, -2.0, 1.5, 3.0, 3.0, False),
        (CISPO, 2.0, 1.1, -2.2 * math.log(0.5), -2.2, False),
        (CISPO, 2.0, 3.0, -3.0 * math.log(0.5), -3.0, True),  # a weight of 1.5
        (CISPO, -2.0, 3.0, 3.0 * math.log(0.5), 3.0, True),
        (CISPO, -2.0, 0.1, 0.2 * math.log(0.5), 0.2, False),  # there is no lower bound
        (FREE, 2.0, 3.0, -6.0, -6.0, False),
        (FREE, -2.0, 0.1, 0.2, 0.2, False),
    ],
)
def test_a_token_by_hand(
    clip: Clip, c: float, ratio: float, value: float, slope: float, held: bool
) -> None:
    """Of probability 1/2; the slope is by log p."""
    log_probs = torch.tensor([[math.log(0.5)]], dtype=torch.float64, requires_grad=True)
    old = torch.tensor([[math.log(0.5 / ratio)]], dtype=torch.float64)
    coefficients = torch.tensor([[c]], dtype=torch.float64)
    found = ratios(log_probs, old, torch.tensor([[True]]), clip.level)
    loss = surrogate(coefficients, found, log_probs, clip)
    loss.sum().backward()
    assert loss.item() == pytest.approx(value)
    assert log_probs.grad.item() == pytest.approx(slope)
    assert clipped(coefficients, found.detach(), clip).item() is held


def test_the_ratio_of_a_sequence_is_the_geometric_mean_over_its_own_tokens() -> None:
    """Ratios 2 and 8 have 4, whatever stands in the padding."""
    old = torch.tensor([[-3.0, -4.0, 7.0], [-1.0, -1.0, -1.0]])
    new = old + torch.tensor([[math.log(2), math.log(8), 50.0], [0.0, 0.0, math.log(27)]])
    mask = torch.tensor([[True, True, False], [True, True, True]])
    found = ratios(new, old, mask, "sequence")
    assert found[mask].tolist() == pytest.approx([4.0, 4.0, 3.0, 3.0, 3.0])


def test_nothing_is_held_where_nothing_pulls() -> None:
    ratio = torch.tensor([[9.0, 0.01]])
    for clip in (PPO, CISPO):
        assert not clipped(torch.zeros(1, 2), ratio, clip).any()


LENGTHS = (5, 3, 1)
ADVANTAGES = (0.7, -1.3, 0.4)


def by_trl(new: Any, old: Any, reference: Any, options: dict[str, Any]) -> Any:
    """The loss that TRL's trainer computes of given log-probabilities, completions of LENGTHS."""
    rows, width = new.shape
    accelerator = SimpleNamespace(
        num_processes=1, gather=lambda one: one, reduce=lambda one, reduction: one
    )
    known = {
        "top_entropy_quantile": 1.0, "off_policy_mask_threshold": None, "aux_loss_enabled": False, "use_vllm": False,
        "_entropy_bonus_enabled": False, "current_gradient_accumulation_steps": 1, "epsilon_low": 0.2,
        "epsilon_high": 0.2, "importance_sampling_level": "token", "beta": 0.0, "max_completion_length": 8,
    } | options  # fmt: skip
    trainer = SimpleNamespace(
        **known,
        args=SimpleNamespace(delta=None, use_bias_correction_kl=True, steps_per_generation=1),
        accelerator=accelerator,
        model=SimpleNamespace(training=True),
        _metrics={"train": defaultdict(list)},
        _get_per_token_logps_and_entropies=lambda *_, **__: (new, torch.zeros(rows, width), None),
    )
    mask = (torch.arange(width) < torch.tensor(LENGTHS).unsqueeze(1)).long()
    inputs = {
        "prompt_ids": torch.zeros(rows, 2, dtype=torch.long),
        "prompt_mask": torch.ones(rows, 2, dtype=torch.long),
        "completion_ids": torch.zeros(rows, width, dtype=torch.long),
        "completion_mask": mask,
        "advantages": torch.tensor(ADVANTAGES),
        "num_items_in_batch": mask.sum(),
        "old_per_token_logps": old,
        "ref_per_token_logps": reference,
    }
    return GRPOTrainer._compute_loss(trainer, None, inputs), trainer._metrics["train"]


@pytest.mark.parametrize(
    ("loss", "clip", "options"),
    [
        ("grpo", PPO, {"epsilon_high": 0.28}),
        ("dr_grpo", PPO, {"epsilon_high": 0.28, "beta": 0.1}),
        ("dapo", PPO, {"epsilon_high": 0.28, "beta": 0.1}),
        ("grpo", GSPO, {"importance_sampling_level": "sequence", "epsilon_low": 3e-4, "epsilon_high": 4e-4}),
        ("grpo", Clip("ppo", 0.2, 0.2, "sequence"), {"importance_sampling_level": "sequence"}),
        ("dapo", CISPO, {"loss_type": "cispo", "epsilon_high": 1.5}),  # TRL bounds the weight itself
        (
            "dapo",
            Clip("cispo", math.inf, 0.1, "sequence"),
            {"loss_type": "cispo", "epsilon_high": 1.1, "importance_sampling_level": "sequence"},
        ),
    ],
)  # fmt: skip
def test_the_loss_is_trl_s(loss: str, clip: Clip, options: dict[str, Any]) -> None:
    """Value, gradient and clip fraction, of random log-probabilities a few bounds away from the old ones."""
    torch.manual_seed(0)
    old = -torch.rand(3, 5, dtype=torch.float32) - 0.5
    start = old + 0.4 * torch.randn(3, 5)
    reference = old + 0.3 * torch.randn(3, 5)
    per_token = {"grpo": [3 * n for n in LENGTHS], "dr_grpo": [24] * 3, "dapo": [sum(LENGTHS)] * 3}
    beta = options.get("beta", 0.0)
    rows = [
        WeightedRow(
            Row(example(), (2, 3), (4,) * length, reward=1.0, peers="all"),
            term=0, weight=advantage, share=1 / divisor, kl=beta / divisor,
        )
        for length, advantage, divisor in zip(LENGTHS, ADVANTAGES, per_token[loss], strict=True)
    ]  # fmt: skip
    ours, theirs = start.clone().requires_grad_(), start.clone().requires_grad_()
    compared = Compared(reference if beta else None, True, old, clip)
    found, sums = loss_of(rows, ours, torch.zeros(3, 5), compared)
    found.backward()
    expected, metrics = by_trl(theirs, old, reference, {"loss_type": loss} | options)
    expected.backward()
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.allclose(ours.grad, theirs.grad, rtol=1e-5, atol=1e-7)
    assert ours.grad.any()
    total = dict(zip(SUMS, sums.sum(0).tolist(), strict=True))
    assert total["ratio_tokens"] == sum(LENGTHS)
    if clip.level == "token" and clip.kind == "ppo":
        held = metrics["clip_ratio/region_mean"][0]
        assert 0 < held < 1
        assert total["clipped"] / total["ratio_tokens"] == pytest.approx(held)


@pytest.mark.parametrize(
    ("more", "has_ratio"),
    [
        ({"reward": 1.0}, True),
        ({"reward": 1.0, "factor": "shaped"}, False),
        ({}, False),
        ({"ratio": True}, True),
        ({"reward": 1.0, "ratio": False}, False),
    ],
)
def test_which_rows_have_the_ratio(more: dict[str, Any], has_ratio: bool) -> None:
    """The others learn as at first, by the probabilities of the time."""
    row = WeightedRow(
        Row(example(), (2,), (4, 4), peers="all", **more), term=0, weight=1.0, share=0.5
    )
    old, new = torch.tensor([[-1.0, -1.0]]), torch.tensor([[-0.5, -2.0]])
    gradients = []
    for compared in (Compared(), Compared(old=old, clip=FREE)):
        log_probs = new.clone().requires_grad_()
        loss_of([row], log_probs, torch.zeros(1, 2), compared)[0].backward()
        gradients.append(log_probs.grad[0])
    expected = torch.exp(new - old)[0] if has_ratio else torch.ones(2)
    assert (gradients[1] / gradients[0]).tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("factor", ["p", "p(1-p)", "shaped"])
def test_a_factor_is_of_the_probability_of_the_time(factor: Factor) -> None:
    row = WeightedRow(
        Row(example(), (2,), (4, 4), factor=factor, reward=1.0, peers="a"), 0, 1.0, 0.5
    )
    for value in (-0.5, -2.0):
        log_probs = torch.full((1, 2), value, requires_grad=True)
        old = torch.full((1, 2), -1.0)
        loss_of([row], log_probs, torch.zeros(1, 2), Compared(old=old, clip=PPO))[0].backward()
        p = math.exp(value)
        c = {"p": p, "p(1-p)": p * (1 - p), "shaped": 0.1 * p / (p + 0.1) ** 2}[factor]
        assert log_probs.grad[0].tolist() == pytest.approx([-0.5 * c] * 2, rel=1e-5)
