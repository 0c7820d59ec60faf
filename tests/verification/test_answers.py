"""What the verifiers that run in this process read as an answer."""

import json
import re
from fractions import Fraction

import pytest

from hybrid_rl.verification import answers, exact, numeric, roles
from tests.fakes.places import SHARED_DATA as DATA

NUMBERS = {
    "#### 42": "42",
    "She has 7.\n#### $1,234.50": "1234.5",
    "#### -5": "-5",
    "#### \u22125": "-5",
    "#### -$5": "-5",
    "#### 18 dollars per 3 cows": "18",
    "#### 3 + 4 = 7": "7",
    "#### 5 (since 10/2=5)": "5",
    "#### 20%": "20",
    "#### 42.": "42",
    "#### **42**": "42",
    "#### 3/4": "3/4",
    "#### 3 1/2": "7/2",
    "#### .5": "1/2",
    "#### 1e3": "1000",
    "####5</answer>": "5",
    "#### x = 5": "5",
    "#### 5\nNo, one cow more.\n#### 6": "6",
    "#### 5\n#### Explanation": "5",
    "#### 5\n#### 2. Count the cows": "5",
    "#### \u0664\u0662": "42",
    "#### \uff14\uff12": "42",
    "#### 1\u202f234": "1234",
    r"\boxed{3} so \boxed{42}": "42",
    r"\boxed{1{,}234}": "1234",
    r"\boxed{-\dfrac34}": "-3/4",
    r"\boxed{\$18}": "18",
    r"\boxed{18\%}": "18",
    r"\boxed{5 \text{ apples}}": "5",
    r"\boxed{\boxed{5}}": "5",
    "The answer is $42.": "42",
    "**Final Answer**: 42 apples": "42",
    "The answer is:\n\n42": "42",
    "<answer>42</answer>": "42",
    r"The answer is \(\frac{1}{2}\).": "1/2",
    "The answer is that she pays 42 dollars.": "42",
    "The answer to the question is therefore 9.": "9",
    "Answer: -3.50 degrees": "-3.5",
}
NO_NUMBERS = [
    "",
    "She has 5 left.",
    "#### none",
    "#### 10 or 12",
    "#### 5, 6",
    "#### 3-5",
    "#### 5:30",
    "#### 5 million",
    "#### 2**3",
    "#### 5\u00b2",
    "#### 3\u00bd",
    "#### 5\u4e07",
    "#### 5x",
    "#### 1,23",
    "#### 1 234",
    "#### 1/0",
    "#### 1e999999999",
    "#### " + "9" * 5000,
    "The answer is that 3 friends pay 42.",
    "The answer is not 5.",
    r"\boxed{5",
    r"\boxed{}",
    r"\boxed{2\sqrt{5}}",
    r"\boxed{(5, 6)}",
    r"\boxed{10^{10}}",
]
TALE = "Assume Ada is a knight. Boris says that Ada is a knave, so Boris is a knave.\n"
GOLD_ROLES = "(1) Ada is a knight\n(2) Boris is a knave"


@pytest.mark.parametrize(("text", "number"), NUMBERS.items())
def test_a_number_is_read_as_a_person_reads_it(text: str, number: str) -> None:
    assert numeric.numeric_answer(text) == Fraction(number)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_not_one_number_is_unparseable(text: str) -> None:
    assert numeric.numeric("5", text) == "unparseable"


@pytest.mark.parametrize(
    ("answer", "text", "judgement"),
    [
        ("0.5", "#### 1/2", "correct"),
        ("1/3", "#### 0.33", "wrong"),
        ("18.00", "#### 18", "correct"),
        ("5", "#### 6\nor rather 5", "wrong"),
        ("5", r"\boxed{5} #### 6", "wrong"),
        ("5", r"The answer is 6. \boxed{5}", "correct"),
        ("100000000000000000001", "#### 100000000000000000000", "wrong"),
    ],
)
def test_numbers_are_compared_exactly(answer: str, text: str, judgement: str) -> None:
    assert numeric.numeric(answer, text) == judgement


def test_the_last_number_counts_only_where_asked_for() -> None:
    text = "She bakes 3 cakes and sells 2, so 1 is left."
    assert numeric.numeric("1", text) == "unparseable"
    assert numeric.numeric("1", text, unmarked=True) == "correct"


def test_a_gold_answer_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the gold answer 'many' is not a number$"):
        numeric.numeric("many", "#### 5")


@pytest.mark.parametrize(
    ("text", "judgement"),
    [
        ("a -1 2 6\n# 2 5", "correct"),
        ("#  2\n5 ", "correct"),
        ("# 2 6 # 2 5", "correct"),
        ("# 2 5 # 2 6", "wrong"),
        ("# 25", "wrong"),
        ("# 2 5 a", "wrong"),
        ("2 5", "unparseable"),
        ("2 5 #", "unparseable"),
    ],
)
def test_exact_takes_all_words_after_the_last_mark(text: str, judgement: str) -> None:
    assert exact.exact("2 5", text) == judgement


