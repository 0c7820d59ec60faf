"""The guards in real training: losses and gradients that are no numbers, hopeless limits, a full disk."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.training import guard
from hybrid_rl.training.alarms import Began, GuardError
from hybrid_rl.verification.grader import Grader
from tests.fakes import (
    ranks,
    tiny,
)
from tests.fakes.programs import Programs
from tests.training.test_trainer import build, weights

pytestmark = pytest.mark.slow


def break_gradient(trainer: Any, *steps: int) -> None:
    """One weight's gradient is NaN in these optimizer steps, from 1."""

    def hook(gradient: torch.Tensor) -> torch.Tensor:
        broken = trainer.state.global_step + 1 in steps
        return gradient * math.nan if broken else gradient

    next(trainer.model.parameters()).register_hook(hook)


def break_loss(trainer: Any, step: int) -> None:
    plain = trainer.compute_loss

    def compute(*args: Any, **kwargs: Any) -> torch.Tensor:
        loss = plain(*args, **kwargs)
        return loss * math.inf if trainer.state.global_step + 1 == step else loss

    trainer.compute_loss = compute


def states(trainer: Any) -> dict[int, tuple[torch.Tensor, list[torch.Tensor]]]:
    """Filled in training: step -> weights, and all numbers in Adam's state."""
    found: dict[int, tuple[torch.Tensor, list[torch.Tensor]]] = {}
    plain = trainer.log

    def log(logs: dict[str, Any], start_time: float | None = None) -> None:
        adam = trainer.optimizer.state.values()
        numbers = [value.clone() for state in adam for value in state.values()]
        found[trainer.state.global_step] = weights(trainer).clone(), numbers
        plain(logs, start_time)

    trainer.log = log
    return found


@pytest.mark.parametrize("method", ["grpo", "sft"])
@pytest.mark.parametrize("breaking", [break_gradient, break_loss])
def test_a_skipped_update_changes_neither_weights_nor_moments(
    tmp_path: Path, method: str, breaking: Any
) -> None:
    trainer, recorder = build(tmp_path, method, guards__non_finite="skip")
    breaking(trainer, 3)
    seen = states(trainer)
    trainer.train()
    (before, moments), (after, same_moments) = seen[2], seen[3]
    assert torch.equal(before, after)
    assert len(moments) > 0
    assert all(torch.equal(one, other) for one, other in zip(moments, same_moments, strict=True))
    assert not torch.equal(after, seen[4][0])
    assert torch.isfinite(seen[4][0]).all()
    assert [line.get("skipped", 0) for line in recorder.metrics] == [0, 0, 1, 0]
    json.dumps(recorder.metrics, allow_nan=False)
    assert [("loss" in line) for line in recorder.metrics] == [True, True, False, True]
    assert [alarm["step"] for alarm in recorder.alarms] == [3]


def test_the_batch_of_a_broken_update_is_on_the_disk(tmp_path: Path) -> None:
    trainer, recorder = build(tmp_path, guards__non_finite="stop")
    break_gradient(trainer, 2)
    before = states(trainer)
    with pytest.raises(GuardError) as stopped:
        trainer.train()
    path = tmp_path / "guards" / "step_000002_rank_0.jsonl"
    assert str(stopped.value) == (
        f"guards.non_finite = stop: at step 2, the gradient norm is nan; its batch is in {path}; lower the learning"
        " rate, or try hardware.precision=float32, or start again with guards.non_finite=skip"
    )
    rows = read_jsonl(path)
    assert [row["example_id"] for row in rows[::4]] == [
        group.example.id for group in trainer.now.groups
    ]
    assert all(row["step"] == 2 and row["target_ids"] for row in rows)
    assert torch.equal(weights(trainer), before[1][0])
    assert recorder.column("step") == [1]


