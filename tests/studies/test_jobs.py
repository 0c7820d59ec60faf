"""The jobs of a study: what is typed for one of the comparison, and for one of the tuning."""

from pathlib import Path
from typing import Any

from hybrid_rl.studies.jobs import Blueprint, Compose, work_in_words
from tests.conftest import Load
from tests.studies.conftest import defined, tuned


def blueprint(directory: Path, compose: Compose, **changes: Any) -> Blueprint:
    return Blueprint(defined(tune=tuned(**changes)), ("train.steps=7",), directory, compose)


def test_chosen_settings_stand_after_the_arms_own_words_and_before_the_command_lines(
    tmp_path: Path, job_settings: Compose
) -> None:
    job = blueprint(tmp_path, job_settings).job("rl", 1, ["train.rl.learning_rate=0.001"])
    assert job.typed == (
        "method.group_size=4", "method=grpo", "train.rl.learning_rate=0.001", "train.steps=7",
        "name=two-rl", "seed=1", f"run_dir='{tmp_path}/rl/seed_1'",
    )  # fmt: skip
    assert (job.label, job.where) == ("rl seed 1", "study.arms.rl")
    assert job.settings.train.rl.learning_rate == 0.001


def test_a_trial_looks_at_no_test_set_and_has_the_tunings_own_words_last(
    tmp_path: Path, job_settings: Compose
) -> None:
    made = blueprint(tmp_path, job_settings, common=["train.steps=5"])
    job = made.trial("rl", 2, ["train.rl.learning_rate=0.001"], 1000)
    assert job.typed == (
        "method.group_size=4", "method=grpo", "train.rl.learning_rate=0.001", "train.steps=7",
        "train.steps=5", "eval.sets=[]", "eval.before=false", "eval.best=false", "eval.samples=0",
        "eval.dev_samples=0", "name=two-rl-trial_2", "seed=1000", f"run_dir='{tmp_path}/tune/rl/trial_2/seed_1000'",
    )  # fmt: skip
    assert (job.label, job.where) == ("tuning rl, trial 2 seed 1000", "study.tune.space.rl")
    assert (job.settings.train.steps, job.settings.eval.sets) == (5, [])


def test_dev_is_sampled_where_trials_are_chosen_by_samples(
    tmp_path: Path, job_settings: Compose
) -> None:
    made = blueprint(tmp_path, job_settings, measure="avg")
    assert made.trial("rl", 0, (), 1000).settings.eval.samples == 4


def test_the_work_of_runs_is_their_number_times_the_limits_that_all_have(load: Load) -> None:
    plain, short = load("method=grpo"), load("method=sft", "train.steps=30")
    assert work_in_words("A", 1200, [plain, plain]) == "A = 1,200 runs, each of 140 steps."
    assert work_in_words("A", 12, [plain, short]) == "A = 12 runs."
    words = ["budget.flops=2e9", "train.epochs=3"]
    both = [load("method=sft", *words, "budget.traces_used=5"), load("method=grpo", *words)]
    assert work_in_words("A", 4, both) == (
        "A = 4 runs, each with budget.flops = 2e+09 and train.epochs = 3: at most about 8e+09 FLOPs, estimated."
    )