@pytest.mark.parametrize(
    ("text", "judgement"),
    [
        (TALE + GOLD_ROLES, "correct"),
        (TALE + "(1) Ada is a knave\n(2) Boris is a knave", "wrong"),
        (TALE + "CONCLUSION:\n- **Ada**: knight\n- **Boris**: Knave", "correct"),
        (TALE + "So the answer: Ada is the knight, and Boris is a knave.", "correct"),
        (TALE + "<answer>Boris is a knave and Ada is not a knave.</answer>", "correct"),
        (TALE + "Answer: Ada and Boris are both knights.", "wrong"),
        (TALE + "Answer: Boris is a knave.", "unparseable"),
        (TALE + "Answer: " + GOLD_ROLES + "\n(1) Ada is a knave", "unparseable"),
        (TALE + GOLD_ROLES + "\nThat is my answer.", "correct"),
        (TALE + "I do not know.", "unparseable"),
        ("Ada is a knight or Ada is a knave. Boris is a knave.", "unparseable"),
        ('"Ada is a knight," says Boris. Boris is a knave.', "unparseable"),
        ("According to Boris, Ada is a knight. Boris is a knave.", "unparseable"),
        ("Ada is a knave. No: Ada is a knight. Boris is a knave.", "correct"),
        ("(1) Adam is a knight\n(2) Boris is a knave", "unparseable"),
        ("", "unparseable"),
    ],
)
def test_every_person_needs_the_right_role(text: str, judgement: str) -> None:
    assert roles.roles(GOLD_ROLES, text) == judgement


@pytest.mark.parametrize("answer", ["", "Ada", "Ada is a knight, Ada is a knave"])
def test_gold_roles_must_be_one_per_person(answer: str) -> None:
    with pytest.raises(ValueError, match=r"^the gold answer "):
        roles.gold_roles(answer)


@pytest.mark.parametrize(
    ("verifier", "hint", "rest"),
    [
        ("exact", "2 7\na -1 2 6\n", "# 2 6"),
        ("numeric", "2 and 2 make 4.\n", "#### 4"),
        ("numeric", "2 and 2. ", r"That is 4, so $\boxed{4}$. All 4."),
        ("symbolic", "Put it in \\boxed{}.\n\n", "Hence the answer is 4. Check:\n\\boxed{4}"),
        ("mine.verifier", "It is 4. ", "In conclusion, 4."),
        ("roles", TALE, GOLD_ROLES),
        ("numeric", "The number 4 stands here", ""),
    ],
)
def test_a_hint_ends_before_the_earliest_statement_of_the_answer(
    verifier: str, hint: str, rest: str
) -> None:
    assert answers.answer_start(hint + rest, verifier) == len(hint)


def test_what_counts_follows_the_last_mark_and_is_short() -> None:
    assert answers.answer_part("a</t>b</t>c", "</t>") == "c"
    assert answers.answer_part("abc", "</t>") == "abc"
    assert answers.answer_part("x" * 10**6, None) == "x" * answers.MAX_CHARS


@pytest.mark.parametrize(
    "piece",
    ["1", "1,", "1,111", "1 ", "1/", "{", r"\boxed{", "answer is ", "answer to ", "<answer>1 2", "#", "####", " ",
     "**", r"\frac{1}{2}", r"\text{", "- ", "\uff11", "Ada, ", "Ada is a knight or ", "(1) ", "\x00", "="],
)  # fmt: skip
def test_a_megabyte_of_anything_is_judged(piece: str) -> None:
    text = answers.answer_part(piece * (10**6 // len(piece)), None)
    for judge in (numeric.numeric, exact.exact):
        assert judge("7", text) in ("wrong", "unparseable")
    assert roles.roles(GOLD_ROLES, text) in ("wrong", "unparseable")
    assert 0 <= answers.answer_start(text, "roles") <= len(text)


@pytest.mark.skipif(not DATA.exists(), reason="the published data sets are not in ../shared/data")
@pytest.mark.parametrize(
    "ending", ["#### {}", r"The answer is \boxed{{{}}}.", "The answer is ${}.", "Answer: {}"]
)
def test_every_gold_answer_of_gsm8k_is_read_from_a_solution(ending: str) -> None:
    rows = [json.loads(line)["answer"] for line in (DATA / "gsm8k" / "test.jsonl").open()]
    golds = [re.findall(r"####\s*(\S.*)", row)[0] for row in rows]
    assert len(golds) == 1319
    for row, gold in zip(rows, golds, strict=True):
        worked = row.partition("####")[0]
        assert numeric.numeric(gold, worked + ending.format(gold)) == "correct"
        assert (
            numeric.numeric(gold, worked + ending.format(numeric.numeric_gold(gold) + 1)) == "wrong"
        )


@pytest.mark.skipif(not DATA.exists(), reason="the published data sets are not in ../shared/data")
@pytest.mark.parametrize("file", ["3ppl_test", "5ppl_test"])
def test_every_published_knights_and_knaves_solution_is_correct(file: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for row in parquet.read_table(DATA / "kk" / f"{file}.parquet").to_pylist():
        gold = row["solution_text_format"]
        worked = "\n".join([row["cot_head"], *row["cot_repeat_steps"], row["cot_foot"]])
        assert roles.roles(gold, f"{worked}\n\n{gold}") == "correct"
        assert roles.roles(gold, f"{worked}\nCONCLUSION: {row['solution_text']}") == "correct"
        assert answers.answer_start(f"{worked}\n\n{gold}", "roles") == len(worked) + 2
