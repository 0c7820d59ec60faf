"""The tables on the terminal at the end of a run."""

import io

from rich.console import Console

from hybrid_rl.reporting import closing_table
from tests.fakes.summaries import summary


def test_the_closing_table_has_a_row_per_measure() -> None:
    made = Console(file=io.StringIO(), width=160)
    closing_table.show_results(
        {"hard": summary(0.25)}, {"hard": summary(0.5, 4), "easy": summary(0.75)}, console=made
    )
    rows = [
        [cell.strip() for cell in row.split("│")[1:-1]]
        for row in made.file.getvalue().splitlines()
        if "│" in row
    ]
    assert rows == [
        ["hard", "64", "greedy", "0.250 [0.150, 0.350]", "0.500 [0.400, 0.600]"],
        ["", "", "avg@4", "-", "0.500 [0.400, 0.600]"],
        ["", "", "maj@4", "-", "0.500 [0.400, 0.600]"],
        ["", "", "pass@4", "-", "0.750 [0.700, 0.800]"],
        ["easy", "64", "greedy", "-", "0.750 [0.650, 0.850]"],
    ]


def rows(made: Console) -> list[list[str]]:
    assert isinstance(made.file, io.StringIO)
    lines = made.file.getvalue().splitlines()
    return [[cell.strip() for cell in row.split("│")[1:-1]] for row in lines if "│" in row]


def test_what_training_saw_on_dev_has_a_row_unless_dev_is_a_set_of_its_own() -> None:
    looks = [{"step": 0, "greedy": 0.125}, {"step": 20, "greedy": 0.5}]
    made = Console(file=io.StringIO(), width=160)
    closing_table.show_results({}, {}, looks, made)
    assert rows(made) == [["dev, while training", "", "greedy", "0.125", "0.500"]]
    made = Console(file=io.StringIO(), width=160)
    closing_table.show_results({}, {"easy": summary(0.75)}, looks[1:], made)
    assert rows(made)[-1] == ["dev, while training", "", "greedy", "-", "0.500"]
    made = Console(file=io.StringIO(), width=160)
    closing_table.show_results({}, {"dev": summary(0.75)}, looks, made)
    assert [row[0] for row in rows(made)] == ["dev"]


def test_a_model_that_was_not_trained_has_one_column() -> None:
    made = Console(file=io.StringIO(), width=160)
    closing_table.show_evaluation({"hard": summary(0.25)}, made)
    assert rows(made) == [["hard", "64", "greedy", "0.250 [0.150, 0.350]"]]
    assert isinstance(made.file, io.StringIO)
    assert "before" not in made.file.getvalue()


def test_the_arms_of_a_study_have_a_row_each() -> None:
    made = Console(file=io.StringIO(), width=160)
    closing_table.show_arms(["arm", "seeds"], [["bread", "2"], ["grpo", "1"]], made)
    assert rows(made) == [["bread", "2"], ["grpo", "1"]]


def test_without_an_evaluation_there_is_no_table() -> None:
    made = Console(file=io.StringIO(), width=160)
    closing_table.show_results({}, {}, console=made)
    assert made.file.getvalue() == ""


def test_the_checks_of_an_engine_end_with_advice() -> None:
    made = Console(file=io.StringIO(), width=160)
    checks = [("SFT gradient", "pass", "off by 1e-7"), ("RL gradient", "FAIL", "off by 0.1")]
    closing_table.show_checks("zero2", {"torch": "2.13.0"}, checks, "do not train here", made)
    lines = made.file.getvalue().splitlines()
    assert lines[0].split() == ["torch", "2.13.0"]
    assert "checks of hardware=zero2" in lines[1]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in lines if "│" in line]
    assert rows == [list(check) for check in checks]
    assert lines[-1] == "advice: do not train here"
