"""What the pages say of a study that added seeds until it was decided."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hybrid_rl.config.study import PrimarySettings
from hybrid_rl.evaluation.scores import read_rows
from hybrid_rl.recording import looks
from hybrid_rl.recording.files import write_json
from hybrid_rl.recording.looks import Look
from hybrid_rl.reporting.comparison import arms, command, summary, wording
from hybrid_rl.reporting.comparison.compare import Comparison, compare
from hybrid_rl.reporting.comparison.conclusion import conclusion
from hybrid_rl.reporting.comparison.looks import Rule, look
from hybrid_rl.reporting.comparison.markdown_page import markdown
from tests.fakes import studies

SEEDS = {"grpo": [0, 1, 2, 3], "bread": [0, 1, 2], "relift": [0, 1, 2, 3]}
"""The seeds that the reference and the arms got of at most 4, beginning with 2."""


@pytest.fixture
def study(tmp_path: Path, made: Path) -> Path:
    return shutil.copytree(made, tmp_path / "study")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`bread` is better after 3 seeds; `relift`, which does not differ, has all that it may have."""
    path = tmp_path_factory.mktemp("decided")
    studies.write_study(path, {"grpo": 0.3, "bread": 0.95, "relift": 0.3}, (0, 1, 2, 3), 60)
    shutil.rmtree(path / "bread" / "seed_3")
    primary = {"set": "hard", "measure": "greedy"}
    own = {"seeds": [0, 1], "until": "decided", "most_seeds": 4, "margin": None, "primary": primary}
    definition = json.loads((path / "study.json").read_text())
    write_json(path / "study.json", definition | own)
    found = list[Look]()
    for arm in ("bread", "relift"):
        tables = [
            [_scores(path / name / f"seed_{s}") for s in SEEDS[arm]] for name in ("grpo", arm)
        ]
        for n in range(2, len(SEEDS[arm]) + 1):
            earlier = [one.p for one in found if one.arm == arm]
            seen = look(Rule(2, 4, 2), tables[0][:n], tables[1][:n], earlier)
            found.append(Look(arm, SEEDS[arm][:n], **vars(seen), answers="-"))
    assert [one.decision for one in found] == ["open", "better", "open", "open", "undecided"]
    looks.write(path, found)
    return path


def _scores(run: Path) -> list[float]:
    rows = read_rows(run / "eval" / "after" / "hard.jsonl")
    return [row.score("greedy") for row in sorted(rows, key=lambda row: row.id)]


def compared(study: Path) -> Comparison:
    return compare(arms.read([study]))


def test_the_primary_outcome_is_that_of_the_last_look(study: Path) -> None:
    last = looks.last(looks.read(study))
    for figure in compared(study).primary.figures[1:]:
        seen, told = last[figure.arm], figure.together
        assert told is not None
        assert (told.p, told.difference.low, told.difference.high) == (
            seen.p_together, seen.low, seen.high
        )  # fmt: skip
        assert figure.contrast is not None
        assert figure.contrast.difference.value == pytest.approx(seen.difference)
        assert figure.contrast.seeds == len(seen.seeds)
        assert figure.decided == (seen.decision == "better")


def test_the_page_says_what_was_decided_and_at_what_cost(study: Path) -> None:
    text = markdown(compared(study))
    start = text.index("## Seeds until decided")
    assert text[start : text.index("## hard", start)].splitlines()[4:] == [
        "| arm | decision | seeds at the last look | runs | FLOPs | runs of a fixed design | FLOPs of a fixed design |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| grpo | reference | - | 4 | 144 G | 4 | 144 G |",
        "| bread | better | 3 | 3 | 108 G | 4 | 144 G |",
        "| relift | undecided with the most seeds | 4 | 4 | 144 G | 4 | 144 G |",
        "| all | - | - | 11 | 396 G | 12 | 432 G |",
        "",
    ]
    assert "| difference from grpo | p (all looks) | detectable |" in text
    assert "until an arm was better or worse than the reference, or had 4 seeds." in text
    assert "p (corrected) |" not in text


