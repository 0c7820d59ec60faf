"""Several updates on a batch: against TRL's own trainer, against any other cut, and what is told of them."""

from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import pytest

torch = pytest.importorskip("torch")

import trl
from datasets import Dataset

from hybrid_rl.methods.base import Method
from hybrid_rl.training.repeating_trainer import RepeatingTrainer
from hybrid_rl.types import Update
from tests.fakes import tiny
from tests.fakes.composed import OfEveryKind, trained
from tests.training.test_guard import states
from tests.training.test_terms_trainer import compared
from tests.training.test_trainer import InOrder, SeedEachStep, _configured, build, weights

pytestmark = pytest.mark.slow
TWICE: dict[str, Any] = {"train__rl__updates_per_batch": 2}
FAST: dict[str, Any] = {"train__rl__learning_rate": 0.01}
"""So fast that the second update finds ratios at the bounds."""


class EachSampledTwice(SeedEachStep):
    """The random numbers of step s in TRL's steps 2 s and 2 s + 1, of which the first samples."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        torch.manual_seed(1000 + state.global_step // 2)


@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({"epsilon": 0.1, "epsilon_high": 0.15}, {"epsilon": 0.1, "epsilon_high": 0.15}),
        (
            {"ratio": "sequence", "epsilon": 0.01, "loss": "dr_grpo"},
            {"importance_sampling_level": "sequence", "epsilon": 0.01},
        ),
        (
            {"clip": "cispo", "epsilon_high": 0.1, "loss": "dapo"},
            {"loss_type": "cispo", "epsilon_high": 1.1},
        ),
    ],
)
def test_two_updates_are_trl_s_two_iterations(
    tmp_path: Path, options: dict[str, Any], theirs: dict[str, Any]
) -> None:
    """Each of our steps is two of TRL's: same losses and norms in the mean, and the same weights."""
    chosen = {f"train__rl__{name}": value for name, value in options.items()}
    ours, recorder = build(tmp_path / "ours", hardware__micro_batch=4, **TWICE, **FAST, **chosen)
    ours.position.questions = InOrder(ours.position.questions.items, 0, "questions")
    ours.add_callback(SeedEachStep())
    ours.train()

    config = {k: v for k, v in vars(ours.args).items() if k in _configured(ours.settings)}
    rows = ours.settings.batch.rows_per_device
    same = {
        "output_dir": str(tmp_path / "theirs"),
        "max_steps": 8,
        "num_iterations": 2,
        "num_generations": 4,
        "per_device_train_batch_size": rows,
        "gradient_accumulation_steps": 1,
        "steps_per_generation": 1,
    }
    other = trl.GRPOTrainer(
        model=tiny.model(),
        reward_funcs=[lambda completions, **_: [tiny.even_share(text) for text in completions]],
        args=trl.GRPOConfig(**config | same | theirs, shuffle_dataset=False),
        train_dataset=Dataset.from_dict({"prompt": [e.question for e in tiny.examples(4)]}),
        processing_class=tiny.tokenizer(),
        callbacks=[EachSampledTwice()],
    )
    other.train()
    log = [line for line in other.state.log_history if "loss" in line]
    for name in ("loss", "grad_norm"):
        pairs = zip(log[::2], log[1::2], strict=True)
        means = [(first[name] + second[name]) / 2 for first, second in pairs]
        assert recorder.column(name) == pytest.approx(means, rel=1e-4, abs=1e-6), name
    assert max(recorder.column("clip_fraction")) > 0
    start = weights(build(tmp_path / "untrained")[0])
    apart = (weights(ours) - weights(other)).norm()
    assert apart < 1e-3 * (weights(other) - start).norm()  # Adam magnifies rounding
    once, _ = build(tmp_path / "once", hardware__micro_batch=4, **FAST)
    once.position.questions = InOrder(once.position.questions.items, 0, "questions")
    once.add_callback(SeedEachStep())
    once.train()
    assert (weights(ours) - weights(once)).norm() > 0.1 * (weights(other) - start).norm()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What a run with three updates shows whose every step is one micro-batch."""
    _, record = trained(tmp_path_factory.mktemp("whole"), OfEveryKind, **EVERY_KIND)
    assert max(record.column("clip_fraction")) > 0
    return record.metrics


EVERY_KIND: dict[str, Any] = {
    "train__rl__beta": 0.05,
    "train__rl__updates_per_batch": 3,
    "train__rl__epsilon": 0.01,
    "train__rl__learning_rate": 1e-3,
}


@pytest.mark.parametrize(
    "options",
    [
        {"hardware__micro_batch": 2},
        {"hardware__micro_batch": 4, "speed__token_budget": False},
        {"hardware__micro_batch": 8, "speed__skip_zero_advantages": False},
    ],
)
def test_no_cut_of_the_rows_changes_updates_on_terms_of_any_kind(
    tmp_path: Path, whole: list[dict[str, Any]], options: dict[str, Any]
) -> None:
    _, record = trained(tmp_path, OfEveryKind, **EVERY_KIND, **options)
    for line, expected in zip(record.metrics, whole, strict=True):
        told = {key for key in expected if "seconds" not in key and key != "kind"}
        assert {key: line[key] for key in told} == pytest.approx(
            {key: expected[key] for key in told}, rel=2e-4, abs=1e-6
        )


class SftThenRl(Method):
    """One SFT update, then RL; takes down the norms that it is told."""

    def __init__(self, *known: Any, **more: Any) -> None:
        super().__init__(*known, **more)
        self.norms: list[float] = []

    def next_update(self, step: int, progress: float) -> Update:
        return Update("rl" if step else "sft")

    def observe_norm(self, step: int, update: Update, grad_norm: float) -> None:
        self.norms.append(grad_norm)


def played(tmp_path: Path, **options: Any) -> Any:
    method = SftThenRl(tiny.settings(tmp_path).method, {}, seed=0, steps=2)
    trainer, recorder = build(tmp_path, instance=method, train__steps=2, **options)
    trainer.add_callback(SeedEachStep())
    calls: list[Any] = []
    ends = RepeatingTrainer._step_optimizer

    def watched(model: Any) -> None:
        ends(trainer, model)
        calls.append(weights(trainer).clone().double())

    trainer._step_optimizer = watched
    return trainer, recorder, method, calls


def test_every_update_is_charged_and_an_sft_update_is_one(tmp_path: Path) -> None:
    beta = {"train__rl__beta": 0.1}
    once, first, told_once, no_calls = played(tmp_path / "once", **beta)
    once.train()
    trainer, recorder, method, calls = played(
        tmp_path / "thrice", train__rl__updates_per_batch=3, **beta
    )
    seen = states(trainer)
    trainer.train()
    assert (len(no_calls), len(calls)) == (0, 2)
    spent = ("generated_tokens", "trained_tokens", "flops")
    (sft, rl), (same_sft, same_rl) = first.metrics, recorder.metrics
    for axis in spent:
        assert sft[axis] == same_sft[axis]
    assert rl["generated_tokens"] == same_rl["generated_tokens"]
    trained_once, trained_thrice = (
        line["trained_tokens"] - sft["trained_tokens"] for line in (rl, same_rl)
    )
    assert trained_thrice == 3 * trained_once
    read = trainer.now.cost.backward_tokens
    assert trainer.now.cost.reference_tokens == read / 3  # the reference reads a row once
    assert read == 3 * once.now.cost.backward_tokens
    # The method is told of the gradient of the policy that sampled, once a step.
    assert method.norms == pytest.approx(told_once.norms, rel=1e-4)
    places = [seen[1][0].double(), *calls, seen[2][0].double()]
    way = sum(float((b - a).norm()) for a, b in pairwise(places))
    assert same_rl["update_norm"] == pytest.approx(way, rel=1e-6)
    assert same_rl["ratio_mean"] != 1.0
    assert "ratio_mean" not in rl


class Uniform(Method):
    """No group has an advantage."""

    notes: ClassVar = {}

    def rollout(self, step: int, examples: Any, attempt: Any) -> Any:
        groups = super().rollout(step, examples, attempt)
        return [type(g)(g.example, (g.rollouts[0],) * len(g.rollouts)) for g in groups]


def test_no_update_of_a_batch_without_a_signal_moves_anything(tmp_path: Path) -> None:
    method = Uniform(tiny.settings(tmp_path).method, {}, seed=0, steps=2)
    trainer, recorder = build(
        tmp_path, instance=method, train__steps=2, train__weight_decay=0.1, **TWICE
    )
    before = weights(trainer).clone()
    trainer.train()
    assert torch.equal(weights(trainer), before)
    assert recorder.column("zero_gradient") == [1, 1]
    assert recorder.column("update_norm") == [0.0, 0.0]


def test_one_update_without_a_number_is_told_and_moves_nothing(tmp_path: Path) -> None:
    """The second one of a batch; the first has moved the weights."""
    trainer, recorder = build(
        tmp_path, train__steps=2, guards__non_finite="skip", hardware__micro_batch=16, **TWICE
    )
    passes: list[int] = []

    def broken(gradient: Any) -> Any:
        passes.append(1)
        return gradient * (float("nan") if len(passes) == 2 else 1.0)

    next(trainer.model.parameters()).register_hook(broken)
    trainer.train()
    assert [line.get("skipped", 0) for line in recorder.metrics] == [1, 0]
    assert torch.isfinite(weights(trainer)).all()
    assert recorder.metrics[0]["update_norm"] > 0


def test_two_updates_show_the_loss_of_one_where_none_moves(tmp_path: Path) -> None:
    """At a rate of almost nothing, by the default terms and by TRL's loss."""
    still = {"train__rl__learning_rate": 1e-12}
    plain, theirs = build(tmp_path / "plain", **still)
    ours, record = build(tmp_path / "ours", **still, **TWICE)
    for trainer in (plain, ours):
        trainer.add_callback(SeedEachStep())
        trainer.train()
    # TRL takes a completion that ends with padding for one that has ended.
    varies = {"trained_tokens", "flops", "update_norm", "truncated_rate"}
    lines = [{k: v for k, v in line.items() if k not in varies} for line in theirs.metrics]
    compared(record.metrics, lines)
    assert record.column("ratio_mean") == pytest.approx([1.0] * 4)
    assert record.column("clip_fraction") == [0.0] * 4
