"""README and the pages in docs/ do what they say: their files are written, and blocks marked `bash run` are run."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hybrid_rl.config.composing import config_dir
from hybrid_rl.verification.grader import Grader, Solution
from tests.fakes import documents, reward
from tests.fakes.documents import PAGES
from tests.fakes.places import ROOT

ALL = "\n".join(PAGES.values())
SMALL = (
    "train.steps=2 train.prompts_per_step=2 train.sft.batch_size=2 train.max_completion_tokens=64"
    " train.eval_every=null data.dev=4 eval.samples=0 eval.limit=2 hardware=cpu"
)
"""What makes a run of a pretrained model small enough for a test; it replaces what a page says, so it is not tested."""


def run(commands: str, home: Path, extra: str = "") -> None:
    """Runs the commands of a page in `home`, each with `extra` settings behind its own, and studies with one seed."""
    shim = home / "bin" / "hybrid-rl"
    shim.parent.mkdir()
    one_seed = 'case "$*" in *study=*) set -- "$@" "study.seeds=[0]";; esac'
    shim.write_text(f'#!/bin/sh\n{one_seed}\nexec "{sys.executable}" -m hybrid_rl "$@" {extra}\n')
    shim.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{shim.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "HF_HUB_OFFLINE": "1",
    }
    done = subprocess.run(
        ["sh", "-e"], input=commands, cwd=home, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.slow
def test_the_first_commands_run(tmp_path: Path) -> None:
    run(documents.commands(PAGES["docs/start.md"]), tmp_path)
    assert (tmp_path / "runs" / "first" / "report.md").is_file()


@pytest.mark.slow
def test_the_method_of_ones_own_runs_and_its_note_is_in_the_report(tmp_path: Path) -> None:
    page = PAGES["docs/own.md"]
    documents.write(documents.files(page), tmp_path)
    run(documents.commands(page), tmp_path)
    report = (tmp_path / "runs" / "rescue" / "report.md").read_text()
    [label] = re.findall(r'Note\("(.*?)"', page)
    assert re.search(rf"^\| {label}, mean \|", report, re.MULTILINE), report


@pytest.mark.slow
def test_own_data_model_and_reward_are_compared(tmp_path: Path) -> None:
    """The example of README, with more questions, a random model and less training than it has."""
    pytest.importorskip("torch")
    from tests.fakes import text_model

    page = PAGES["docs/own.md"]
    shown = documents.files(page)
    row = json.loads(shown["train.jsonl"])
    assert row.keys() == {"question", "answer", "solution", "unit"}
    rows = [
        {
            "question": f"A pen costs {price} dollars. What do 2 pens cost?",
            "answer": str(2 * price),
            "solution": f"Each pen costs {price}.\n2 * {price} = {2 * price}\nIt is {2 * price} dollars",
            "unit": "dollars",
        }
        for price in range(3, 19)
    ]
    shown["train.jsonl"] = "".join(json.dumps(one) + "\n" for one in rows)
    preset = "my_conf/experiment/words.yaml"
    named = re.findall(r"path: (Qwen\S+?)\}", shown[preset])
    assert len(named) == 1
    model = text_model.save(tmp_path / "model")
    shown[preset] = shown[preset].replace(named[0], str(model))
    documents.write(shown, tmp_path)
    run(documents.commands(page, "small"), tmp_path, SMALL)
    study = tmp_path / "runs" / "studies" / "words"
    assert (study / "report.html").is_file()
    for arm in ("sft_then_grpo", "bread"):
        status = json.loads((study / arm / "seed_0" / "status.json").read_text())
        assert status["state"] == "done"


def test_the_reward_of_several_terms_adds_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = PAGES["docs/own.md"]
    shown = {one.words[1]: one.content for one in documents.blocks(page) if "terms" in one.words}
    documents.write(documents.files(page) | shown, tmp_path)
    own = yaml.safe_load(shown["my_conf/reward/brief.yaml"])
    assert own.pop("defaults") == ["base", "_self_"]
    monkeypatch.syspath_prepend(tmp_path)
    twice = "4 * 3 = 12 dollars\n4 * 3 = 12 dollars\n4 * 3 = 12 dollars\n4 * 3 = 12 dollars"
    row = {"unit": "dollars", "prompt": "What do 4 pens cost?"}
    with Grader(reward.settings("exact", **own)) as grader:
        verdicts = grader.grade(
            [Solution("12", twice, columns=row, tokens=56), Solution("12", "13", columns=row)]
        )
    assert [one.outcome for one in verdicts] == ["correct", "wrong"]
    assert [one.reward for one in verdicts] == pytest.approx([1 - 0.25 + 0.1 - 0.15, 0])


def test_a_file_or_a_command_that_two_pages_show_is_the_same_in_both() -> None:
    """So that what README shows is tested where the documents show it."""
    readme = PAGES["README.md"]
    shown = documents.files(PAGES["docs/own.md"])
    assert documents.files(readme) == shown
    for words in ((), ("small",)):
        assert documents.commands(readme, *words) == documents.commands(
            PAGES["docs/own.md"], *words
        )


def test_readme_is_short() -> None:
    """One screen and a half of text; the files that it shows come on top."""
    text = re.sub(r"^```.*?^```$", "", PAGES["README.md"], flags=re.MULTILINE | re.DOTALL)
    assert len([line for line in text.splitlines() if line.strip()]) <= 60


def test_the_options_that_pages_name_are_there() -> None:
    for group, option in re.findall(
        r"\b(method|model|data|hardware|reward|experiment|study|tracker|rollout)=([a-z]\w*\b)(?!\.\.)",
        ALL,
    ):
        shown = f"my_conf/{group}/{option}.yaml" in ALL
        known = (config_dir() / group / f"{option}.yaml").is_file()
        assert shown or known or option in ("mine", "null"), f"{group}={option}"


def test_the_folders_and_files_of_the_code_are_there() -> None:
    tree = PAGES["docs/code.md"]
    names = re.findall(r"\b[a-z_]+(?:\.py\b|/)", tree.partition("```")[2])
    assert {"training/", "run.py"} <= set(names)
    for name in names:
        assert any((ROOT / "hybrid_rl").rglob(name.rstrip("/"))), name


def test_the_make_targets_that_pages_name_are_there_and_have_help() -> None:
    makefile = (ROOT / "Makefile").read_text()
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", ALL, re.MULTILINE))
    assert {"demo", "test", "docs", "matrix"} <= named
    for target in named:
        assert re.search(rf"^{target}:.*## ", makefile, re.MULTILINE), target
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_method_has_a_page_with_a_place_for_its_settings_or_is_one_of_the_published_recipes() -> (
    None
):
    for name in (file.stem for file in (config_dir() / "method").glob("*.yaml")):
        page = PAGES.get(f"docs/methods/{name}.md")
        if page is None:
            assert f"`{name}`" in PAGES["docs/hybrids.md"], name
        else:
            assert f"<!-- settings of {name} -->" in page
            assert f"]({name}.md)" in PAGES["docs/methods/README.md"], name


def test_the_paths_that_contributing_names_are_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    paths = set(re.findall(r"`((?:\w+/)*\w+(?:\.py|\.md|\.toml|\.yaml|/))`", text))
    assert {"pyproject.toml", "config/rules.py", "conf/method/"} <= paths
    for path in paths:
        assert (ROOT / path).exists() or (ROOT / "hybrid_rl" / path).exists(), path
