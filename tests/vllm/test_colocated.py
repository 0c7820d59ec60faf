"""Runs with vLLM's own engine in the process that trains. Each takes half a minute to start."""

from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.errors import SettingsError
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from tests.vllm import runs
from tests.vllm.checks import require_alike, require_close, require_moved, weights

pytestmark = pytest.mark.slow


def rollouts(run: RunDir, step: int) -> list[dict[str, Any]]:
    return read_jsonl(run.rollouts(step))


@pytest.fixture(scope="module")
def bread(model: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run of BREAD that nothing has disturbed."""
    return runs.start(runs.settings(tmp_path_factory.mktemp("bread") / "bread", model, "bread"))


def test_vllm_goes_on_from_prefixes_as_transformers_does(bread: RunDir, model: Path) -> None:
    require_alike(bread)
    require_moved(bread, model)
    assert "vLLM: generates in float32" in bread.log.read_text()
    assert any(line["prefix"] for step in (1, 2, 3) for line in rollouts(bread, step))


def test_the_log_probabilities_of_vllm_are_those_of_the_trainer(bread: RunDir) -> None:
    require_close(bread)


def test_they_are_those_at_the_temperature_and_weigh_the_terms_of_a_method(
    model: Path, tmp_path: Path
) -> None:
    given = ("train.rl.temperature=0.7", "train.rl.importance_cap=2")
    run = runs.start(runs.settings(tmp_path / "luffy", model, "luffy", *given))
    require_alike(run)
    assert max(line["sampler_gap_p99"] for line in read_jsonl(run.metrics)) < 1e-3


@pytest.mark.parametrize("method", ["relift", "sft"])
def test_vllm_answers_as_transformers_after_updates_by_demonstrations(
    model: Path, tmp_path: Path, method: str
) -> None:
    run = runs.start(runs.settings(tmp_path / method, model, method))
    require_alike(run)
    require_moved(run, model)


def test_a_killed_run_goes_on_as_if_it_had_not_been(
    bread: RunDir, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bit by bit, which also says that a seed draws the same solutions each time."""
    wanted = runs.settings(tmp_path / "killed", model, "bread")
    monkeypatch.setenv(runs.KILLED_AT, "2")
    with pytest.raises(AssertionError, match="SIGKILL"):
        runs.start(wanted)
    monkeypatch.delenv(runs.KILLED_AT)
    run = runs.start(runs.settings_of_interrupted(Path(wanted.run_dir)))
    ours, theirs = weights(run.model), weights(bread.model)
    assert ours.keys() == theirs.keys()
    assert all((ours[name] == theirs[name]).all() for name in ours)


def test_another_seed_draws_other_solutions(bread: RunDir, model: Path, tmp_path: Path) -> None:
    """To the same questions, by weights that no update has changed."""
    wanted = runs.settings(tmp_path / "other", model, "bread", "seed=7", "train.steps=1")
    drawn = [
        sorted(
            (line["example_id"], line["completion"])
            for line in rollouts(run, 1)
            if not line["prefix"]
        )
        for run in (bread, runs.start(wanted))
    ]
    ours, theirs = ({question for question, _ in one} for one in drawn)
    assert ours & theirs
    assert [one for one in drawn[0] if one[0] in theirs] != [
        one for one in drawn[1] if one[0] in ours
    ]


def test_adapters_are_merged_into_what_vllm_answers_with(model: Path, tmp_path: Path) -> None:
    run = runs.start(runs.settings(tmp_path / "lora", model, "bread", runs.LORA))
    require_alike(run)
    require_close(run)


@pytest.mark.parametrize("engine", ["ddp", "zero2", "zero3"])
def test_each_of_two_ranks_has_an_engine(model: Path, tmp_path: Path, engine: str) -> None:
    given = (f"hardware={engine}", *runs.RANKS)
    run = runs.start(runs.settings(tmp_path / engine, model, "bread", *given))
    for rank in (0, 1):
        require_alike(run, rank)
    require_close(run)
    require_moved(run, model)


def test_an_engine_that_does_not_start_is_told_in_a_line_and_its_cause_in_the_log(
    model: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError) as failed:
        runs.start(runs.settings(tmp_path / "run", model, "sft", "data.max_prompt_tokens=300"))
    told = str(failed.value)
    assert told.startswith(
        "rollout.engine = vllm_colocate: vLLM failed while starting (ValidationError:"
    )
    assert "max_model_len" in told
    assert "data.max_prompt_tokens = 300" in told
    assert "\n" not in told
    assert "Traceback" in (tmp_path / "run" / "log.txt").read_text()
