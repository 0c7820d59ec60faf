"""The trainer against TRL's own, and against itself with the batch cut differently. All on one in-memory model."""

import random
from pathlib import Path
from typing import Any, ClassVar

import pytest

torch = pytest.importorskip("torch")

import trl
from datasets import Dataset
from transformers import TrainerCallback

from hybrid_rl.methods.base import Method
from hybrid_rl.models.policy import Policy
from hybrid_rl.training import arguments
from hybrid_rl.training.streams import Stream
from hybrid_rl.training.trainer import HybridTrainer
from hybrid_rl.types import Update
from tests.fakes import tiny

pytestmark = pytest.mark.slow


class InOrder(Stream[Any]):
    """Rows as they stand, as TRL takes them with shuffle_dataset=False."""

    def take(self, position: int, count: int) -> list[Any]:
        return [self.items[i % len(self.items)] for i in range(position, position + count)]


class SeedEachStep(TrainerCallback):
    """Gives two trainers the same random numbers, whatever each drew before the step."""

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        torch.manual_seed(1000 + state.global_step)


def build(
    run_dir: Path,
    method: str = "grpo",
    examples: list[Any] | None = None,
    instance: Method | None = None,
    **overrides: Any,
) -> tuple[HybridTrainer, tiny.Remember]:
    settings = tiny.settings(run_dir, method, **overrides)
    rows = tiny.examples(4) if examples is None else examples
    recorder = tiny.Remember()
    made = instance or settings.method_class(
        settings.method, {e.id: e for e in rows}, settings.seed, settings.train.steps
    )
    trainer = HybridTrainer(
        args=arguments.build(settings),
        policy=Policy(tiny.model(), tiny.vocabulary(), settings),
        method=made,
        examples=rows,
        grader=tiny.EvenGrader(),
        settings=settings,
        recorder=recorder,
    )
    return trainer, recorder


def weights(trainer: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in trainer.model.parameters()])


@pytest.mark.parametrize(
    ("loss", "beta", "micro_batch"), [("grpo", 0.0, None), ("dapo", 0.0, 4), ("dr_grpo", 0.05, 8)]
)
def test_grpo_is_trl_grpo(tmp_path: Path, loss: str, beta: float, micro_batch: int | None) -> None:
    """Same model, rows, random numbers: same losses, norms and weights as plain trl.GRPOTrainer."""
    ours, recorder = build(
        tmp_path / "ours",
        train__rl__loss=loss,
        train__rl__beta=beta,
        hardware__micro_batch=micro_batch,
        train__step_on_zero_gradient="true",
    )
    ours.position.questions = InOrder(ours.position.questions.items, 0, "questions")
    ours.add_callback(SeedEachStep())
    ours.train()

    start = tiny.model()
    start.save_pretrained(tmp_path / "start")  # TRL reads the reference model from disk
    config = {k: v for k, v in vars(ours.args).items() if k in _configured(ours.settings)}
    theirs = trl.GRPOTrainer(
        model=type(start).from_pretrained(tmp_path / "start"),
        reward_funcs=[lambda completions, **_: [tiny.even_share(text) for text in completions]],
        args=trl.GRPOConfig(
            **config | {"output_dir": str(tmp_path / "theirs"), "beta": beta},
            shuffle_dataset=False,
        ),
        train_dataset=Dataset.from_dict({"prompt": [e.question for e in tiny.examples(4)]}),
        processing_class=tiny.tokenizer(),
        callbacks=[SeedEachStep()],
    )
    theirs.train()

    log = [line for line in theirs.state.log_history if "loss" in line]
    assert len(log) == 4
    assert recorder.column("loss") == pytest.approx([line["loss"] for line in log], abs=1e-6)
    assert recorder.column("grad_norm") == pytest.approx(
        [line["grad_norm"] for line in log], rel=1e-5
    )
    assert recorder.column("reward_mean") == pytest.approx([line["reward"] for line in log])
    assert torch.allclose(weights(ours), weights(theirs), atol=1e-6)
    assert not torch.allclose(weights(ours), weights(build(tmp_path / "untrained")[0]), atol=1e-4)


