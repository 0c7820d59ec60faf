"""Which statement of an answer counts, and what it is."""

import pytest

from hybrid_rl.verification.statements import statements


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        (r"First \boxed{4}. No: \boxed{5}", "5"),
        (r"$x=\boxed{5}$ or $x=\boxed{6}$", "5, 6"),
        (r"\boxed{5} and again \boxed{5}", "5"),
        (r"\boxed 12", "1"),
        (r"$-\boxed{5}$", "-5"),
        (r"\boxed{5} million", "5 million"),
        (r"Put it in \boxed{}. #### 7", "7"),
        (r"\boxed{5} #### 6", "6"),
        (r"#### 6 \boxed{5}", "5"),
        (r"\boxed{5} So the answer is 6.", "5"),
        ("#### 5\n#### Explanation\nIt is so.", "5"),
        ("#### 5\n#### 2. Count the cows", "5"),
        ("<think>3</think><answer> 48 </answer> bye", "48"),
        ("The answer is 3. The answer is 4.", "4"),
        ("The answer is 3. Is the answer 4?", "3"),
        ("The answer is:\n\n$$\n5\n$$\n", "5"),
        ("The answer is\n\\[\n\\frac{1}{2}\n\\]", r"\frac {1}{2}"),
        ("### Final Answer\n\n42", "42"),
        ("**Final Answer:**\n42\nIndeed.", "42"),
        ("Final Answer: The final answer is $5$. I hope it is correct.", "5"),
        ("The answer is $3 and $5.", "$3 and $5"),
        (r"The answer is $9{,}500.", "$9,500"),
        ("The answer is 7.5.", "7.5"),
        (r"The answer is $(0, 1.5)$. Done", "(0, 1.5)"),
        ("The answer is Rs. 18.", "$18"),
        ("The answer isn't 18 but 16.", "16"),
        (r"The answer is \boxed{6}, not \boxed{5}.", "6"),
        (r"\boxed{6}. Is it \boxed{5}?", "6"),
        (r"\boxed{6}. Hmm, that is wrong. The answer is 5.", "5"),
        (
            r"The answer is $\begin{pmatrix} 1 \\[4pt] 3 \end{pmatrix}$.",
            r"\begin {pmatrix} 1 \\ 3 \end {pmatrix}",
        ),
    ],
)
def test_the_statement_that_counts(text: str, stated: str) -> None:
    assert next(iter(statements(text))).text == stated


@pytest.mark.parametrize(
    "text",
    [
        r"not \boxed{5}",
        r"$x \neq \boxed{5}$",
        r"It is not true that the answer is \boxed{5}.",
        r"I would say \boxed{5}, but it could just as well be \boxed{6}.",
        r"\boxed{5}. Wait, that is wrong, because x is even.",
        "The answer is 5. No wait, that counts the dog twice, so it is 6.",
        "One answer is 5. Another answer is 6.",
        "The answer is:\n\n1. Tom: 5 apples\n2. Ann: 7 apples",
    ],
)
def test_what_is_denied_hedged_or_one_of_several_is_not_read(text: str) -> None:
    assert next(iter(statements(text))).text == ""


@pytest.mark.parametrize(
    "text", ["", "It is 5.", r"\boxed{}", r"\boxed{5", "I don't know the answer. Is it 5?"]
)
def test_a_text_may_state_nothing(text: str) -> None:
    assert list(statements(text)) == []


def test_words_alone_may_be_a_heading() -> None:
    [one] = statements("#### Evelyn")
    assert one.bare_words
    assert list(statements("#### Explanation\nIt is so.")) == []


@pytest.mark.parametrize(
    "clause",
    ["If", "I doubt that", "Let us check whether", "One might think that", "It is wrong that", "A common incorrect",
     "Nobody says that", "It cannot be true that", "Suppose"],
)  # fmt: skip
def test_a_clause_that_does_not_claim_its_answer_states_none(clause: str) -> None:
    assert list(statements(f"{clause} the answer is 5.")) == []
    assert next(iter(statements(f"The answer is 4. {clause} the answer is 5."))).text == "4"


@pytest.mark.parametrize(
    "before",
    ["If x = 3,", "I am not sure, but", "There is no doubt that", "It is not hard to see that", "I was wrong, so",
     "I think"],
)  # fmt: skip
def test_a_doubt_in_another_clause_leaves_the_answer_alone(before: str) -> None:
    assert next(iter(statements(f"{before} the answer is 5."))).text == "5"


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        (r"\boxed{5} \times 10^3", r"5 \cdot 10^3"),
        (r"\boxed{5}\sqrt{2}", r"5 \sqrt{2}"),
        (r"\boxed{5} is not correct.", ""),
        (r"\boxed{5} is the answer.", "5"),
        ("#### 5<|im_end|>", "5"),
        ("#### > 5", "> 5"),
        ("Answer:\n> 5", "5"),
        ("The answer is 1/2, i.e. 50%.", "1/2"),
        ("The answer is 5 ... 9", "5 ... 9"),
    ],
)
def test_what_belongs_to_a_statement_and_what_does_not(text: str, stated: str) -> None:
    [first, *_] = statements(text)
    assert first.text.replace("\\times", "\\cdot") == stated
