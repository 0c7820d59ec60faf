"""The divergence on demonstrations: its formula, and what a trainer measures against a plain second computation."""

import copy
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.nn.functional import kl_div

from hybrid_rl.methods.base import Method, MethodSettings
from hybrid_rl.models.policy import Policy
from hybrid_rl.training import arguments, divergence
from hybrid_rl.training.trainer import HybridTrainer
from hybrid_rl.types import Update
from tests.fakes import tiny
from tests.training.test_trainer import build, weights


def test_kl_by_hand() -> None:
    p, q = torch.tensor([[0.5, 0.5]]), torch.tensor([[0.25, 0.75]])
    # 0.5 ln(0.5 / 0.25) + 0.5 ln(0.5 / 0.75); a constant added to all logits says nothing.
    found = divergence.token_kl(p.log(), q.log() + 3)
    assert found.tolist() == pytest.approx([0.5 * math.log(2) + 0.5 * math.log(2 / 3)])
    assert divergence.token_kl(p.log(), p.log()).tolist() == [0.0]


def test_kl_is_that_of_torch_in_pieces_too(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = torch.randn(2, 7, 5, generator=torch.Generator().manual_seed(0)).bfloat16() * 3
    inputs, target = theirs.float().log_softmax(-1), ours.float().log_softmax(-1)
    expected = kl_div(inputs, target, log_target=True, reduction="none").sum(-1)
    found = divergence.token_kl(ours, theirs)
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected, atol=1e-6)
    monkeypatch.setattr(divergence, "PIECE", 15)  # three tokens of five logits
    assert divergence.kl_sum(ours, theirs) == pytest.approx(float(expected.sum()), rel=1e-6)
    assert divergence.kl_sum(ours[:0], theirs[:0]) == 0


class MeasuringSettings(MethodSettings):
    @property
    def needs_reference(self) -> tuple[str, str] | None:
        return "method.x = 1", "method.x=0"

    @property
    def renews_reference(self) -> bool:
        return True


class Measuring(Method[MeasuringSettings]):
    """SFT throughout; a probe comes before step 2, and the reference is renewed before step 3."""

    measures: Any = "both"

    def __init__(self, steps: int = 4, probes: bool = True) -> None:
        super().__init__(MeasuringSettings(name="measuring"), {}, 0, steps)
        self.probes = probes
        self.told: list[tuple[int, bool, float]] = []
        self.expected: list[float] = []
        self.costs: list[tuple[int, Any]] = []
        self.trainer: Any = None

    def next_update(self, step: int, progress: float) -> Update:
        probe = self.probes and step == 2 and not any(told[1] for told in self.told)
        renew = step == 3
        if probe:
            return Update("sft", measures="divergence", measure_only=True)
        return Update("sft", measures=self.measures, renew_reference=renew)

    def observe_divergence(self, step: int, update: Update, divergence: float) -> None:
        self.told.append((step, update.measure_only, divergence))
        self.expected.append(second_computation(self.trainer))
        read = sum(len(row.context) + len(row.target) for row in self.trainer.now.demonstrations)
        self.costs.append((read, self.trainer.now.cost))


def second_computation(trainer: Any) -> float:
    """The mean over target tokens, one demonstration at a time, by torch's own KL."""
    policy, reference = trainer.policy.model, trainer.position.reference.model
    found = []
    for context, target in trainer.now.demonstrations:
        ids = torch.tensor([[*context, *target]])
        with torch.no_grad():
            ours, theirs = (
                model(input_ids=ids).logits[0, len(context) - 1 : -1].log_softmax(-1)
                for model in (policy, reference)
            )
        found += kl_div(theirs, ours, log_target=True, reduction="none").sum(-1).tolist()
    return sum(found) / len(found)


RATE = {"train__sft__learning_rate": 1e-2}


def measured(
    tmp_path: Path, method: Measuring, **options: Any
) -> tuple[HybridTrainer, tiny.Remember]:
    """A trainer of `method`, whose settings stand in for those of a method's YAML."""
    composed = tiny.settings(tmp_path, "sft", **RATE, **options)
    settings = composed.model_copy(update={"method": method.settings})
    recorder = tiny.Remember()
    method.trainer = HybridTrainer(
        args=arguments.build(settings),
        policy=Policy(tiny.model(), tiny.vocabulary(), settings),
        method=method,
        examples=tiny.examples(12),
        grader=tiny.EvenGrader(),
        settings=settings,
        recorder=recorder,
    )
    return method.trainer, recorder


