"""Trackers that start, that cannot, and that break on the way."""

import json
import logging
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hybrid_rl.config.settings import Settings
from hybrid_rl.config.tracker import TrackerSettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording import trackers

RL_LINE = {
    "step": 3,
    "kind": "rl",
    "loss": 0.5,
    "grad_norm": 1.5,
    "learning_rate": 1e-4,
    "reward_mean": 0.25,
    "outcome/correct": 0.25,
    "generated_tokens": 640,
    "traces_used": 2,
}


def settings(tracker: str, **trl: Any) -> Settings:
    """Only what trackers read."""
    section = TrackerSettings.model_validate(
        {"name": tracker, "project": "p", "entity": None, "tags": ["t"]}
    )
    return Settings.model_construct(name="my-run", seed=7, tracker=section, trl=trl)


def test_metrics_are_grouped_by_what_they_tell() -> None:
    assert trackers.named(RL_LINE) == {
        "train/is_rl": 1.0,
        "train/loss": 0.5,
        "train/grad_norm": 1.5,
        "train/learning_rate": 1e-4,
        "rollout/reward_mean": 0.25,
        "rollout/outcome/correct": 0.25,
        "budget/generated_tokens": 640.0,
        "budget/traces_used": 2.0,
    }
    assert trackers.named({"step": 1, "kind": "sft"}) == {"train/is_rl": 0.0}


@pytest.mark.parametrize(
    "line",
    [{"step": 20, "set": "dev", "greedy": 0.5, "flops": 1e9}, {"dev/greedy": 0.5, "flops": 1e9}],
)
def test_an_evaluation_has_a_group_of_its_own(line: dict[str, Any]) -> None:
    assert trackers.named(line) == {"eval/dev/greedy": 0.5, "budget/flops": 1e9}


def test_secrets_stay_here() -> None:
    made = settings(
        "none", hub_token="hf_x", nested=[{"API_KEY": "y", "token_count": 3}], eos_token="<end>"
    )
    shown = trackers.public(made)
    assert shown["trl"] == {
        "hub_token": "(hidden)",
        "nested": [{"API_KEY": "(hidden)", "token_count": 3}],
        "eos_token": "<end>",
    }
    assert shown["seed"] == 7


def test_no_tracker_takes_everything(tmp_path: Path) -> None:
    tracker = trackers.start_tracker(settings("none"), tmp_path)
    tracker.log(RL_LINE, 3)
    tracker.finish()
    assert list(tmp_path.iterdir()) == []


def test_only_rank_0_shows_anything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert type(trackers.start_tracker(settings("wandb"), tmp_path)) is trackers.Tracker


@pytest.mark.parametrize(
    ("tracker", "package", "extra"),
    [
        ("wandb", "wandb", "wandb"),
        ("wandb_offline", "wandb", "wandb"),
        ("trackio", "trackio", "trackio"),
    ],
)
def test_a_missing_package_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: str, package: str, extra: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError) as caught:
        trackers.start_tracker(settings(tracker), tmp_path)
    message = str(caught.value)
    assert message.startswith(f"tracker = {tracker}: its package cannot be imported (")
    assert message.endswith(f"; pip install 'hybrid-rl[{extra}]', or choose tracker=none")


class FakeTrackio(SimpleNamespace):
    """Keeps what it is told; `broken` makes log fail."""

    def __init__(self, broken: bool = False) -> None:
        super().__init__(started=None, lines=[], finished=0, broken=broken)

    def init(self, **how: Any) -> None:
        self.started = how

    def log(self, metrics: dict[str, float], step: int) -> None:
        self.lines.append((step, metrics))
        if self.broken:
            raise ConnectionError("gone")

    def finish(self) -> None:
        self.finished += 1


def test_trackio_is_told_every_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeTrackio()
    monkeypatch.setitem(sys.modules, "trackio", fake)
    tracker = trackers.start_tracker(settings("trackio"), tmp_path / "run")
    tracker.log(RL_LINE, 3)
    tracker.finish()
    assert fake.started["project"] == "p"
    assert fake.started["name"] == "my-run-run"
    assert fake.started["config"]["seed"] == 7
    assert fake.lines == [(3, trackers.named(RL_LINE))]
    assert fake.finished == 1


def test_a_tracker_that_breaks_warns_once_and_lets_training_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeTrackio(broken=True)
    monkeypatch.setitem(sys.modules, "trackio", fake)
    tracker = trackers.start_tracker(settings("trackio"), tmp_path)
    with caplog.at_level(logging.WARNING):
        for step in range(3):
            tracker.log(RL_LINE, step)
        tracker.finish()
    assert caplog.messages == [
        "the tracker failed and is off from now on (ConnectionError: gone); the run directory has every number"
    ]
    assert len(fake.lines) == 1


def test_a_tracker_that_cannot_start_says_why_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**how: Any) -> None:
        raise ValueError("no space\nleft.")

    monkeypatch.setitem(sys.modules, "trackio", SimpleNamespace(init=refuse))
    with pytest.raises(SettingsError) as caught:
        trackers.start_tracker(settings("trackio"), tmp_path)
    assert (
        str(caught.value) == "tracker = trackio: cannot start (no space left); choose tracker=none"
    )


def test_a_run_keeps_its_page_over_a_resume(tmp_path: Path) -> None:
    path = tmp_path / "wandb" / "run_id"
    assert trackers._lasting_id(path) == trackers._lasting_id(path)
    assert trackers._lasting_id(path) != trackers._lasting_id(tmp_path / "other")


@pytest.mark.slow
def test_wandb_without_login_says_so_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    with pytest.raises(SettingsError) as caught:
        trackers.start_tracker(settings("wandb"), tmp_path)
    assert str(caught.value) == (
        "tracker = wandb: cannot start (no API key configured); run `wandb login`, set WANDB_API_KEY,"
        " or choose tracker=wandb_offline"
    )


@pytest.mark.slow
def test_wandb_offline_writes_into_the_run_directory(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    tracker = trackers.start_tracker(settings("wandb_offline"), tmp_path)
    tracker.log(RL_LINE, 3)
    tracker.log({"step": 3, "set": "dev", "greedy": 0.5}, 3)
    tracker.finish()
    assert not tracker._broken
    (record,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert b"rollout/reward_mean" in record.read_bytes()
    assert b"eval/dev/greedy" in record.read_bytes()


@pytest.mark.slow
def test_tensorboard_writes_scalars_and_settings(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    tracker = trackers.start_tracker(settings("tensorboard"), tmp_path)
    tracker.log(RL_LINE, 3)
    tracker.finish()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    (reward,) = events.Scalars("rollout/reward_mean")
    assert (reward.step, reward.value) == (3, 0.25)
    (text,) = events.Tensors("settings/text_summary")
    shown = text.tensor_proto.string_val[0].decode().removeprefix("```json\n").removesuffix("\n```")
    assert json.loads(shown)["seed"] == 7