def test_the_conclusion_agrees_with_the_looks(study: Path) -> None:
    told = conclusion(compared(study))
    assert told.startswith("bread is better than grpo by 0.62 [0.50, 0.74]. Not decided: relift (")


def test_a_difference_within_the_margin_is_told(study: Path) -> None:
    found = [
        replace(one, decision="within margin") if one.decision == "undecided" else one
        for one in looks.read(study)
    ]
    looks.write(study, found)
    definition = json.loads((study / "study.json").read_text())
    write_json(study / "study.json", definition | {"margin": 0.4})
    told = conclusion(compared(study))
    assert " relift differs from grpo by less than 0.4, if at all. All of this" in told
    text = markdown(compared(study))
    assert "| relift | within the margin | 4 |" in text
    assert "than the reference, or surely within 0.4 of it, or had 4 seeds." in text


def test_the_html_page_has_the_verdicts(study: Path) -> None:
    command.write([study], study / "report.html")
    page = (study / "report.html").read_text()
    assert '"pName": "p (all looks)"' in page
    assert '["bread", "better", "3", "3", "108 G", "4", "144 G"]' in page


def test_another_outcome_takes_no_account_of_the_looks_and_says_so(study: Path) -> None:
    found = compare(arms.read([study], primary=PrimarySettings(set="hard", measure="avg")))
    assert found.verdicts == []
    assert any("takes no account of the looks, and is too sure" in note for note in found.notes)
    assert not any("takes no account" in note for note in compared(study).notes)
    table = summary.summary(found)
    assert " p (all looks) " not in table[0]
    assert [line for line in table if f"decisions are in {study / 'looks.json'}, and" in line]


def test_the_short_table_has_what_the_looks_decided(study: Path) -> None:
    found = compared(study)
    head, _, _, grpo, bread, relift, _, note = summary.summary(found)
    columns = head.strip("| ").split(" | ")
    start = columns.index("hard: greedy, difference from grpo")
    assert columns[start + 1 : start + 4] == ["p (all looks)", "decision", "seeds at the last look"]
    told = [row.strip("| ").split(" | ")[start : start + 4] for row in (grpo, bread, relift)]
    assert told[0] == ["-", "-", "reference", "-"]
    assert [row[2:] for row in told[1:]] == [
        ["better", "3"],
        ["undecided with the most seeds", "4"],
    ]
    for row, figure in zip(told[1:], found.primary.figures[1:], strict=True):
        assert row[:2] == wording.compared_cells(figure)[:2]
    assert note.startswith("Seeds were added by looks: difference, p and decision are those of the")


def test_runs_of_the_study_without_the_study_take_no_account_of_its_looks_and_say_so(
    study: Path, tmp_path: Path
) -> None:
    found = compare(arms.read([study / "grpo", study / "bread"]))
    assert found.verdicts == []
    told = [
        note for note in found.notes if "takes no account of the looks, and is too sure" in note
    ]
    assert len(told) == 1
    assert told[0].endswith(f" hybrid-rl-report {study.resolve()} shows them.")
    assert summary.summary(found)[-1].startswith("The study added seeds by looks")
    alone = shutil.copytree(study / "grpo", tmp_path / "alone" / "grpo")
    assert compare(arms.read([alone])).arms.sequential is None


def test_runs_that_were_graded_again_since_are_told(study: Path) -> None:
    assert not any("graded again" in note for note in compared(study).notes)
    last = replace(looks.read(study)[-1], difference=0.5)
    looks.write(study, [*looks.read(study)[:-1], last])
    told = [note for note in compared(study).notes if "graded again" in note]
    assert len(told) == 1
    assert told[0].startswith("At the last look, relift differed from the reference by +0.500; by")


def test_an_arm_without_a_look_has_no_conclusion(study: Path) -> None:
    looks.write(study, [one for one in looks.read(study) if one.arm == "relift"])
    found = compared(study)
    bread = next(figure for figure in found.primary.figures if figure.arm == "bread")
    assert bread.together is not None
    assert (bread.together.p, bread.decided) == (1.0, False)
    assert "| bread | open: its last runs failed, or the study was stopped | - | 3 |" in markdown(
        found
    )
