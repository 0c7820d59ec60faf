"""task=audit: what it counts, what it writes and when it fails; no model is loaded."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.tools.audit.audit import run_audit
from hybrid_rl.tools.audit.cases import from_data, from_file
from hybrid_rl.verification.grader import Grader
from tests.conftest import Load

LINES = [
    {"verifier": "numeric", "category": "a", "gold": "5", "solution": "#### 5", "expected": "correct"},
    {"verifier": "numeric", "category": "a", "gold": "5", "solution": "#### 6", "expected": "correct"},
    {"verifier": "numeric", "category": "b", "gold": "5", "solution": "#### 5", "expected": "not correct"},
    {"verifier": "numeric", "category": "b", "gold": "5", "solution": "#### 6", "expected": "not correct"},
    {"gold": "5 6", "solution": "# 5 6", "expected": "not correct", "debatable": True},
]  # fmt: skip


def settings(load: Load, tmp_path: Path, lines: object, *typed: str) -> Settings:
    path = tmp_path / "cases.jsonl"
    rows = lines if isinstance(lines, list) else [lines]
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
    return load("task=audit", f"audit.cases={path}", *typed)


def test_mistakes_are_counted_by_category_and_debatable_ones_apart(
    load: Load, tmp_path: Path
) -> None:
    shown = io.StringIO()
    assert not run_audit(settings(load, tmp_path, LINES), tmp_path, Console(file=shown, width=200))
    found = json.loads((tmp_path / "audit.json").read_text())
    counted = {key: found[key] for key in ("cases", "false_accepts", "false_rejects", "timeouts")}
    assert counted == {"cases": 4, "false_accepts": 1, "false_rejects": 1, "timeouts": 0}
    assert found["debatable"] == {"cases": 1, "false_accepts": 1, "false_rejects": 0, "timeouts": 0}
    assert {one["where"] for one in found["failures"]} == {"line 2", "line 3", "line 5"}
    assert "false accept: b, line 3: gold '5', solution '#### 5' is correct" in shown.getvalue()
    assert found["data"]["false_rejects"] == 0
    assert found["data"]["cases"] > 100
    assert "alone" not in shown.getvalue()


def test_a_verifier_that_no_case_of_the_file_is_judged_by_is_named(
    load: Load, tmp_path: Path
) -> None:
    shown = io.StringIO()
    run_audit(settings(load, tmp_path, LINES[:4]), tmp_path, Console(file=shown, width=200))
    cases = json.loads((tmp_path / "audit.json").read_text())["data"]
    count = cases["cases"] + cases["debatable"]["cases"]
    assert (
        f"reward.verifier = exact: was judged on {count:,} cases of data=ledger alone"
        in shown.getvalue()
    )


def test_limits_are_shares_of_the_firm_cases(load: Load, tmp_path: Path) -> None:
    forgiven = ("audit.false_accepts=0.5", "audit.false_rejects=0.5")
    assert run_audit(
        settings(load, tmp_path, LINES, *forgiven), tmp_path, Console(file=io.StringIO())
    )


def test_all_cases_may_be_judged_by_the_verifier_of_the_run(load: Load, tmp_path: Path) -> None:
    own = "reward.verifier=tests.fakes.user_verifiers.share_of_words"
    asked = settings(load, tmp_path, LINES, own, "audit.own_verifiers=false")
    assert {case.verifier for case in from_file(asked)} == {asked.reward.verifier}
    assert from_file(settings(load, tmp_path, LINES, own))[0].verifier == "numeric"


def test_a_line_ends_at_a_line_feed_alone(load: Load, tmp_path: Path) -> None:
    """JSON allows the other ends of lines that Unicode has within a string, as they are."""
    solution = "so\u2028\u2029\x85\n#### 5"
    case = {"gold": "5", "solution": solution, "expected": "correct"}
    lines = [json.dumps(case, ensure_ascii=False), "\r", json.dumps(LINES[1])]
    found = from_file(settings(load, tmp_path, lines))
    assert [(one.solution, one.where) for one in found] == [
        (solution, "line 1"),
        ("#### 6", "line 3"),
    ]


def test_golds_and_traces_of_the_data_are_cases(load: Load, tmp_path: Path) -> None:
    asked = settings(load, tmp_path, LINES)
    with Grader(asked.reward) as grader:
        cases = from_data(asked, grader)
    kinds = {(case.category, case.correct, case.debatable) for case in cases}
    assert ("gold answers of train", True, False) in kinds
    assert ("traces of train", True, False) in kinds
    assert ("other golds of train", False, True) in kinds


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("{", "line 1 is not JSON"),
        ("[]", "line 1 is no object"),
        ({"gold": 5, "expected": "correct"}, "line 1 has no text as gold and solution"),
        ({"gold": "5", "solution": "5", "expected": "yes"}, "line 1 has expected = 'yes'"),
        ("", "it has no case"),
    ],
)
def test_a_file_that_holds_no_cases_is_refused(
    load: Load, tmp_path: Path, line: object, told: str
) -> None:
    asked = settings(load, tmp_path, line)
    with pytest.raises(SettingsError) as caught:
        from_file(asked)
    assert f"audit.cases = {asked.audit.cases}: {told}; a line is " in str(caught.value)
