"""Log-probabilities and their gradients against the plain computation from all logits."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from trl.trainer.utils import add_fused_lm_head

from hybrid_rl.training.lean import scoring
from hybrid_rl.training.lean.scoring import IGNORED, ScoringRequest
from tests.fakes import tiny

pytestmark = pytest.mark.slow
CONTEXT, WIDTH = 4, 9


def batch() -> dict[str, torch.Tensor]:
    """Three contexts of unequal lengths for seven rows, and completions of unequal lengths."""
    draw = torch.Generator().manual_seed(1)
    contexts = torch.randint(2, 14, (3, CONTEXT), generator=draw)
    seen = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1], [0, 1, 1, 1]])
    source = torch.tensor([0, 0, 1, 2, 2, 2, 0])
    completions = torch.randint(2, 14, (7, WIDTH - CONTEXT), generator=draw)
    lengths = torch.tensor([5, 1, 3, 5, 2, 4, 5])
    counts = torch.arange(WIDTH - CONTEXT) < lengths.unsqueeze(1)
    return {
        "input_ids": torch.cat([contexts[source] * seen[source], completions * counts], dim=1),
        "attention_mask": torch.cat([seen[source], counts.long()], dim=1),
    }


def labels(rows: dict[str, torch.Tensor]) -> torch.Tensor:
    found = rows["input_ids"].masked_fill(rows["attention_mask"] == 0, IGNORED)
    found[:, :CONTEXT] = IGNORED
    return found


def plainly(model: Any, rows: dict[str, torch.Tensor], temperature: float) -> list[torch.Tensor]:
    """From the logits of every position."""
    log_p = (model(**rows).logits[:, CONTEXT - 1 : -1] / temperature).log_softmax(-1)
    wanted = labels(rows)[:, CONTEXT:]
    chosen = log_p.gather(-1, wanted.clamp(min=0).unsqueeze(-1)).squeeze(-1)
    entropy = -(log_p.exp() * log_p).sum(-1)
    return [one.masked_fill(wanted == IGNORED, 0.0) for one in (chosen, entropy)]


def gradients(model: Any, scored: Any, with_entropy: bool) -> torch.Tensor:
    weights = torch.linspace(-1, 1, scored[0].numel()).view_as(scored[0])
    loss = (scored[0] * weights).sum()
    if with_entropy:
        loss = loss + (scored[1] * weights.flip(0)).sum()
    model.zero_grad()
    loss.backward()
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("pieces", [False, True])
@pytest.mark.parametrize("entropy_gradient", [False, True])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("shared", [False, True])
def test_scores_and_gradients_are_those_of_all_logits(
    shared: bool,
    temperature: float,
    entropy_gradient: bool,
    pieces: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if pieces:
        monkeypatch.setattr(scoring, "LIMIT", 0)
        monkeypatch.setattr(scoring, "PIECE", 14 * 3)
    rows, model = batch(), tiny.sharp_model()
    expected = plainly(model, rows, temperature)
    expected_gradient = gradients(model, expected, entropy_gradient)
    assert scoring.install(model)
    request = ScoringRequest(labels(rows), CONTEXT, temperature, shared, entropy_gradient)
    found = model(**rows, request=request)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    assert torch.allclose(gradients(model, found, entropy_gradient), expected_gradient, atol=1e-3)
    assert expected_gradient.abs().max() > 1


def test_trls_fused_head_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, model = batch(), tiny.sharp_model()
    add_fused_lm_head(model, temperature=0.7, outputs=("log_probs", "entropy"))
    fused = model(**rows, labels=labels(rows), fused_lm_head=True)
    scoring.install(model)
    found = model(**rows, request=ScoringRequest(labels(rows), CONTEXT, 0.7, True, False))
    assert torch.allclose(found[0], fused.log_probs[:, CONTEXT - 1 :], atol=1e-4)
    assert torch.allclose(found[1], fused.entropy[:, CONTEXT - 1 :], atol=1e-4)


def watch(module: Any, shape_of: Callable[[Any, Any], Any]) -> list[Any]:
    seen: list[Any] = []
    module.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(shape_of(args, kwargs)), with_kwargs=True
    )
    return seen


def test_a_shared_context_is_read_once() -> None:
    rows, model = batch(), tiny.model()
    scoring.install(model)
    shapes = watch(model.base_model, lambda args, kwargs: tuple(kwargs["input_ids"].shape))
    model(**rows, request=ScoringRequest(labels(rows), CONTEXT, 1.0, True, False))
    assert shapes == [(3, CONTEXT), (7, WIDTH - CONTEXT - 1)]
    del shapes[:]
    model(**rows, request=ScoringRequest(labels(rows), CONTEXT, 1.0, False, False))
    assert shapes == [(7, WIDTH)]


def test_completions_of_one_token_need_their_context_alone() -> None:
    rows, model = batch(), tiny.sharp_model()
    rows = {name: tensor[:, : CONTEXT + 1] for name, tensor in rows.items()}
    expected = plainly(model, rows, 1.0)[0]
    scoring.install(model)
    found = model(**rows, request=ScoringRequest(labels(rows), CONTEXT, 1.0, True, False))[0]
    assert torch.allclose(found, expected, atol=1e-4)


def test_a_batch_without_a_label_gives_a_zero_with_a_gradient() -> None:
    rows, model = batch(), tiny.model()
    scoring.install(model)
    nothing = torch.full_like(rows["input_ids"], IGNORED)
    found = model(**rows, request=ScoringRequest(nothing, CONTEXT, 1.0, True, False))[0]
    assert not found.any()
    found.sum().backward()
    assert all(not parameter.grad.any() for parameter in model.parameters())


def test_logits_that_are_more_than_a_projection_are_left_alone() -> None:
    model = tiny.model()
    model.config.final_logit_softcapping = 30.0
    assert not scoring.install(model)


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "lm_head"]])
def test_adapters_are_part_of_the_model(targets: str | list[str]) -> None:
    """Trained ones, so that they count; a head with one of its own is left to others."""
    peft = pytest.importorskip("peft")
    rows = batch()
    config = peft.LoraConfig(r=2, target_modules=targets, task_type="CAUSAL_LM")
    model = peft.get_peft_model(tiny.sharp_model(), config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.3)
    expected = plainly(model, rows, 1.0)[0]
    assert scoring.install(model) == (targets == "all-linear")
    if targets == "all-linear":
        found = model(**rows, request=ScoringRequest(labels(rows), CONTEXT, 1.0, True, False))[0]
        assert torch.allclose(found, expected, atol=1e-4)
        assert not torch.allclose(found, plainly(tiny.sharp_model(), rows, 1.0)[0], atol=1e-2)