def _configured(settings: Any) -> set[str]:
    """The options that `arguments` sets, by reading them off its own call."""
    seen: dict[str, Any] = {}
    original = arguments.GRPOConfig
    try:
        arguments.GRPOConfig = lambda **options: seen.update(options)
        arguments.build(settings)
    finally:
        arguments.GRPOConfig = original
    return set(seen)


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sft_is_trl_sft(tmp_path: Path, temperature: float) -> None:
    """Same rows: same losses, norms and weights as plain trl.SFTTrainer, whatever temperature RL samples at."""
    examples = tiny.examples(8)
    ours, recorder = build(tmp_path / "ours", "sft", examples, train__rl__temperature=temperature)
    ours.train()

    rows = {
        "prompt": [e.question for e in examples],
        "completion": [f" {e.trace.text}" for e in examples],
    }
    theirs = trl.SFTTrainer(
        model=tiny.model(),
        args=trl.SFTConfig(
            output_dir=str(tmp_path / "theirs"),
            max_steps=4,
            per_device_train_batch_size=8,
            learning_rate=ours.settings.train.sft.learning_rate,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=1.0,
            use_cpu=True,
            bf16=False,
            activation_checkpointing=False,
            logging_steps=1,
            report_to="none",
            save_strategy="no",
        ),
        train_dataset=Dataset.from_dict(rows),
        processing_class=tiny.tokenizer(),
    )
    theirs.train()

    log = [line for line in theirs.state.log_history if "loss" in line]
    assert recorder.column("loss") == pytest.approx([line["loss"] for line in log], abs=1e-6)
    assert recorder.column("grad_norm") == pytest.approx(
        [line["grad_norm"] for line in log], rel=1e-5
    )
    # Adam turns float noise in a gradient near zero into a step of the learning rate, hence the wider bound.
    assert torch.allclose(weights(ours), weights(theirs), atol=2e-4)


@pytest.mark.parametrize("micro_batch", [1, 2, 4])
def test_sft_does_not_depend_on_accumulation(tmp_path: Path, micro_batch: int) -> None:
    """Rows of unequal lengths, cut into 8, 4 and 2 micro-batches: the loss and gradient of one batch."""
    whole, whole_record = build(tmp_path / "whole", "sft", tiny.examples(8), train__steps=1)
    whole.train()
    cut, cut_record = build(
        tmp_path / "cut",
        "sft",
        tiny.examples(8),
        train__steps=1,
        hardware__micro_batch=micro_batch,
    )
    assert cut.args.gradient_accumulation_steps == 8 // micro_batch
    cut.train()
    assert cut_record.column("loss") == pytest.approx(whole_record.column("loss"), rel=1e-5)
    assert cut_record.column("grad_norm") == pytest.approx(
        whole_record.column("grad_norm"), rel=1e-5
    )


def test_sft_loss_is_the_token_mean_worked_out_row_by_row(tmp_path: Path) -> None:
    examples = tiny.examples(8)
    trainer, recorder = build(tmp_path, "sft", examples, train__steps=1)
    model = tiny.model()
    total, tokens = 0.0, 0
    for example in examples:
        target = (*example.trace.ids, 1)
        ids = torch.tensor([example.prompt_ids + target])
        log_probs = model(ids).logits[0].log_softmax(-1)
        for offset, token in enumerate(target):
            total -= log_probs[len(example.prompt_ids) + offset - 1, token].item()
            tokens += 1
    trainer.train()
    assert recorder.metrics[0]["loss"] == pytest.approx(total / tokens, rel=1e-5)
    assert recorder.metrics[0]["trained_tokens"] == tokens


