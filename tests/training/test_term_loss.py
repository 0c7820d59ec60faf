"""The loss of weighed rows, against the reference row and against its formula worked out token by token."""

import math
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.methods.terms import Factor, Row
from hybrid_rl.training.term_loss import SUMS, Compared, loss_of
from hybrid_rl.training.term_weights import WeightedRow
from tests.fakes.reference_row import P, example

pytestmark = pytest.mark.slow
FACTORS: list[tuple[Factor, float, list[float]]] = [
    ("one", 0.98306, [0.5, 0.5]),
    ("p", 0.28578, [0.1, 0.35]),
    ("p(1-p)", 0.16621, [0.08, 0.105]),
    ("shaped", 0.19832, [0.11111, 0.05469]),
]


def weighed(tokens: int = 2, weight: float = 1.0, **more: Any) -> WeightedRow:
    numbers = {name: more.pop(name) for name in ("bonus", "kl") if name in more}
    row = Row(example(), (2, 3), (4,) * tokens, peers="all", **more)
    return WeightedRow(row, term=0, weight=weight, share=1 / tokens, **numbers)


def logits_of(probabilities: Any) -> Any:
    """Logits (2, 3) whose first choice has these probabilities, the other two in unequal parts."""
    first = torch.tensor(probabilities, dtype=torch.float64)
    rest = 1 - first
    return torch.stack([first, 0.75 * rest, 0.25 * rest], dim=1).log().requires_grad_()


def scored(logits: Any) -> tuple[Any, Any]:
    log_probs = logits.log_softmax(-1)
    return log_probs[:, 0].unsqueeze(0), -(log_probs.exp() * log_probs).sum(-1).unsqueeze(0)


@pytest.mark.parametrize(("factor", "value", "expected"), FACTORS)
def test_the_reference_row(factor: Factor, value: float, expected: list[float]) -> None:
    """The gradient of the chosen token's logit is -c (1 - p)."""
    logits = logits_of(P)
    loss, _ = loss_of([weighed(factor=factor)], *scored(logits))
    loss.backward()
    assert loss.item() == pytest.approx(value, abs=2e-5)
    found = [-g / (1 - p) for g, p in zip(logits.grad[:, 0].tolist(), P, strict=True)]
    assert found == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("factor", ["p", "p(1-p)", "shaped"])
def test_a_factor_is_the_derivative_of_the_loss_it_stands_for(factor: Factor) -> None:
    """-p log p and -p (1 - p) log p with a fixed first p, and -p / (p + c) as it is, by autograd."""
    ours, theirs = logits_of(P), logits_of(P)
    loss_of([weighed(factor=factor)], *scored(ours))[0].backward()
    log_p = scored(theirs)[0]
    p, fixed = log_p.exp(), log_p.exp().detach()
    written = {
        "p": -fixed * log_p,
        "p(1-p)": -fixed * (1 - fixed) * log_p,
        "shaped": -p / (p + 0.1),
    }
    written[factor].mean().backward()
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-6)


def test_entropy_scales_the_weight_of_a_row_without_a_gradient() -> None:
    entropies = torch.tensor([[0.5, 1.2]], dtype=torch.float64, requires_grad=True)
    log_probs = torch.tensor([P], dtype=torch.float64).log().requires_grad_()
    loss_of([weighed(weight=0.5, entropy=-1.0)], log_probs, entropies)[0].backward()
    assert log_probs.grad.tolist()[0] == pytest.approx([-0.10685, -0.10685], abs=1e-5)
    assert entropies.grad is None or not entropies.grad.any()


@pytest.mark.parametrize(
    ("keep", "entropies", "learn"),
    [
        (0.5, [1.2, 0.3], [1, 0]),
        (0.2, [0.1, 0.9, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.0], [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]),
        (0.9, [1.0] * 10, [1] * 9 + [0]),
    ],
)
def test_the_tokens_of_highest_entropy_learn_and_all_count(
    keep: float, entropies: list[float], learn: list[int]
) -> None:
    size = len(entropies)
    log_probs = torch.full((1, size + 2), -1.0, requires_grad=True)
    padded = torch.tensor([[*entropies, 9.0, 9.0]])
    loss_of([weighed(size, keep=keep)], log_probs, padded)[0].backward()
    assert (-log_probs.grad[0] * size).tolist() == pytest.approx([*learn, 0, 0])


def test_a_judged_row_has_the_value_of_trl_s_loss_and_the_same_gradient() -> None:
    found = []
    for reward in (None, 1.0):
        log_probs = torch.tensor([P]).log().requires_grad_()
        loss, _ = loss_of([weighed(weight=0.6, reward=reward)], log_probs, torch.zeros(1, 2))
        loss.backward()
        found.append((loss.item(), log_probs.grad.tolist()[0]))
    assert found[1][0] == pytest.approx(-0.6)
    assert found[0][1] == pytest.approx(found[1][1])


def test_bonus_and_kl_are_added_token_by_token() -> None:
    log_probs, entropies = torch.tensor([[-1.0, -2.0]]), torch.tensor([[0.4, 0.6]])
    reference = torch.tensor([[-1.5, -1.0]])
    rows = [weighed(weight=0.0, reward=1.0, bonus=0.1, kl=0.25)]
    loss, sums = loss_of(rows, log_probs, entropies, Compared(reference))
    kl = math.exp(-0.5) + 0.5 - 1 + math.exp(1.0) - 1 - 1
    assert loss.item() == pytest.approx(-0.1 * 1.0 + 0.25 * kl, rel=1e-5)
    told = dict(zip(SUMS, sums[0].tolist(), strict=True))
    assert told == pytest.approx(
        {"tokens": 2, "loss": loss.item(), "weight": 0, "p": math.exp(-1) + math.exp(-2), "entropy": 1.0, "kl": kl,
         "judged_tokens": 2, "ratio": 0, "clipped": 0, "ratio_tokens": 0}, rel=1e-5,
    )  # fmt: skip


def test_padding_adds_nothing_whatever_stands_there() -> None:
    rows = [weighed(1), weighed(3, weight=-2.0, reward=0.0, kl=0.5)]
    log_probs = torch.tensor([[-1.0, 50.0, -99.0], [-1.0, -2.0, -3.0]])
    entropies, reference = (
        torch.full((2, 3), 0.5),
        torch.tensor([[9.0, 500.0, 9.0], [-1.0, -2.0, -3.0]]),
    )
    loss, sums = loss_of(rows, log_probs, entropies, Compared(reference))
    assert loss.item() == pytest.approx(1.0 + 2.0)
    assert sums[:, 0].tolist() == [1, 3]
    alone = sum(
        loss_of([one], log_probs[i : i + 1], entropies[:1])[0].item() for i, one in enumerate(rows)
    )
    assert loss.item() == pytest.approx(alone)
