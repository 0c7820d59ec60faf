"""Seeds until decided: which jobs each round runs, what a restart does, and when an arm gets no more seeds."""

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.errors import SettingsError
from hybrid_rl.execution import launch
from hybrid_rl.recording import looks
from hybrid_rl.recording.files import append_json
from hybrid_rl.reporting.comparison.looks import Rule
from hybrid_rl.studies import study, until_decided
from hybrid_rl.studies.jobs import Compose
from hybrid_rl.studies.running import Launched
from tests.fakes import recorded
from tests.studies.conftest import defined, planned

ARMS = {"base": ["method=sft_then_grpo"], "rl": ["method=grpo"], "same": ["method=sft_then_grpo"]}
UNTIL: dict[str, Any] = {
    "arms": ARMS,
    "until": "decided",
    "most_seeds": 5,
    "primary": {"set": "hard", "measure": "greedy"},
}
RIGHT = {"base": [10, 14, 11, 13, 12], "rl": [36, 38, 35, 37, 36], "same": [14, 10, 13, 11, 13]}
"""The questions of 40 that an arm answers, by seed."""


class Faked:
    """A launcher whose runs answer as `right` says; it keeps what it was handed, by batch."""

    def __init__(self, compose: Compose, right: Mapping[str, Sequence[int]]) -> None:
        self.compose = compose
        self.right = right
        self.batches: list[list[str]] = []
        self.fails: dict[str, str] = {}

    def launch(self, jobs: Sequence[Launched]) -> None:
        self.batches.append([f"{path.parent.name} {path.name[5:]}" for _, path in jobs])
        for name, (typed, path) in zip(self.batches[-1], jobs, strict=True):
            run = launch.prepare(self.compose(typed), ["hybrid-rl", *typed], Path())
            if name in self.fails:
                run.write_status("failed", error=self.fails[name], exit_code=2)
                continue
            right = self.right[path.parent.name][int(path.name[5:])]
            made = recorded.rows(["correct"] * right + ["wrong"] * (40 - right), [[]] * 40)
            recorded.write_evaluation(run, "after", "hard", made)
            append_json(run.metrics, {"step": 6, "flops": 1e3})
            run.write_status("done")


@pytest.fixture
def faked(job_settings: Compose) -> Faked:
    return Faked(job_settings, RIGHT)


def run(directory: Path, faked: Faked, **changes: Any) -> int:
    made = planned(directory, faked.compose, **UNTIL | changes)
    return study.run_study(made, ["hybrid-rl"], ["study=two"], directory, faked.launch)


def decisions(directory: Path) -> list[tuple[str, int, str]]:
    return [(one.arm, len(one.seeds), one.decision) for one in looks.read(directory)]


ALL_LOOKS = [
    ("rl", 2, "open"), ("same", 2, "open"),
    ("rl", 3, "better"), ("same", 3, "open"),
    ("same", 4, "open"),
    ("same", 5, "undecided"),
]  # fmt: skip


def test_a_settled_arm_gets_no_more_seeds_and_the_reference_goes_on(
    tmp_path: Path, faked: Faked
) -> None:
    assert run(tmp_path, faked) == 0
    assert faked.batches == [
        ["base 0", "rl 0", "same 0", "base 1", "rl 1", "same 1"],
        ["base 2", "rl 2", "same 2"],
        ["base 3", "same 3"],
        ["base 4", "same 4"],
    ]
    assert decisions(tmp_path) == ALL_LOOKS


def test_looks_json_has_what_each_look_saw(tmp_path: Path, faked: Faked) -> None:
    run(tmp_path, faked)
    found = json.loads((tmp_path / "looks.json").read_text())[2]
    assert (found["arm"], found["seeds"]) == ("rl", [0, 1, 2])
    assert found["difference"] == pytest.approx((36 + 38 + 35 - 10 - 14 - 11) / 120)
    assert found["p"] <= found["level"] < 0.05 * 0.8 / 2
    assert 0 <= found["low"] < found["difference"] < found["high"] <= 1
    assert found["p_together"] <= 0.05


