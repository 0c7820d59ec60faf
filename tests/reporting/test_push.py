"""The command that uploads a model: what it hands to the hub, and what it refuses before anything is sent."""

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from huggingface_hub import RepoUrl

from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting import push
from tests.fakes import recorded


class FakeHub:
    """The two calls of `HfApi` that are made, and what they were given; `refusal`: what the second one raises."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.refusal = refusal
        self.made: list[Any] = []
        self.uploaded: list[dict[str, Any]] = []

    def create_repo(self, repo_id: str, **given: Any) -> RepoUrl:
        self.made.append((repo_id, given))
        return RepoUrl(f"https://huggingface.co/{repo_id}")

    def upload_folder(self, **given: Any) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.uploaded.append(given)


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDir:
    """A finished run with a model; there is a token, and a connection."""
    run = recorded.write_run(tmp_path / "run")
    run.model.mkdir()
    monkeypatch.setattr(push, "get_token", lambda: "hf_token")
    connection = SimpleNamespace(close=lambda: None)
    monkeypatch.setattr(socket, "create_connection", lambda *_: connection)
    return run


def pushed(
    run: RunDir, *typed: str, hub: FakeHub, environment: dict[str, str] | None = None
) -> int:
    return push.run([str(run.path), *typed], lambda: hub, environment or {})


def test_the_model_and_its_card_go_into_a_private_repository(
    saved: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = FakeHub()
    assert pushed(saved, "me/it", hub=hub) == 0
    assert hub.made == [("me/it", {"repo_type": "model", "private": True, "exist_ok": True})]
    [sent] = hub.uploaded
    assert (sent["repo_id"], sent["folder_path"]) == ("me/it", saved.model)
    assert "hybrid-rl" in (saved.model / "README.md").read_text()
    assert capsys.readouterr().out == "https://huggingface.co/me/it\n"


def test_public_and_the_best_weights_are_asked_for_by_name(saved: RunDir) -> None:
    hub = FakeHub()
    saved.best_model.mkdir()
    assert pushed(saved, "me/it", "--best", "--public", hub=hub) == 0
    assert hub.made[0][1]["private"] is False
    assert hub.uploaded[0]["folder_path"] == saved.best_model


def test_a_card_that_was_edited_stays(saved: RunDir) -> None:
    (saved.model / "README.md").write_text("---\nlicense: mit\n---\n")
    assert pushed(saved, "me/it", hub=FakeHub()) == 0
    assert (saved.model / "README.md").read_text() == "---\nlicense: mit\n---\n"


def test_what_the_hub_refuses_is_a_line_and_leaves_the_run_as_it_was(
    saved: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    (saved.model / "README.md").write_text("card")
    before = {path: path.read_bytes() for path in saved.path.rglob("*") if path.is_file()}
    hub = FakeHub(OSError("403 Forbidden: you need a token that may write\nmore of it"))
    assert pushed(saved, "me/it", hub=hub) == 2
    assert capsys.readouterr().err == (
        "me/it: the hub did not take it (403 Forbidden: you need a token that may write); the run is as it was, and the"
        " same command tries again\n"
    )
    assert {path: path.read_bytes() for path in saved.path.rglob("*") if path.is_file()} == before


def test_without_a_token_nothing_is_sent(
    saved: RunDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(push, "get_token", lambda: None)
    hub = FakeHub()
    assert pushed(saved, "me/it", hub=hub) == 2
    assert capsys.readouterr().err == (
        "me/it: there is no token for the hub; type `hf auth login`, or set HF_TOKEN to one that may write\n"
    )
    assert hub.made == []


def test_without_a_connection_nothing_is_tried_twice(
    saved: RunDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[Any] = []

    def unreachable(*given: Any) -> None:
        asked.append(given)
        raise OSError("no route")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    hub = FakeHub()
    assert pushed(saved, "me/it", hub=hub) == 2
    assert capsys.readouterr().err == (
        "me/it: huggingface.co cannot be reached (no route); push from a machine with a connection\n"
    )
    assert (len(asked), hub.made) == (1, [])


def test_offline_by_choice_is_told_as_that(
    saved: RunDir, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = FakeHub()
    assert pushed(saved, "me/it", hub=hub, environment={"HF_HUB_OFFLINE": "1"}) == 2
    assert capsys.readouterr().err == (
        "me/it: HF_HUB_OFFLINE is set, so nothing can be uploaded; unset it\n"
    )
    assert hub.made == []


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (
            ["a/b/c"],
            "Repo id must be in the form 'repo_name' or 'namespace/repo_name': 'a/b/c'. Use `repo_type` argument if"
            " needed. Give a name such as me/my-model.\n",
        ),
        (["me/it", "--best"], "{run}/best_model: is not there; eval.best=true keeps it\n"),
    ],
)
def test_what_cannot_be_pushed_is_refused_in_a_line(
    saved: RunDir, capsys: pytest.CaptureFixture[str], typed: list[str], told: str
) -> None:
    assert pushed(saved, *typed, hub=FakeHub()) == 2
    assert capsys.readouterr().err == told.format(run=saved.path)


def test_a_run_without_a_model_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub = FakeHub()
    assert pushed(RunDir(tmp_path), "me/it", hub=hub) == 2
    run = recorded.write_run(tmp_path / "run", finished=False)
    assert pushed(run, "me/it", hub=hub) == 2
    assert capsys.readouterr().err == (
        f"{tmp_path}: is no run directory, for it has no settings.json; give one\n"
        f"{run.model}: is not there; hybrid-rl resume={run.path} brings it\n"
    )


def test_a_run_that_goes_on_is_not_pushed(
    saved: RunDir, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(RunDir, "is_running", lambda _: True)
    assert pushed(saved, "me/it", hub=FakeHub()) == 2
    assert capsys.readouterr().err == (
        f"{saved.path}: is still running; push its model when it is done\n"
    )
