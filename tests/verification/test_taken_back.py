"""What takes an answer back after it was given, and what only doubts it for a moment."""

import pytest

from hybrid_rl.verification.taken_back import is_taken_back


@pytest.mark.parametrize(
    "said",
    [
        r"\boxed{5}. Wait, that is wrong, because x must be even. So there is no solution.",
        r"\boxed{5}. This is wrong.",
        "\\boxed{5}\n\nHowever, this answer is incorrect.",
        "\\boxed{5}\n\nHmm, let me recheck. I dropped a sign.",
        "#### 5\n\nOops, the dog eats one, too.",
        "<answer>5</answer> Hmm, that's not right.",
        "5. No wait, x is even, so it is 6.",
        "5. Sorry, I made a mistake. It should be 6.",
        "5. Actually, it should be 6.",
    ],
)
def test_an_answer_that_is_denied_later_is_taken_back(said: str) -> None:
    assert is_taken_back(said)


@pytest.mark.parametrize(
    "said",
    [
        r"\boxed{5}",
        r"\boxed{5}. Wait, let me check: 2*5 = 10. Yes, that is right.",
        r"\boxed{5}. Wait, is that wrong? No, 2*5 = 10.",
        r"\boxed{5}. Wait, that is wrong... no, it is correct after all.",
        "\\boxed{5}\n\nA common mistake is to add 3; this is incorrect because of the sign.",
        "5. (Not 6, because that is wrong.)",
        "5. It is wrong that there are 6.",
        "5, as the other option is impossible.",
    ],
)
def test_a_check_or_a_word_about_other_answers_takes_nothing_back(said: str) -> None:
    assert not is_taken_back(said)
