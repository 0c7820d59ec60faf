"""Runs that ask vLLM's own HTTP server. It takes a minute or two to start, and serves all of them one by one."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hybrid_rl.errors import SettingsError
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from tests.vllm import runs, serving
from tests.vllm.checks import require_alike, require_close, require_moved, weights
from tests.vllm.serving import Answer, Served

pytestmark = pytest.mark.slow


class Ended(NamedTuple):
    """A run, and what the server answered when it had ended, before another run could send its weights."""

    run: RunDir
    answers: list[Answer]


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Started with the command that a run without a server tells."""
    directory = tmp_path_factory.mktemp("server")
    port = serving.free_port()
    asked = ("rollout=vllm_server", f"rollout.port={port}", "rollout.timeout_seconds=10")
    wanted = runs.settings(directory / "alone", model, "bread", rollout=asked)
    with pytest.raises(SettingsError) as failed:
        runs.start(wanted)
    with serving.served(str(failed.value), directory) as running:
        yield running


@pytest.fixture(scope="module")
def bread(server: Served, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """A run of BREAD, and what the server answers then to what it was asked to go on from."""
    directory = tmp_path_factory.mktemp("bread") / "bread"
    run = runs.start(runs.settings(directory, model, "bread", rollout=server.chosen))
    texts = sorted({line["prompt"] + line["prefix"] for line in rollouts(run, 3)})
    from tests.vllm import judged

    return Ended(run, server.complete(judged.encoded(model, texts), 32))


def rollouts(run: RunDir, step: int) -> list[dict[str, Any]]:
    return read_jsonl(run.rollouts(step))


def test_the_server_goes_on_from_prefixes_as_transformers_does(bread: Ended, model: Path) -> None:
    run = bread.run
    require_alike(run)
    require_moved(run, model)
    assert "vLLM: generates in float32" in run.log.read_text()
    assert any(line["prefix"] for step in (1, 2, 3) for line in rollouts(run, step))


def test_the_server_answers_with_the_weights_that_the_run_has_saved(
    bread: Ended, model: Path
) -> None:
    """It is asked by HTTP alone, and the answers of transformers are worked out without this package."""
    from tests.vllm import judged

    assert len(bread.answers) > 1
    assert judged.differing(bread.run.model, bread.answers) == []
    assert judged.gap(bread.run.model, bread.answers) < 1e-4
    assert judged.gap(model, bread.answers) > 1e-3


def test_the_log_probabilities_of_the_server_are_those_of_the_trainer(bread: Ended) -> None:
    require_close(bread.run)


def test_another_seed_draws_other_solutions(server: Served, model: Path, tmp_path: Path) -> None:
    """To the same question, by weights that no update has changed; the same seed draws the same ones."""
    question = ("train.prompts_per_step=1", "data.train.size=1", "method.batch_size=1")

    def drawn(name: str, seed: int) -> list[tuple[str, str]]:
        wanted = runs.settings(
            tmp_path / name,
            model,
            "relift",
            *question,
            "train.steps=1",
            f"seed={seed}",
            rollout=server.chosen,
        )
        run = runs.start(wanted)
        assert [line for line in runs.compared(run) if line["differ"]] == []
        return sorted((line["prompt"], line["completion"]) for line in rollouts(run, 1))

    ours, other, same = drawn("ours", 0), drawn("other", 7), drawn("same", 0)
    assert {prompt for prompt, _ in ours} == {prompt for prompt, _ in other}
    assert ours != other
    assert ours == same


@pytest.mark.parametrize("engine", ["ddp", "zero3"])
def test_the_first_of_two_ranks_asks_for_both(
    server: Served, model: Path, tmp_path: Path, engine: str
) -> None:
    given = (f"hardware={engine}", *runs.RANKS)
    run = runs.start(
        runs.settings(tmp_path / engine, model, "bread", *given, rollout=server.chosen)
    )
    for rank in (0, 1):
        require_alike(run, rank)
    require_close(run)
    require_moved(run, model)


def test_adapters_are_merged_into_what_the_server_answers_with(
    server: Served, model: Path, tmp_path: Path
) -> None:
    run = runs.start(
        runs.settings(tmp_path / "lora", model, "bread", runs.LORA, rollout=server.chosen)
    )
    require_alike(run)
    require_close(run)


def test_a_killed_run_goes_on_with_the_same_server_as_if_it_had_not_been(
    bread: Ended, server: Served, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = runs.settings(tmp_path / "killed", model, "bread", rollout=server.chosen)
    monkeypatch.setenv(runs.KILLED_AT, "2")
    with pytest.raises(AssertionError, match="SIGKILL"):
        runs.start(wanted)
    monkeypatch.delenv(runs.KILLED_AT)
    run = runs.start(runs.settings_of_interrupted(Path(wanted.run_dir)))
    require_alike(run)
    ours, theirs = weights(run.model), weights(bread.run.model)
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("rollout.dtype=bfloat16", "computes in float32 and not in bfloat16"),
        ("train.max_completion_tokens=150", "takes at most 128 tokens a sequence"),
    ],
)
def test_a_server_that_computes_otherwise_or_takes_shorter_sequences_is_refused(
    server: Served, model: Path, tmp_path: Path, given: str, told: str
) -> None:
    with pytest.raises(SettingsError) as failed:
        runs.start(runs.settings(tmp_path / "run", model, "bread", given, rollout=server.chosen))
    assert f"the server at rollout.host = 127.0.0.1, rollout.port = {server.port} {told}" in str(
        failed.value
    )