def test_a_broken_demonstration_batch_is_dumped_as_it_was_learned_from(tmp_path: Path) -> None:
    trainer, _ = build(tmp_path, "sft", guards__non_finite="skip")
    break_loss(trainer, 1)
    trainer.train()
    rows = read_jsonl(tmp_path / "guards" / "step_000001_rank_0.jsonl")
    known = {(e.prompt_ids, (*e.trace.ids, 1)) for e in tiny.examples(4) if e.trace}
    assert {(tuple(row["context_ids"]), tuple(row["target_ids"])) for row in rows} == known


def test_broken_weights_stop_the_run_however_it_is_set(tmp_path: Path) -> None:
    trainer, recorder = build(tmp_path, "sft", guards__non_finite="skip", guards__max_skips=2)
    with torch.no_grad():
        next(trainer.model.parameters()).fill_(math.nan)
    with pytest.raises(GuardError, match=r"^guards.max_skips = 2: at step 3"):
        trainer.train()
    assert recorder.column("skipped") == [1, 1]


def test_a_resumed_run_remembers_its_skips(tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "guards__non_finite": "skip",
        "guards__max_skips": 1,
        "train__save_every": 1,
        "train__keep_checkpoints": 9,
    }
    first, _ = build(tmp_path / "a", **options)
    break_gradient(first, 2)
    first.train()
    again, _ = build(tmp_path / "b", **options)
    break_gradient(again, 3)
    with pytest.raises(GuardError, match=r"^guards.max_skips = 1: at step 3"):
        again.run(resume=tmp_path / "a" / "checkpoints" / "checkpoint-2")