def test_sft_then_grpo_is_one_run_of_two_phases(tmp_path: Path) -> None:
    trainer, recorder = build(tmp_path, "sft_then_grpo")
    trainer.train()
    assert recorder.column("kind") == ["sft", "sft", "rl", "rl"]
    train = trainer.settings.train
    assert (
        recorder.column("learning_rate")
        == [train.sft.learning_rate] * 2 + [train.rl.learning_rate] * 2
    )
    generated = recorder.column("generated_tokens")
    assert generated[:2] == [0, 0]
    assert 0 < generated[2] < generated[3]
    assert recorder.column("traces_used") == [4, 4, 4, 4]


def test_update_kinds_share_the_window_without_stale_rollouts(tmp_path: Path) -> None:
    class Alternate(Method):
        def next_update(self, step: int, progress: float) -> Update:
            return Update("rl" if step % 2 == 0 else "sft")

    method = Alternate(tiny.settings(tmp_path).method, {}, seed=0, steps=4)
    trainer, recorder = build(tmp_path, instance=method, hardware__micro_batch=4)
    trainer.train()
    assert recorder.column("kind") == ["rl", "sft", "rl", "sft"]
    assert [row["step"] for row in recorder.rows[::16]] == [1, 3]
    assert trainer.position.questions.taken == 2 * 4


def test_a_measured_norm_is_that_of_the_same_update_and_changes_nothing(tmp_path: Path) -> None:
    class MeasureFirst(Method):
        norms: ClassVar[list[tuple[bool, float]]] = []

        def next_update(self, step: int, progress: float) -> Update:
            return Update("sft", measure_only=not self.norms)

        def observe_norm(self, step: int, update: Update, grad_norm: float) -> None:
            self.norms.append((update.measure_only, grad_norm))

    method = MeasureFirst(tiny.settings(tmp_path).method, {}, seed=0, steps=1)
    trainer, recorder = build(tmp_path, instance=method, train__steps=1, hardware__micro_batch=4)
    trainer.train()  # 8 demonstrations of 4 questions: both passes see the same rows
    assert [measured for measured, _ in method.norms] == [True, False]
    assert method.norms[0][1] == pytest.approx(method.norms[1][1], rel=1e-5)
    assert recorder.column("step") == [1]


def test_no_clip_of_the_ratio_is_ever_reached(tmp_path: Path) -> None:
    """So there is no setting for it: one update of each batch has ratio 1, whatever TRL's clip is."""
    trained = []
    for clip in (0.2, 1e-6):
        trainer, recorder = build(tmp_path / str(clip), hardware__micro_batch=4)
        trainer.epsilon_low = trainer.epsilon_high = clip
        trainer.add_callback(SeedEachStep())
        trainer.train()
        assert max(recorder.column("grad_norm")) > 0.01
        trained.append(weights(trainer))
    assert torch.equal(*trained)


def test_rl_without_a_group_size_is_refused_in_words(tmp_path: Path) -> None:
    method = Method(tiny.settings(tmp_path, "sft").method, {}, seed=0, steps=1)
    trainer, _ = build(tmp_path, "sft", instance=method)
    with pytest.raises(ValueError, match=r"an RL update, but method\.group_size is null; its"):
        trainer.train()


def test_dev_is_evaluated_once_more_when_training_ends(tmp_path: Path) -> None:
    for every, limit, evaluated in ((3, None, [3, 4]), (2, None, [2, 4]), (3, 60, [2])):
        trainer, _ = build(tmp_path, "sft", train__eval_every=every, budget__trained_tokens=limit)
        on_dev = tiny.OnDev()
        trainer.run(on_dev)
        assert on_dev.evaluated == evaluated