def test_the_same_command_goes_on_where_it_was(tmp_path: Path, faked: Faked) -> None:
    class Killed(Exception):
        pass

    whole = faked.launch

    def killed(jobs: Sequence[Launched]) -> None:
        whole(jobs[:1])
        raise Killed

    made = planned(tmp_path / "a", faked.compose, **UNTIL)

    def third_dies(jobs: Sequence[Launched]) -> None:
        (killed if len(faked.batches) == 2 else whole)(jobs)

    with pytest.raises(Killed):
        study.run_study(made, ["hybrid-rl"], ["study=two"], tmp_path, third_dies)
    assert decisions(tmp_path / "a") == ALL_LOOKS[:4]
    before = looks.read(tmp_path / "a")
    faked.batches = []
    assert run(tmp_path / "a", faked) == 0
    assert faked.batches == [["same 3"], ["base 4", "same 4"]]
    assert looks.read(tmp_path / "a")[:4] == before
    faked.batches = []
    assert run(tmp_path / "b", faked) == 0
    assert looks.read(tmp_path / "a") == looks.read(tmp_path / "b")
    faked.batches = []
    assert run(tmp_path / "a", faked) == 0
    assert faked.batches == []


def test_no_look_is_repeated_with_other_answers(tmp_path: Path, faked: Faked) -> None:
    run(tmp_path, faked, most_seeds=3)
    shutil.rmtree(tmp_path / "rl" / "seed_1")
    with pytest.raises(SettingsError) as caught:
        run(tmp_path, faked, most_seeds=3)
    assert str(caught.value) == (
        f"{tmp_path}: looks.json has a look at rl with 3 seeds that saw other answers than its runs and the reference's"
        " hold now, and no look is repeated with other data; restore them, or give a new run_dir"
    )


def test_an_arm_whose_job_fails_waits_and_the_others_go_on(tmp_path: Path, faked: Faked) -> None:
    faked.fails = {"rl 1": "no disk"}
    assert run(tmp_path, faked) == 1
    assert faked.batches[1:] == [["base 2", "same 2"], ["base 3", "same 3"], ["base 4", "same 4"]]
    assert decisions(tmp_path) == [one for one in ALL_LOOKS if one[0] == "same"]
    faked.fails, faked.batches = {}, []
    assert run(tmp_path, faked) == 0
    assert faked.batches == [["rl 1"], ["rl 2"]]
    assert decisions(tmp_path)[4:] == [one for one in ALL_LOOKS if one[0] == "rl"]


def test_a_settled_arm_still_runs_what_an_open_one_waits_for(tmp_path: Path, faked: Faked) -> None:
    assert run(tmp_path, faked, after={"same": "rl"}) == 0
    assert faked.batches[-2:] == [["base 4", "rl 4"], ["same 4"]]
    assert sorted(decisions(tmp_path)) == sorted(ALL_LOOKS)


def test_a_difference_that_is_surely_within_the_margin_settles_an_arm(
    tmp_path: Path, faked: Faked
) -> None:
    assert run(tmp_path, faked, margin=0.5) == 0
    assert decisions(tmp_path) == [*ALL_LOOKS[:3], ("same", 3, "within margin")]


@pytest.mark.parametrize(
    "changes",
    [{"most_seeds": 6}, {"margin": 0.2}, {"seeds": [0, 1, 2]}, {"arms": ARMS | {"new": []}}],
)
def test_nothing_joins_a_study_that_is_run_until_decided(
    tmp_path: Path, faked: Faked, changes: dict[str, Any]
) -> None:
    run(tmp_path, faked)
    with pytest.raises(SettingsError, match="nothing may join one that adds seeds until it is"):
        run(tmp_path, faked, **changes)


def test_a_study_cannot_become_one_that_is_run_until_decided(tmp_path: Path, faked: Faked) -> None:
    fixed: dict[str, Any] = {"until": None, "most_seeds": None}
    assert run(tmp_path, faked, **fixed) == 0
    with pytest.raises(SettingsError, match="holds another definition of a study"):
        run(tmp_path, faked)


def test_check_tells_the_looks_and_their_levels() -> None:
    """The level of the last look is what the walk leaves of .8 x .05 / 2; early looks have next to nothing."""
    told = until_decided.plan_in_words(defined(**UNTIL | {"most_seeds": 4}))
    first, middle, last = Rule(2, 4, 2).levels()
    assert told == (
        "Seeds until decided: 2 to 4 seeds, 6 to 12 runs."
        f" Error level of each look at an arm: 2 seeds {first:.2g}, 3 seeds {middle:.2g}, 4 seeds {last:.2g}."
    )
    assert first < 0.002 < middle < 0.01 < last < 0.02
