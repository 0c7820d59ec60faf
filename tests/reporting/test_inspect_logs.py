"""The logs that Inspect reads back have the solutions, the verdicts and the accuracies of the run."""

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("inspect_ai", reason="needs the extra inspect")

from inspect_ai.log import list_eval_logs, read_eval_log

from hybrid_rl.recording.files import read_json, write_json
from hybrid_rl.reporting import inspect_logs
from hybrid_rl.reporting.comparison import command
from hybrid_rl.reporting.record import RunRecord
from tests.fakes import recorded


def exported(path: Path) -> dict[tuple[str, ...], Any]:
    """The logs of a run by their tags, as Inspect reads them from the directory."""
    run = recorded.write_run(path / "run")
    how = {"eval": {"temperature": 0.7, "top_p": 0.9, "max_completion_tokens": None}}
    how["train"] = {"steps": 12, "max_completion_tokens": 64}
    how["reward"] = {"name": "exact", "verifier": "exact"}
    write_json(run.settings, read_json(run.settings) | how)
    assert len(inspect_logs.write(RunRecord.read(run.path), path / "logs")) == 4
    read = [read_eval_log(one) for one in list_eval_logs(str(path / "logs"))]
    return {tuple(log.eval.tags): log for log in read}


def test_each_evaluation_is_a_log_with_our_accuracies(tmp_path: Path) -> None:
    """Worked by hand from `recorded`: 0 -> 3 of 4 greedy, 1 -> 5 of 8 samples."""
    logs = exported(tmp_path)
    found = {tags: log.results.scores[0].metrics["accuracy"].value for tags, log in logs.items()}
    assert found == {
        ("before", "greedy"): 0.0,
        ("before", "avg@2"): 1 / 8,
        ("after", "greedy"): 3 / 4,
        ("after", "avg@2"): 5 / 8,
    }
    metrics = logs["after", "avg@2"].results.scores[0].metrics
    assert [metrics[name].value for name in ("accuracy_low", "accuracy_high")] == [0.25, 1.0]
    assert [metrics[name].value for name in ("pass@2", "maj@2")] == [0.75, 0.75]


def test_the_accuracy_of_a_log_is_that_of_its_samples(tmp_path: Path) -> None:
    for log in exported(tmp_path).values():
        verdicts = [sample.scores["exact"].value == "C" for sample in log.samples]
        assert len(verdicts) == 4 * log.eval.config.epochs == log.results.total_samples
        accuracy = log.results.scores[0].metrics["accuracy"].value
        assert sum(verdicts) / len(verdicts) == accuracy


def test_a_sample_has_question_solution_and_verdict(tmp_path: Path) -> None:
    sample = exported(tmp_path)["before", "greedy"].samples[2]
    assert (sample.id, sample.epoch, sample.input, sample.target) == ("q2", 1, "What is 2?", "7")
    assert [one.role for one in sample.messages] == ["user", "assistant"]
    assert sample.output.completion == "truncated text of q2"
    assert (sample.output.stop_reason, sample.output.usage.output_tokens) == ("max_tokens", 10)
    score = sample.scores["exact"]
    assert (score.value, score.answer, score.explanation) == ("I", None, "truncated")
    assert sample.metadata == {"level": "10"}


def test_an_answer_is_the_gold_one_or_what_the_solution_states(tmp_path: Path) -> None:
    sampled = exported(tmp_path)["before", "avg@2"].samples
    answers = {one.scores["exact"].explanation: one.scores["exact"].answer for one in sampled}
    assert answers == {"correct": "7", "wrong": "wrong", "timeout": None}


def test_how_it_was_sampled_and_what_ran_is_there_and_no_path(tmp_path: Path) -> None:
    logs = exported(tmp_path)
    greedy, sampled = logs["after", "greedy"].eval, logs["after", "avg@2"].eval
    assert (greedy.model_generate_config.temperature, greedy.config.epochs) == (0.0, 1)
    drawn = sampled.model_generate_config
    assert (drawn.temperature, drawn.top_p, drawn.max_tokens) == (0.7, 0.9, 64)
    assert (greedy.task, greedy.task_display_name) == ("hard", "hard, greedy")
    assert greedy.model == "hybrid-rl/demo-seed3-after"
    assert (greedy.revision.commit, greedy.packages) == ("abc123", {"torch": "2.13.0"})
    assert greedy.metadata["fingerprint"] == "9c3e"
    assert str(tmp_path) not in sampled.model_dump_json()


def test_the_command_exports_and_an_export_again_replaces_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.write_run(tmp_path / "run")
    out = tmp_path / "logs"
    for _ in range(2):
        assert command.run([str(tmp_path / "run"), "--inspect", str(out)]) == 0
    assert len(list(out.iterdir())) == 4
    line = f"4 logs; inspect view --log-dir {out}\n"
    assert capsys.readouterr().out == 2 * line


def test_a_run_without_an_evaluation_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded.write_run(tmp_path / "run", finished=False)
    out = tmp_path / "logs"
    assert command.run([str(tmp_path / "run"), "--inspect", str(out)]) == 2
    assert not out.exists()
    assert capsys.readouterr().err == (
        f"--inspect {out}: these runs have no evaluation; task=evaluate makes one\n"
    )
