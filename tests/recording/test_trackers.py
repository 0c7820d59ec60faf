"""Trackers that start, that cannot, and that break on the way."""

import json
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from hybrid_rl.config.settings import Settings
from hybrid_rl.config.tracker import PACKAGES, TrackerSettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording import trackers
from hybrid_rl.recording.tables import Table

RL_LINE = {
    "step": 3,
    "kind": "rl",
    "loss": 0.5,
    "grad_norm": 1.5,
    "learning_rate": 1e-4,
    "update_norm": 0.25,
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
        "train/update_norm": 0.25,
        "rollout/reward_mean": 0.25,
        "rollout/outcome/correct": 0.25,
        "budget/generated_tokens": 640.0,
        "budget/traces_used": 2.0,
    }
    assert trackers.named({"step": 1, "kind": "sft"}) == {"train/is_rl": 0.0}


def test_an_evaluation_has_a_group_of_its_own() -> None:
    line = {"step": 20, "set": "dev", "greedy": 0.5, "greedy_low": 0.4, "flops": 1e9}
    assert trackers.named(line) == {
        "eval/dev/greedy": 0.5,
        "eval_detail/dev/greedy_low": 0.4,
        "budget/flops": 1e9,
    }


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


@pytest.mark.parametrize(
    ("tracker", "package", "named"),
    [
        ("wandb", "wandb", "wandb"),
        ("wandb_offline", "wandb", "wandb"),
        ("trackio", "trackio", "'hybrid-rl[trackio]'"),
        ("comet", "comet_ml", "'hybrid-rl[comet_ml]'"),
    ],
)
def test_a_missing_package_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tracker: str, package: str, named: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(SettingsError) as caught:
        trackers.start_tracker(settings(tracker), tmp_path)
    message = str(caught.value)
    assert message.startswith(f"tracker = {tracker}: its package cannot be imported (")
    assert message.endswith(f"; pip install {named}, or choose tracker=none")


class FakeAccelerate:
    """In place of `accelerate.tracking` and of a tracker's library: keeps what it is told; `broken` makes log fail."""

    __spec__ = None

    def __init__(self, broken: bool = False) -> None:
        self.broken = broken
        self.given: list[dict[str, Any]] = []
        self.lines: list[tuple[int | None, dict[str, Any]]] = []
        self.stored: list[dict[str, Any]] = []
        self.finished = 0
        # What each library calls the id of a page.
        self.tracker = SimpleNamespace(
            id="page", hash="page", get_key=lambda: "page", info=SimpleNamespace(run_id="page"),
            define_metric=lambda *_, **__: None, add_tag=lambda tag: None,
        )  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        if not name.endswith("Tracker"):
            raise AttributeError(name)

        def build(**how: Any) -> "FakeAccelerate":
            self.given.append(how)
            return self

        return build

    def ExperimentConfig(self, **how: Any) -> dict[str, Any]:
        return how

    def Settings(self, **how: Any) -> dict[str, Any]:
        return how

    def start(self) -> None:
        """Nothing to start."""

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self.stored.append(values)

    def log(self, values: dict[str, Any], step: int | None = None) -> None:
        self.lines.append((step, values))
        if self.broken:
            raise ConnectionError("gone")

    def finish(self) -> None:
        self.finished += 1

    teardown = finish


Fake = Callable[[FakeAccelerate], FakeAccelerate]


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    """fake(FakeAccelerate()): stands for accelerate's trackers and for every tracker's library from then on."""

    def install(made: FakeAccelerate) -> FakeAccelerate:
        for module in {"accelerate.tracking", *PACKAGES.values()}:
            monkeypatch.setitem(sys.modules, module, made)
        return made

    return install


def test_trackio_is_told_every_line(tmp_path: Path, fake: Fake) -> None:
    told = fake(FakeAccelerate())
    tracker = trackers.start_tracker(settings("trackio"), tmp_path / "run")
    tracker.log(RL_LINE, 3)
    tracker.finish()
    (given,) = told.given
    assert (given["run_name"], given["name"], given["config"]["seed"]) == ("p", "my-run-run", 7)
    assert told.lines == [(3, trackers.named(RL_LINE))]
    assert told.finished == 1


@pytest.mark.parametrize(
    ("name", "key"),
    [("wandb_offline", "id"), ("mlflow", "run_id"), ("comet", "experiment_key"),
     ("aim", "run_hash"), ("swanlab", "id")],
)  # fmt: skip
def test_a_run_keeps_its_page_over_a_resume(
    name: str, key: str, tmp_path: Path, fake: Fake
) -> None:
    told = fake(FakeAccelerate())
    for _ in range(2):
        trackers.start_tracker(settings(name), tmp_path)
    assert [given[key] for given in told.given] == [None, "page"]
    assert (tmp_path / PACKAGES[name] / "run_id").read_text() == "page"


def test_mlflow_is_given_the_settings_once_since_they_may_not_change(
    tmp_path: Path, fake: Fake
) -> None:
    told = fake(FakeAccelerate())
    for token in ("a", "b"):
        trackers.start_tracker(settings("mlflow", hub_token=token), tmp_path)
    (stored,) = told.stored
    assert (stored["trl.hub_token"], stored["tracker.project"]) == ("(hidden)", "p")


def test_every_tracker_of_the_settings_can_be_started(tmp_path: Path, fake: Fake) -> None:
    fake(FakeAccelerate())
    for name in get_args(TrackerSettings.model_fields["name"].annotation):
        if name != "wandb":  # which asks for a login
            trackers.start_tracker(settings(name), tmp_path / name).log(RL_LINE, 1)


def test_a_tracker_that_breaks_warns_once_and_lets_training_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broken = FakeAccelerate(broken=True)
    tracker = trackers.Tracker(broken)
    with caplog.at_level(logging.WARNING):
        for step in range(3):
            tracker.log(RL_LINE, step)
        tracker.finish()
    assert caplog.messages == [
        "the tracker failed and is off from now on (ConnectionError: gone); the run directory has every number"
    ]
    assert (len(broken.lines), broken.finished) == (1, 0)


def test_a_tracker_that_cannot_start_says_why_and_what_to_do(
    tmp_path: Path, fake: Fake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: FakeAccelerate) -> None:
        raise ValueError("no space\nleft.")

    monkeypatch.setattr(FakeAccelerate, "start", refuse)
    fake(FakeAccelerate())
    with pytest.raises(SettingsError) as caught:
        trackers.start_tracker(settings("trackio"), tmp_path)
    assert (
        str(caught.value) == "tracker = trackio: cannot start (no space left); choose tracker=none"
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["trackio", "mlflow", "comet", "aim", "swanlab"])
def test_a_library_that_is_installed_takes_lines_of_a_run_and_of_its_resume(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(PACKAGES[name])
    from accelerate import PartialState

    PartialState(cpu=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("COMET_START_ONLINE", "false")
    monkeypatch.setenv("SWANLAB_MODE", "offline")
    for _ in range(2):
        tracker = trackers.start_tracker(settings(name), tmp_path / "run")
        tracker.log(RL_LINE, 3)
        tracker.table("rollouts", Table(["text", "reward"], [["x", 1.0], [None, 2.0]]), 3)
        tracker.finish()
        assert not tracker._broken


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
    from accelerate import PartialState

    PartialState(cpu=True)
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
    from accelerate import PartialState
    from tensorboard.backend.event_processing.event_accumulator import (
        EventAccumulator,
    )

    PartialState(cpu=True)
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
