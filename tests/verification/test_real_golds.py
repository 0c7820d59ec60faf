"""Every real gold answer is accepted in every form of stating it; loads sympy into this process."""

import json
import re

import pytest

from hybrid_rl.verification.symbolic import Symbolic
from tests.fakes.places import SHARED_DATA as DATA
from tests.fakes.reward import settings

FORMS = {
    "box": "So $\\boxed{{{0}}}$.",
    "hashes": "We get 3.\n#### {0}",
    "sentence": "We get 7. The answer is {0}.",
    "reason": "Therefore, the answer is {0}, since we showed it.",
    "tag": "<think>3</think><answer>\n{0}\n</answer>",
    "final": "**Final Answer:** {0}",
    "heading": "### Final Answer\n\n{0}\n",
    "display": "The final answer is:\n\\[\n{0}\n\\]\nI hope it is correct.",
    "dollars": "Final Answer:\n\n$$ {0} $$",
    "parentheses": "So the answer is \\({0}\\).",
}


@pytest.mark.skipif(not DATA.exists(), reason="the published data sets are not in ../shared/data")
@pytest.mark.parametrize("form", FORMS)
def test_every_gold_answer_of_the_benchmarks_is_accepted_however_it_is_stated(form: str) -> None:
    verifier = Symbolic(settings("symbolic"))
    golds = {
        str(row["answer"])
        for name in ("MATH-500", "AIME24", "AMC23", "Minerva", "Olympiad-Bench")
        for row in json.loads((DATA / "math" / f"{name}.json").read_text(encoding="utf-8"))
    }
    rejected = []
    for gold in golds:
        bare = re.sub(r"^\\boxed\{(.*)\}$", r"\1", gold)
        if form in ("display", "dollars", "parentheses"):
            bare = re.sub(r"(?<!\\)\$", "", bare)
        if verifier.judge(gold, FORMS[form].format(bare)) != "correct":
            rejected.append(gold)
    assert rejected == []