def test_a_hopeless_length_limit_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One token: only a completion that is nothing but the end is not cut, one of fourteen at first."""
    few = {"train__max_completion_tokens": 1, "train__on_long_trace": "drop"}
    trainer, recorder = build(tmp_path, guards__truncated__above=0.5, **few)
    trainer.train()
    said = [r.getMessage() for r in caplog.records if "guards.truncated" in r.getMessage()]
    assert len(said) == 1
    assert "of the trained completions were cut" in said[0]
    assert [alarm["message"] for alarm in recorder.alarms if alarm["alarm"] == "truncated"] == said
    assert [line.get("alarm/truncated", 0) for line in recorder.metrics] == [0, 0, 1, 1]


def test_an_alarm_that_comes_again_is_told_in_short_and_recorded_in_full(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trainer, recorder = build(tmp_path)
    for step in (2, 7):
        message = f"guards.truncated.above = 0.5: at step {step}, and what to do"
        trainer.guard.tell([Began(step, "truncated", 0.9, message, stops=False)])
    assert [record.getMessage() for record in caplog.records][-2:] == [
        "guards.truncated.above = 0.5: at step 2, and what to do",
        "guards.truncated: again at step 7",
    ]
    assert [alarm["message"] for alarm in recorder.alarms] == [
        f"guards.truncated.above = 0.5: at step {step}, and what to do" for step in (2, 7)
    ]


def test_an_alarm_may_stop_the_run_after_its_line_is_written(tmp_path: Path) -> None:
    stop = {"action": "stop", "below": 99, "steps": 2}
    trainer, recorder = build(tmp_path, **{f"guards__entropy__{k}": v for k, v in stop.items()})
    with pytest.raises(GuardError, match=r"^guards.entropy.below = 99: at step 2, for 2 updates"):
        trainer.train()
    assert [line.get("alarm/entropy", 0) for line in recorder.metrics] == [0, 1]


def test_a_kl_that_is_no_number_is_an_alarm_where_its_update_is_skipped(tmp_path: Path) -> None:
    trainer, recorder = build(
        tmp_path, guards__non_finite="skip", guards__max_skips=9, guards__kl__steps=2
    )
    break_loss(trainer, 1)
    plain = trainer.log

    def log(logs: dict[str, Any], start_time: float | None = None) -> None:
        plain(logs | {"kl": math.inf} if "loss" in logs else logs, start_time)

    trainer.log = log
    trainer.train()
    assert [line.get("alarm/kl", 0) for line in recorder.metrics] == [0, 1, 1, 1]
    assert [alarm["step"] for alarm in recorder.alarms if alarm["alarm"] == "kl"] == [2]
    json.dumps([recorder.metrics, recorder.alarms], allow_nan=False)


def test_a_full_disk_stops_before_the_checkpoint(tmp_path: Path) -> None:
    """An exabyte is never free."""
    trainer, _ = build(
        tmp_path, train__save_every=2, guards__disk__action="stop", guards__disk__spare_gb=1e9
    )
    with pytest.raises(GuardError, match=r"^guards.disk.spare_gb = 1e\+09: at step 2"):
        trainer.train()
    assert not list((tmp_path / "checkpoints").glob("checkpoint-*"))


def size_of(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())


@pytest.mark.parametrize("best", [False, True])
def test_the_next_checkpoint_is_as_large_as_the_last(tmp_path: Path, best: bool) -> None:
    """Before the first one it is estimated: weights, two moments, and the best weights where they are kept."""
    options = {"train__save_every": 2, "train__eval_every": 2, "guards__disk__every": 1}
    trainer, _ = build(tmp_path, eval__best=best, **options)
    told: list[int] = []
    trainer.guard.guards.disk = lambda step, free, checkpoint: told.append(checkpoint) or []
    trainer.train()
    parameters = sum(weight.numel() for weight in trainer.model.parameters())
    assert told[0] == 4 * parameters * (4 if best else 3)
    assert told[-1] == pytest.approx(size_of(tmp_path / "checkpoints" / "checkpoint-4"), rel=0.05)


@pytest.mark.parametrize(
    ("method", "beta", "copies"),
    [("grpo", 0.1, 3), ("sft_then_grpo", 0.0, 3), ("sft_then_grpo", 0.1, 4)],
)
def test_a_reference_that_moves_is_saved_too(
    tmp_path: Path, method: str, beta: float, copies: int
) -> None:
    settings = tiny.settings(tmp_path, method, train__rl__beta=beta)
    model = torch.nn.Linear(100, 10)
    assert guard.checkpoint_bytes(model, settings) == 1010 * 4 * copies


def test_deepspeed_keeps_five_numbers_for_a_weight(tmp_path: Path) -> None:
    """Of which one is of two bytes in bfloat16, which is rounded up: 1.81 MB for 84,672 weights were seen."""
    pytest.importorskip("deepspeed")
    model = torch.nn.Linear(100, 10)
    settings = tiny.settings(
        tmp_path, hardware="zero2", hardware__device="cpu", hardware__micro_batch=4
    )
    assert guard.checkpoint_bytes(model, settings) == 1010 * 20
    model.bias.requires_grad = False
    assert guard.checkpoint_bytes(model, settings) == 1000 * 20 + 10 * 8


def test_a_verifier_storm_ends_and_is_told(load: Any, tmp_path: Path) -> None:
    """A verifier that never answers costs its clock per solution, and the run goes on."""
    settings = load(
        "reward.verifier=tests.fakes.user_verifiers.never",
        "reward.timeout_seconds=1",
        "reward.workers=4",
    )
    trainer, recorder = build(tmp_path, train__steps=2)
    with Grader(settings.reward) as grader:
        trainer.attempter.grader = grader
        trainer.train()
    line = recorder.metrics[0]
    assert line["outcome/timeout"] + line.get("outcome/truncated", 0.0) == pytest.approx(1)
    assert line["alarm/timeouts"] == 1
    assert "the verifier took" in recorder.alarms[0]["message"]


def test_a_loss_broken_on_one_rank_is_skipped_on_all(programs: Programs, tmp_path: Path) -> None:
    first, second = ranks.run(programs, tmp_path, "one_broken_loss")
    assert first["skipped"] == [0, 1, 0, 0]
    assert first["weights"] == second["weights"]
    assert all(map(math.isfinite, first["weights"]))
    assert len(list((tmp_path / "run" / "guards").iterdir())) == 2
