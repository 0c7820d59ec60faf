"""Which number a solution states, and that it is compared exactly."""

import json
import re
from fractions import Fraction

import pytest

from hybrid_rl.verification.numeric import Numeric, numeric_answer, numeric_gold
from tests.fakes.places import SHARED_DATA as DATA
from tests.fakes.reward import settings

VERIFIER = Numeric(settings("numeric"))
LENIENT = Numeric(settings("numeric", unmarked=True))
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
    "#### 3\u00bd": "7/2",
    "#### 2.5 x 10^6": "2500000",
    "The answer is:\n$$\n5\n$$": "5",
    "### Final Answer\n\n42": "42",
    "#### Janet makes $18 every day": "18",
    r"\boxed{90^\circ}": "90",
    "#### 5 x 3 = 15": "15",
    "#### .5": "1/2",
    "#### 1e3": "1000",
    "#### twenty-two": "22",
    "#### three hundred and five": "305",
    "#### twelve apples": "12",
    "#### eighteen (18)": "18",
    "The answer is Rs. 18.": "18",
    "The answer is 18 more eggs than Tom has.": "18",
    "The answer is 18 eggs left over.": "18",
    "#### 18 times": "18",
    "#### 18 [eggs]": "18",
    "#### ~~5~~ 18": "18",
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


@pytest.mark.parametrize(("text", "number"), NUMBERS.items())
def test_a_number_is_read_as_a_person_reads_it(text: str, number: str) -> None:
    assert numeric_answer(text) == Fraction(number)


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_not_one_number_is_unparseable(text: str) -> None:
    assert VERIFIER.judge("5", text) == "unparseable"


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
    assert VERIFIER.judge(answer, text) == judgement


def test_the_last_number_counts_only_where_asked_for() -> None:
    text = "She bakes 3 cakes and sells 2, so 1 is left."
    assert VERIFIER.judge("1", text) == "unparseable"
    assert LENIENT.judge("1", text) == "correct"


def test_a_gold_answer_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^the gold answer 'many' is not a number$"):
        VERIFIER.judge("many", "#### 5")


@pytest.mark.parametrize(
    "text", ["So it is 7.\n#### 7", "The answer is 7.0 apples.", "\\boxed{7} I hope"]
)
def test_solutions_that_state_one_number_vote_alike(text: str) -> None:
    assert VERIFIER.vote("42", text) == "7"


@pytest.mark.parametrize("text", ["Half of 14, so 7", "From 3 and 4 I get 7.0 in all."])
def test_where_no_mark_is_needed_the_last_number_votes(text: str) -> None:
    assert LENIENT.vote("42", text) == "7"


@pytest.mark.parametrize(
    ("hint", "rest"),
    [
        ("2 and 2 make 4.\n", "#### 4"),
        ("2 and 2. ", r"That is 4, so $\boxed{4}$. All 4."),
        ("The number 4 stands here", ""),
    ],
)
def test_a_hint_ends_before_the_number_is_announced(hint: str, rest: str) -> None:
    assert VERIFIER.answer_start(hint + rest) == len(hint)


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
        assert VERIFIER.judge(gold, worked + ending.format(gold)) == "correct"
        assert VERIFIER.judge(gold, worked + ending.format(numeric_gold(gold) + 1)) == "wrong"
