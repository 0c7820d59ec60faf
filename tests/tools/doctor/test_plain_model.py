"""The plain model's gradient, against one of the whole sum at once, and its log-probabilities."""

from contextlib import nullcontext

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.tools.doctor.plain_model import PlainModel, WeightedDemonstration
from tests.fakes import tiny

pytestmark = pytest.mark.slow
ROWS = [WeightedDemonstration((2, 3), (4, 5), 0.5), WeightedDemonstration((6,), (7,), -2.0)]


def plain() -> PlainModel:
    made = PlainModel(tiny.model(), nullcontext)
    made.load(tiny.model().state_dict())
    return made


def test_the_gradient_is_that_of_the_weighted_sum() -> None:
    model = tiny.model()
    total = torch.zeros(())
    for row in ROWS:
        ids = torch.tensor([row.context + row.target])
        log_probs = model(ids).logits[0].log_softmax(-1)
        for place, token in enumerate(row.target):
            total = total - row.share * log_probs[len(row.context) + place - 1, token]
    total.backward()
    expected = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    assert torch.allclose(plain().gradient(ROWS), expected, atol=1e-6)
    assert expected.norm() > 0.1


def test_log_probabilities_are_those_of_the_target_alone() -> None:
    found = plain().log_probs((2, 3), (4, 5, 6))
    expected = tiny.model()(torch.tensor([[2, 3, 4, 5, 6]])).logits[0, [1, 2, 3]].log_softmax(-1)
    assert torch.allclose(found, expected, atol=1e-5)


def test_weights_are_rounded_to_the_types_that_the_engine_computes_with() -> None:
    made, exact = plain(), dict(tiny.model().named_parameters())
    types = dict.fromkeys(exact, torch.bfloat16)
    made.to(torch.device("cpu"), types)
    made.load({name: weight.detach() for name, weight in exact.items()})
    for name, weight in made.model.named_parameters():
        assert torch.equal(weight, exact[name].to(torch.bfloat16))
