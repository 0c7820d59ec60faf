"""Which role a solution gives to each person, and whether it is the right one."""

import pytest

from hybrid_rl.verification import roles
from tests.fakes.places import SHARED_DATA as DATA
from tests.fakes.reward import settings

VERIFIER = roles.Roles(settings("roles"))
TALE = "Assume Ada is a knight. Boris says that Ada is a knave, so Boris is a knave.\n"
GOLD_ROLES = "(1) Ada is a knight\n(2) Boris is a knave"


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
    assert VERIFIER.judge(GOLD_ROLES, text) == judgement


def test_names_made_of_other_names_are_read_at_once() -> None:
    # By alternatives of a pattern, the time for this doubled with every two names.
    gold = "\n".join(f"{' And '.join(['Ada'] * many)} is a knight" for many in range(1, 4))
    assert VERIFIER.judge(gold, " And ".join(["Ada"] * 4_000) + " are") == "unparseable"
    assert VERIFIER.judge(gold, gold) == "correct"


def test_roles_may_be_stated_as_json() -> None:
    assert VERIFIER.judge(GOLD_ROLES, '{"Ada": "knight", "Boris": "knave"}') == "correct"


@pytest.mark.parametrize("answer", ["", "Ada", "Ada is a knight, Ada is a knave"])
def test_gold_roles_must_be_one_per_person(answer: str) -> None:
    with pytest.raises(ValueError, match=r"^the gold answer "):
        roles.gold_roles(answer)


def test_a_hint_ends_before_the_first_role_in_a_list() -> None:
    assert VERIFIER.answer_start(TALE + GOLD_ROLES) == len(TALE)


@pytest.mark.parametrize(
    "text",
    [
        "Answer:\n(1) Ada is a knave\n(2) Boris is a knave",
        "Answer:\nBoris is a knave.\nAda is a knave.",
    ],
)
def test_solutions_that_give_the_same_roles_vote_alike(text: str) -> None:
    assert VERIFIER.vote(GOLD_ROLES, text) == "[('Ada','knave'),('Boris','knave')]"


@pytest.mark.skipif(not DATA.exists(), reason="the published data sets are not in ../shared/data")
@pytest.mark.parametrize("file", ["3ppl_test", "5ppl_test"])
def test_every_published_knights_and_knaves_solution_is_correct(file: str) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    for row in parquet.read_table(DATA / "kk" / f"{file}.parquet").to_pylist():
        gold = row["solution_text_format"]
        worked = "\n".join([row["cot_head"], *row["cot_repeat_steps"], row["cot_foot"]])
        assert VERIFIER.judge(gold, f"{worked}\n\n{gold}") == "correct"
        assert VERIFIER.judge(gold, f"{worked}\nCONCLUSION: {row['solution_text']}") == "correct"
        assert VERIFIER.answer_start(f"{worked}\n\n{gold}") == len(worked) + 2


@pytest.mark.parametrize(
    "text",
    ["Ada \u2013 knight, Boris \u2014 knave", "Ada => knight, Boris => knave", "Ada (knight), Boris [knave]",
     "Knights: Ada\nKnaves: Boris", "- Knight: Ada\n- Knave: Boris", "The knight is Ada and the knave is Boris.",
     "Ada has to be a knight, and Boris isn\u2019t a knight.", 'Ada is a "knight" and Boris is certainly a knave.'],
)  # fmt: skip
def test_ways_of_giving_a_role(text: str) -> None:
    assert VERIFIER.judge(GOLD_ROLES, f"Answer:\n{text}") == "correct"


@pytest.mark.parametrize(
    "text",
    ["Perhaps Ada is a knight.", "It is not true that Ada is a knight.", "I doubt that Ada is a knight.",
     "Ada is a knight/knave.", "| Ada | knight | knave |", "Ada is a knight's daughter.",
     "Ada is a knight, says Boris.",
     "Ada is a knight is false.", "Ada is a knight only when Boris is not.", "Boris thinks Ada is a knight.",
     "Neither Ada is a knight,", "The knight is Ada or Boris.", "Maybe the knight is Ada."],
)  # fmt: skip
def test_a_role_that_is_denied_doubted_or_told_by_others_is_none(text: str) -> None:
    assert VERIFIER.judge(GOLD_ROLES, f"Conclusion: {text} Boris is a knave.") == "unparseable"


def test_not_both_says_nothing_of_each() -> None:
    assert (
        VERIFIER.judge("Ada is a knight, Boris is a knight", "Ada and Boris are not both knaves.")
        == "unparseable"
    )