@pytest.mark.slow
@pytest.mark.parametrize("micro_batch", [None, 3])
def test_a_trainer_measures_what_a_plain_computation_does(
    tmp_path: Path, micro_batch: int | None
) -> None:
    method = Measuring()
    trainer, recorder = measured(tmp_path, method, hardware__micro_batch=micro_batch)
    trainer.train()
    assert [told[:2] for told in method.told] == [
        (0, False), (1, False), (2, True), (2, False), (3, False)
    ]  # fmt: skip
    found = [told[2] for told in method.told]
    assert found == pytest.approx(method.expected, rel=1e-3, abs=1e-7)
    # From the model as loaded, and in step 3 from the policy of that moment.
    assert found[0] == found[4] == 0
    assert min(found[1:4]) > 1e-3
    assert recorder.column("divergence") == [found[0], found[1], found[3], found[4]]


@pytest.mark.slow
def test_measuring_does_not_change_what_is_learned(tmp_path: Path) -> None:
    trainers = []
    for measures in ("both", "norm"):
        method = Measuring(probes=False)
        method.measures = measures
        trainer, recorder = measured(tmp_path / measures, method)
        trainer.train()
        trainers.append((recorder.column("loss"), recorder.column("grad_norm")))
    (losses, norms), (plain_losses, plain_norms) = trainers
    assert losses[-1] < losses[0]  # each but the first is that of weights learned so far
    assert losses == pytest.approx(plain_losses, abs=1e-6)
    assert norms == pytest.approx(plain_norms, rel=1e-4)


@pytest.mark.slow
def test_the_passes_of_a_measurement_are_charged(tmp_path: Path) -> None:
    """A forward pass of the reference for each measured token, and one of the policy in a probe: 2N FLOPs each."""
    method = Measuring(steps=3)
    trainer = measured(tmp_path, method, train__steps=3)[0]
    trainer.train()
    assert [told[1] for told in method.told] == [False, False, True, False]
    for (_, probe, _), (read, cost) in zip(method.told, method.costs, strict=True):
        expected = (0, 2 * read) if probe else (read, read)
        assert (cost.backward_tokens, cost.reference_tokens) == expected
    flops = sum(cost.flops(trainer.parameter_count) for _, cost in method.costs)
    assert trainer.spent.flops == pytest.approx(flops)


@pytest.mark.slow
def test_a_divergence_without_a_reference_is_refused(tmp_path: Path) -> None:
    method = Measuring()
    trainer, _ = build(tmp_path, "sft", tiny.examples(4), instance=method)
    with pytest.raises(ValueError, match="settings must say so in `needs_reference`"):
        trainer.train()


SASR = {
    "method__signal": "both",
    "method__gamma": 1.0,
    "method__warmup_steps": 2,
    "method__reference_steps": 2,
    "method__probe_every": 1,
    "train__steps": 8,
    "train__save_every": 1,
    "train__keep_checkpoints": 8,
    **RATE,
    "train__rl__learning_rate": 1e-2,
}


@pytest.mark.slow
@pytest.mark.parametrize("at", [1, 5])  # in the warm-up, and after the reference was renewed
def test_a_resume_goes_on_exactly(tmp_path: Path, at: int) -> None:
    rows = tiny.examples(12)
    straight, recorder = build(tmp_path / "a", "sasr", rows, **SASR)
    straight.train()
    kinds = recorder.column("kind")[2:]
    assert set(kinds) == {"sft", "rl"}
    notes = [line["note"] for line in recorder.decisions[2:]]
    assert notes[0]["d_last"] == 0
    assert notes[0]["d_scale"] > 0
    assert notes[-1]["d_last"] > 0
    again, resumed = build(tmp_path / "b", "sasr", rows, **SASR)
    torch.manual_seed(99)
    again.run(resume=tmp_path / "a" / "checkpoints" / f"checkpoint-{at}")
    assert torch.equal(weights(again), weights(straight))
    assert resumed.decisions == recorder.decisions[at:]
    ours, theirs = (one.position.reference.model.state_dict() for one in (again, straight))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert copy.deepcopy(again.method.state_dict()) == straight.method.state_dict()