def test_dev_is_evaluated_at_shares_of_whatever_ends_the_run(tmp_path: Path) -> None:
    """Of 8 steps 0.3 is passed with the third, fifth and eighth; of a budget, with the update that spends so much."""
    by_steps, _ = build(tmp_path / "steps", "sft", train__steps=8, train__eval_every=0.3)
    on_dev = tiny.OnDev()
    by_steps.run(on_dev)
    assert on_dev.evaluated == [3, 5, 8]

    by_tokens, recorder = build(
        tmp_path / "tokens", "sft", train__steps=1000, train__eval_every=0.3,
        budget__trained_tokens=200,
    )  # fmt: skip
    on_dev = tiny.OnDev()
    by_tokens.run(on_dev)
    spent = recorder.column("trained_tokens")
    first = [next(step for step, one in enumerate(spent, 1) if one >= m) for m in (60, 120, 180)]
    assert on_dev.evaluated == sorted({*first, len(spent)})
    assert len(spent) > 4


def test_a_rate_rises_from_the_first_update_on(tmp_path: Path) -> None:
    """4 of 8 steps: quarters of the peak; of tokens, by what is spent when the update is over."""
    by_steps, recorder = build(
        tmp_path / "steps", train__steps=8, train__rl__warmup=0.5, train__rl__learning_rate=4e-4
    )
    by_steps.run()
    rates = [1e-4, 2e-4, 3e-4, 4e-4]
    assert recorder.column("learning_rate") == pytest.approx([*rates, *[4e-4] * 4])

    by_tokens, recorder = build(
        tmp_path / "tokens", train__steps=1000, train__rl__warmup=0.5,
        train__rl__learning_rate=4e-4, budget__generated_tokens=600,
    )  # fmt: skip
    by_tokens.run()
    spent = recorder.column("generated_tokens")
    expected = [4e-4 * min(1.0, one / 300) for one in spent]
    assert recorder.column("learning_rate") == pytest.approx(expected)
    assert 0 < expected[0] < expected[1] <= expected[-1] == 4e-4


MOVING_REFERENCE = {"train__rl__beta": 0.1, "train__rl__ref_sync_steps": 2}
BY_TOKENS = {
    "budget__trained_tokens": 400,
    "train__rl__schedule": "cosine",
    "train__rl__warmup": 0.5,
}
RENEWED_REFERENCE = {"train__rl__beta": 0.1, "train__sft__learning_rate": 1e-2}


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("sft", {}),
        ("grpo", {}),
        ("sft_then_grpo", {}),
        ("grpo", MOVING_REFERENCE),
        ("sft_then_grpo", {"method__sft_fraction": 0.3, **RENEWED_REFERENCE}),  # before the cut
        ("sft_then_grpo", {"method__sft_fraction": 0.5, **RENEWED_REFERENCE}),  # right after it
        ("sft_then_grpo", {"method__sft_fraction": 0.2, **BY_TOKENS}),
        ("sasr", {"method__warmup_steps": 0.2, **BY_TOKENS}),
        ("chord", {"method__demonstrations": 3, "method__rise": 0.4, **BY_TOKENS}),
        ("g2rpo_a", {"method__guided": 2, "method__first_tokens": 2}),
    ],
)
def test_resume_equals_the_uninterrupted_run(
    tmp_path: Path, method: str, more: dict[str, Any]
) -> None:
    """Into the second epoch: 6 steps of 4 questions over 10 rows, cut after step 3."""
    options: dict[str, Any] = {
        "train__steps": 6,
        "train__save_every": 3,
        "hardware__micro_batch": 4,
        **more,
    }
    straight, straight_record = build(tmp_path / "a", method, tiny.examples(10), **options)
    straight.train()

    again, again_record = build(tmp_path / "b", method, tiny.examples(10), **options)
    random.seed(99)
    torch.manual_seed(99)
    again.run(resume=tmp_path / "a" / "checkpoints" / "checkpoint-3")
    volatile = {"wall_seconds", "device_seconds"}
    for ours, theirs in zip(again_record.metrics, straight_record.metrics[3:], strict=True):
        assert {k: v for k, v in ours.items() if k not in volatile} == {
            k: v for k, v in theirs.items() if k not in volatile
        }
    assert torch.equal(weights(again), weights(straight))
