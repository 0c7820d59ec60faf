"""A method from outside the package, as a user would add it: a class, a YAML file and --config-dir, nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting.comparison import command
from tests.fakes.places import ROOT

CLASS = '''
"""SFT after every RL update; it remembers how many questions it has seen."""

from pydantic import Field

from hybrid_rl.methods.base import Method, MethodSettings, Note, Plan
from hybrid_rl.types import Update


class TurnsSettings(MethodSettings):
    group_size: int = Field(ge=2)

    def plan(self, steps):
        return Plan(fewest=steps // 2, expected=steps // 2)


class Turns(Method[TurnsSettings]):
    needs_traces = True
    notes = {
        "seen": Note("questions seen", "total"),
        "hope": Note("hope for the next group", "share"),
        "luck": Note("luck of a group", "mean", of="group"),
    }
    seen = 0

    def rollout(self, step, examples, attempt):
        groups = super().rollout(step, examples, attempt)
        for group in groups:
            group.note["luck"] = 7
        return groups

    def next_update(self, step, progress):
        return Update("sft" if step % 2 else "rl", note={"seen": self.seen, "hope": 0.25})

    def observe_results(self, step, results):
        self.seen += len(results)

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]
'''
YAML = """\
_target_: my_methods.turns.Turns
name: turns
group_size: 4
"""

EXPERT_IN_GROUP = """
from dataclasses import replace

from pydantic import Field

from hybrid_rl.methods.base import Method, MethodSettings
from hybrid_rl.methods.terms import Term, judged
from hybrid_rl.types import Attempt, Group


class ExpertSettings(MethodSettings):
    group_size: int = Field(ge=2)


class Expert(Method[ExpertSettings]):
    needs_traces = True

    def rollout(self, step, examples, attempt):
        size = self.settings.group_size
        asked = [(e, e.trace.ids if place == 0 else None) for e in examples for place in range(size)]
        rollouts = attempt([Attempt(e, completion=given) for e, given in asked])
        return [Group(e, tuple(rollouts[i * size : (i + 1) * size])) for i, e in enumerate(examples)]

    def terms(self, step, update, groups, demonstrations):
        rows = [row for group in groups for row in judged(group)]
        size = self.settings.group_size
        return [Term([replace(r, factor="one" if i % size else "shaped") for i, r in enumerate(rows)])]
"""
"""LUFFY's mechanism, in 25 lines besides blank ones."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """The user's directory."""
    (tmp_path / "my_methods").mkdir()
    (tmp_path / "my_methods" / "turns.py").write_text(CLASS)
    (tmp_path / "my_conf" / "method").mkdir(parents=True)
    (tmp_path / "my_conf" / "method" / "turns.yaml").write_text(YAML)
    return tmp_path


def hybrid_rl(home: Path, *arguments: str) -> str:
    """What the command prints, of a process in the user's directory."""
    done = subprocess.run(
        [sys.executable, "-m", "hybrid_rl", *arguments],
        cwd=home, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_help_lists_it_among_the_methods(home: Path) -> None:
    assert re.search(r"\nmethod: .*\bturns\b", hybrid_rl(home, "--config-dir", "my_conf", "--help"))


@pytest.mark.slow
def test_it_trains_and_resumes_and_its_notes_are_labelled_in_both_reports(home: Path) -> None:
    pytest.importorskip("torch")
    own = ("--config-dir", "my_conf", "method=turns")
    hybrid_rl(home, *own, "experiment=smoke", "eval.before=false", "run_dir=run")
    run = RunDir(home / "run")
    straight = read_jsonl(run.decisions)
    assert [line["kind"] for line in straight] == ["rl", "sft", "rl", "sft"]
    assert [line["note"]["seen"] for line in straight] == [0, 2, 2, 4]

    shutil.rmtree(run.checkpoints / "checkpoint-4")
    shutil.rmtree(run.model)
    run.report.unlink()
    run.write_status("failed")
    hybrid_rl(home, "resume=run")
    assert read_jsonl(run.decisions) == straight
    assert run.read_status()["state"] == "done"

    report = run.report.read_text(encoding="utf-8")
    assert "| questions seen, so far | 0 | 2 | 4 |" in report
    assert "| hope for the next group, mean | 0.25 | 0.25 | 0.25 |" in report
    assert "| luck of a group, mean | 7 | 7 | - |" in report

    assert command.run([str(run.path), "--out", str(home / "page.html")]) == 0
    page = (home / "page.html").read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    panels = {panel["title"]: panel for panel in json.loads(found[1])["arms"][0]["panels"]}
    assert panels["questions seen"]["values"] == [0, 2, 2, 4]
    assert (panels["hope for the next group"]["top"], panels["luck of a group"]["top"]) == (1, None)
    assert panels["luck of a group"]["values"] == [7, None, 7, None]


@pytest.mark.slow
def test_the_mechanism_of_luffy_takes_a_user_25_lines(home: Path) -> None:
    """And does what the shipped method does."""
    pytest.importorskip("torch")
    assert sum(bool(line.strip()) for line in EXPERT_IN_GROUP.splitlines()) <= 25
    (home / "my_methods" / "expert.py").write_text(EXPERT_IN_GROUP)
    yaml = "_target_: my_methods.expert.Expert\nname: expert\ngroup_size: 4\n"
    (home / "my_conf" / "method" / "expert.yaml").write_text(yaml)
    small = ("experiment=smoke", "eval=none", "train.steps=2", "train.save_every=null",
             "train.eval_every=null", "method.group_size=4")  # fmt: skip
    hybrid_rl(home, "--config-dir", "my_conf", "method=expert", *small, "run_dir=own")
    hybrid_rl(home, "method=luffy", "method.filter=false", *small, "run_dir=shipped")
    own, shipped = (read_jsonl(RunDir(home / name).metrics) for name in ("own", "shipped"))
    assert [line["step"] for line in own] == [1, 2]
    for ours, theirs in zip(own, shipped, strict=True):
        for name in (
            "loss",
            "grad_norm",
            "reward_mean",
            "generated_tokens",
            "flops",
            "term/0/weight",
        ):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-5), name
