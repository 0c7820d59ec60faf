"""A verifier from outside the package, with members of its own, serves training and evaluation alike."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from hybrid_rl.errors import SettingsError
from hybrid_rl.evaluation.rescore import rescore
from hybrid_rl.recording.files import read_jsonl, write_json, write_jsonl, write_text
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.verification.grader import Grader, Solution
from tests.conftest import Load
from tests.fakes.reward import settings

MINE = "tests.fakes.user_verifiers"
ANSWERED = """
{"id": "one", "level": null, "prompt": "p", "answer": "ab",
 "greedy": {"completion": "So <AB>.", "outcome": "wrong", "tokens": 2, "truncated": false, "vote": null},
 "samples": [
  {"completion": "<ab>", "outcome": "wrong", "tokens": 2, "truncated": false, "vote": null},
  {"completion": "<xy>", "outcome": "wrong", "tokens": 2, "truncated": false, "vote": null},
  {"completion": "Maybe <XY>", "outcome": "wrong", "tokens": 2, "truncated": false, "vote": null},
  {"completion": "nothing", "outcome": "wrong", "tokens": 2, "truncated": false, "vote": null}]}
"""


def mine(name: str, **changes: float) -> Grader:
    return Grader(settings("exact", verifier=f"{MINE}.{name}", **changes))


@pytest.mark.parametrize("name", ["Letters", "LETTERS", "Nearby"])
def test_a_class_or_an_object_decides_all_that_depends_on_how_answers_are_written(
    name: str,
) -> None:
    with mine(name) as grader:
        texts = ["so <AB>", "so <b>", "so ab"]
        verdicts = grader.grade([Solution("ab", text) for text in texts])
        assert [verdict.outcome for verdict in verdicts] == ["correct", "wrong", "unparseable"]
        assert grader.answer_start("The answer is <ab>") == len("The answer is ")
        assert grader.vote("ab", "<B> or <X>") == grader.vote("ab", "<x>") == "letters x"
        assert grader.check_golds(["ab", "a1", " "]) == [
            None,
            "a solution that states it is unparseable",
            "it is empty",
        ]


@pytest.mark.parametrize(("name", "here"), [("Letters", False), ("Nearby", True)])
def test_it_is_called_in_the_process_of_the_run_only_where_it_says_so(
    name: str, here: bool
) -> None:
    with mine(name) as grader:
        assert (grader.vote("", "where?") == str(os.getpid())) == here


def test_members_that_fail_cost_no_run_but_a_hint_is_never_cut_blindly() -> None:
    with mine("Broken", timeout_seconds=1.0) as grader:
        assert grader.check_golds(["ab"]) == ["it took longer than 1 seconds"]
        assert grader.vote("ab", "a text") == "atext"
        assert grader.first_error == "KeyError: 'no vote' (user_verifiers.py:111)"
        with pytest.raises(SettingsError) as raised:
            grader.answer_start("<ab>")
    assert str(raised.value) == (
        f"reward.verifier = {MINE}.Broken: its answer_start must return a position in the text (it returned '-1');"
        " correct the verifier"
    )


def outcomes(grader: Grader, texts: Sequence[str], **columns: object) -> list[str]:
    found = grader.grade([Solution("4", text, columns=columns) for text in texts])
    return [verdict.outcome for verdict in found]


@pytest.mark.parametrize("name", ["within", "Tolerant"])
def test_columns_of_the_row_come_by_name(name: str) -> None:
    with mine(name) as grader:
        assert outcomes(grader, ["5", "7"], tolerance=1, level=3) == ["correct", "wrong"]
        assert outcomes(grader, ["5", "7"], tolerance=3) == ["correct", "correct"]
        assert grader.check_golds(["4", "a"], [{"tolerance": 0}] * 2)[0] is None
        with pytest.raises(SettingsError) as raised:
            outcomes(grader, ["5"])
    assert str(raised.value) == (
        f"reward.verifier = {MINE}.{name}: asks for tolerance, and what is graded comes without; give the parameter a"
        " default value, or grade where the rows of the data are read"
    )


def test_a_function_for_trl_sees_all_solutions_of_a_question_and_of_no_other() -> None:
    with mine("longest", workers=2) as grader:
        both = [
            Solution("", text, columns={"prompt": prompt})
            for prompt, text in [("p", "abc"), ("q", "a"), ("p", "ab"), ("p", "abc"), ("q", "")]
        ]
        grader.verify_early(both[2])  # alone it would be the longest
        found = [verdict.outcome for verdict in grader.grade(both)]
    assert found == ["correct", "correct", "wrong", "correct", "wrong"]


def test_of_many_solutions_an_absurd_one_costs_only_itself() -> None:
    with mine("obeys_all", timeout_seconds=1.0) as grader:
        found = outcomes(grader, ["yes", "raise", "no"], prompt="p")
        assert found == ["correct", "unparseable", "wrong"]
        found = outcomes(grader, ["yes", "sleep", "no", "exit"], prompt="p")
        assert found == ["correct", "timeout", "wrong", "timeout"]


def test_a_function_for_conversations_gets_messages_where_it_is_said() -> None:
    with mine("in_tags", as_messages=True) as grader:
        assert outcomes(grader, ["<a>", "a"], prompt="p") == ["correct", "wrong"]
    with mine("in_tags") as grader:
        assert outcomes(grader, ["<a>", "a"], prompt="p") == ["unparseable"] * 2


def test_an_object_that_lacks_members_is_refused_by_their_names() -> None:
    with (
        mine("WithoutVote") as grader,
        pytest.raises(
            SettingsError,
            match=rf"\(TypeError: {MINE}.WithoutVote has no method answer_start and no method vote\); give",
        ),
    ):
        grader.grade([Solution("", "")])


def test_saved_solutions_are_graded_again_with_the_columns_of_their_row(tmp_path: Path) -> None:
    saved = RunDir(tmp_path / "old").evaluation("after")
    row = json.loads(ANSWERED.replace("ab", "5").replace("xy", "8")) | {"answer": "4"}
    asked = row | {"columns": {"tolerance": 1, "unit": ">"}}
    write_jsonl(saved / "hard.jsonl", [asked, row | {"id": "two"}])
    write_jsonl(saved / "easy.jsonl", [asked])
    write_json(saved / "summary.json", {"seed": 0, "sets": {}})
    with mine("after_the_bracket") as grader:
        found = rescore(tmp_path / "old", ["easy"], grader, tmp_path / "new")["easy"]
        with pytest.raises(SettingsError, match="asks for tolerance"):
            rescore(tmp_path / "old", ["hard"], grader, None)
    assert found.avg is not None
    assert found.avg.value == 0.25
    [line] = read_jsonl(tmp_path / "new" / "easy.jsonl")
    assert line["columns"] == {"tolerance": 1, "unit": ">"}


def test_its_votes_decide_the_majority_of_an_evaluation(tmp_path: Path) -> None:
    """Two of four state xy, in two spellings; by their texts alone no two would agree, and the first, ab, would win."""
    saved = RunDir(tmp_path / "old").evaluation("after")
    write_text(saved / "hard.jsonl", ANSWERED.replace("\n", "") + "\n")
    write_json(saved / "summary.json", {"seed": 0, "sets": {}})
    with mine("Letters") as grader:
        found = rescore(tmp_path / "old", ["hard"], grader, tmp_path / "new")["hard"]
    [row] = read_jsonl(tmp_path / "new" / "hard.jsonl")
    assert [sample["vote"] for sample in row["samples"]] == [
        "correct",
        "wrong: letters xy",
        "wrong: letters xy",
        None,
    ]
    assert found.greedy.value == 1.0
    assert found.maj is not None
    assert found.maj.value == 0.0


@pytest.mark.slow
def test_a_whole_run_with_it_is_the_run_of_the_built_in_one_that_judges_alike(
    load: Load, tmp_path: Path
) -> None:
    """BREAD shows hints, so that the run also depends on where the answers of traces begin."""
    pytest.importorskip("torch")
    from hybrid_rl import run
    from hybrid_rl.execution import launch

    trained = []
    for name in ("exact", f"{MINE}.Ledger"):
        options = ("experiment=smoke", "method=bread", f"reward.verifier={name}")
        made = load(*options, f"run_dir={tmp_path / name}")
        directory = launch.prepare(made, ["hybrid-rl"], Path.cwd())
        run.run(made)
        votes = {
            sample["vote"]
            for row in read_jsonl(directory.evaluation("after") / "hard.jsonl")
            for sample in row["samples"]
        }
        assert any("ledger" in (vote or "") for vote in votes) == (name != "exact")
        trained.append(
            [
                {key: value for key, value in line.items() if not key.endswith("_seconds")}
                for line in read_jsonl(directory.metrics)
            ]
        )
    assert trained[0] == trained[1]
