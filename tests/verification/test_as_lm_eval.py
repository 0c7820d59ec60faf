"""What `numeric` reads in recorded solutions of GSM8K, beside lm-evaluation-harness's strict and flexible extraction.

The solutions are those of SmolLM2-135M-Instruct to 64 questions of the test set, greedy and sampled, before it was
trained ("before") and after 12 updates of SFT on the training set ("after"), cut at 180 tokens.

The harness's task gsm8k (version 3) takes the first number after `####` (strict-match), or the last number of all
(flexible-extract), leaves out commas, dollar signs and a last full stop, and compares text with the gold answer.
"""

import json
import re
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.verification.numeric import numeric_answer

RECORDED: list[dict[str, Any]] = [
    json.loads(line)
    for line in (Path(__file__).parent / "recorded/gsm8k.jsonl").read_text("utf-8").splitlines()
]
WHOLE = [one["completion"] for one in RECORDED if not one["truncated"]]
MARKED = [text for text in WHOLE if "####" in text]
UNMARKED = [text for text in WHOLE if "####" not in text]


def strict(text: str) -> Fraction | None:
    found = re.search(r"#### (-?[0-9.,]+)", _before_another_question(text))
    return _value(found.group(1)) if found else None


def flexible(text: str) -> Fraction | None:
    found = re.findall(r"-?[$0-9.,]{2,}|-?[0-9]+", _before_another_question(text))
    return _value(found[-1]) if found else None


def _before_another_question(text: str) -> str:
    """The part that the harness would have generated: it stops at these words."""
    return re.split(r"Question:|</s>|<\|im_end\|>", text)[0]


def _value(text: str) -> Fraction | None:
    try:
        return Fraction(re.sub(r"[,$]", "", text).removesuffix("."))
    except ValueError:
        return None


@pytest.mark.parametrize(
    ("text", "by_strict", "by_flexible"),
    [
        ("So 1,000 - 1.\n#### 999", 999, 999),
        ("#### 7\n#### 8", 7, 8),
        ("The answer is $1,250.", None, 1250),
        ("#### -5 Question: 3 + 4?", -5, -5),
        ("It is 1/2", None, 2),
        ("None.", None, None),
    ],
)
def test_the_extractions_here_are_those_of_the_harness(
    text: str, by_strict: int | None, by_flexible: int | None
) -> None:
    assert (strict(text), flexible(text)) == (by_strict, by_flexible)


def test_after_four_hashes_all_three_read_the_same_number() -> None:
    assert len(MARKED) == 71
    assert [text for text in MARKED if numeric_answer(text) != strict(text)] == []
    [other] = [text for text in MARKED if numeric_answer(text) != flexible(text)]
    assert other.endswith('#### 0\nThe answer is "24".')


def test_without_hashes_a_stated_answer_is_what_flexible_extraction_takes() -> None:
    stated = [text for text in UNMARKED if numeric_answer(text) is not None]

    assert len(stated) == 20
    assert [text for text in stated if numeric_answer(text) != flexible(text)] == []
    assert [strict(text) for text in stated] == [None] * 20


def test_flexible_extraction_reads_a_number_where_no_answer_is_stated() -> None:
    silent = [text for text in UNMARKED if numeric_answer(text) is None]

    assert len(silent) == 13
    assert sum(flexible(text) is not None for text in silent) == 13
    agreed = [numeric_answer(text, unmarked=True) == flexible(text) for text in silent]
    assert Counter(agreed) == {
        True: 8,
        False: 5,
    }  # `unmarked` refuses words, percentages and ranges of numbers


def test_flexible_extraction_reads_a_number_in_every_solution_that_was_cut() -> None:
    cut = [one["completion"] for one in RECORDED if one["truncated"]]

    assert len(cut) == 152
    assert sum(flexible(text) is not None for text in cut) == 152
    assert sum(strict(text) is not None for text in cut) == 1
