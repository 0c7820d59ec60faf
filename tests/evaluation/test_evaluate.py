"""Evaluation with a scripted sampler and a grader that compares last letters."""

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.config.eval import EvalSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.evaluation import evaluate, scores, statistics
from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.types import Example, Ids, Outcome
from hybrid_rl.verification.exact import Exact
from hybrid_rl.verification.grader import Solution
from tests.fakes import reward, tiny

END = 0


def decode(ids: Ids) -> str:
    return "".join(map(chr, ids))


def ids(text: str, ended: bool = True) -> Ids:
    return (*map(ord, text), *([END] if ended else []))


class LastLetter:
    """Correct: the text after `#` is the answer. Without `#` it is unparseable."""

    vote = Exact(reward.settings("exact")).vote

    def outcomes(self, solutions: Sequence[Solution]) -> list[Outcome]:
        return [self._outcome(solution) for solution in solutions]

    def _outcome(self, solution: Solution) -> Outcome:
        if solution.truncated:
            return "truncated"
        if "#" not in solution.text:
            return "unparseable"
        given = solution.text.partition("#")[2].strip().casefold()
        return "correct" if given == solution.answer else "wrong"


class Script:
    """Answers by prompt, greedy first and then samples in turn; remembers how it was called."""

    def __init__(self, answers: dict[str, list[Ids]]) -> None:
        self.answers = answers
        self.calls: list[tuple[list[str], SamplingParams]] = []

    def __call__(self, request: Request, params: SamplingParams) -> list[Ids]:
        self.calls.append(([decode(prompt) for prompt in request.prompts], params))
        drawn = []
        seen: dict[str, int] = {}
        for prompt in map(decode, request.prompts):
            seen[prompt] = seen.get(prompt, 0) + 1
            drawn.append(self.answers[prompt][0 if params.temperature == 0 else seen[prompt]])
        return drawn


class Letters:
    """A tokenizer whose token ids are characters."""

    def decode(self, token_ids: list[int]) -> str:
        return "".join(map(chr, token_ids))


SAMPLES = 4


@cache
def composed() -> Settings:
    return tiny.settings(Path("run"), seed=5, train__max_completion_tokens=8)


def settings(**changes: Any) -> Settings:
    made = EvalSettings(
        name="test",
        sets=["hard"],
        samples=SAMPLES,
        dev_samples=SAMPLES,
        temperature=0.7,
        top_p=0.9,
        max_completion_tokens=None,
        limit=None,
        before=True,
        best=False,
        rescore=None,
    )
    return composed().model_copy(update={"eval": made.model_copy(update=changes)})


EXAMPLES = [
    Example("one", ids("p", ended=False), "p", "a", level="10"),
    Example("two", ids("q", ended=False), "q", "b", level="9"),
]
ANSWERS = {
    "p": [ids("x#a"), ids("#a"), ids("y #A "), ids("#b"), ids("#b")],
    "q": [ids("long", ended=False), ids("#c"), ids("# c"), ids("#b"), ids("none")],
}


def run(out: Path | None, script: Script | None = None, **changes: Any) -> SetSummary:
    samples = changes.pop("samples", SAMPLES)
    return evaluation(script or Script(ANSWERS), **changes).of({"hard": EXAMPLES}, out, samples)[
        "hard"
    ]


def evaluation(script: Script, **changes: Any) -> evaluate.Evaluation:
    vocabulary = Vocabulary(Letters(), [END])  # type: ignore[arg-type]  # a fake
    return evaluate.Evaluation(settings(**changes), LastLetter(), vocabulary, script)  # type: ignore[arg-type]  # a fake


def test_a_set_is_sampled_in_two_calls_with_its_own_settings() -> None:
    script = Script(ANSWERS)
    run(None, script)
    assert script.calls == [
        (["p", "q"], SamplingParams(0.0, 1.0, 0, 8)),
        (["p"] * 4 + ["q"] * 4, SamplingParams(0.7, 0.9, 0, 8)),
    ]


def test_accuracies_come_from_one_set_of_samples() -> None:
    """p: 2 of 4 correct, and first of a tie; q: 1 of 4, the commonest answer is c."""
    summary = run(None)
    assert (summary.questions, summary.samples) == (2, 4)
    assert summary.greedy == statistics.wilson(1, 2)
    assert summary.avg is not None
    assert summary.avg.value == 0.375
    assert summary.maj is not None
    assert summary.maj.value == 0.5
    assert {k: interval.value for k, interval in summary.pass_at.items()} == {
        1: 0.375,
        2: pytest.approx((5 / 6 + 3 / 6) / 2),
        4: 1.0,
    }
    assert summary.avg == statistics.bootstrap_mean([0.5, 0.25], 5)


def test_rates_are_over_all_ten_solutions() -> None:
    summary = run(None)
    assert summary.truncated_rate == 0.1
    assert summary.unparseable_rate == 0.1
    assert summary.timeout_rate == 0
    assert summary.completion_tokens_mean == pytest.approx(
        (4 + 3 + 6 + 3 + 3 + 4 + 3 + 4 + 3 + 5) / 10
    )


def test_levels_are_in_the_order_of_their_numbers() -> None:
    levels = run(None).by_level
    assert list(levels) == ["9", "10"]
    assert levels["10"].questions == 1
    assert (levels["9"].greedy.value, levels["10"].greedy.value) == (0, 1)
    assert levels["9"].avg is not None
    assert levels["9"].avg.value == 0.25


def test_without_samples_there_is_greedy_only() -> None:
    script = Script(ANSWERS)
    summary = run(None, script, samples=0)
    assert len(script.calls) == 1
    assert (summary.avg, summary.maj, summary.pass_at) == (None, None, {})
    assert summary.truncated_rate == 0.5


def test_saved_rows_say_what_was_asked_answered_and_judged(tmp_path: Path) -> None:
    run(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "hard.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == ["one", "two"]
    samples = lines[1].pop("samples")
    assert lines[1] == {
        "id": "two",
        "level": "9",
        "prompt": "q",
        "answer": "b",
        "greedy": {
            "completion": "long",
            "outcome": "truncated",
            "tokens": 4,
            "truncated": True,
            "vote": None,
        },
    }
    assert [sample["outcome"] for sample in samples] == ["wrong", "wrong", "correct", "unparseable"]
    assert [sample["vote"] for sample in samples] == ["wrong: c", "wrong: c", "correct", None]


def test_a_completion_is_saved_with_its_blanks(tmp_path: Path) -> None:
    answers = {**ANSWERS, "p": [ids(" x\n#a \n"), *ANSWERS["p"][1:]]}
    run(tmp_path, Script(answers))
    (first, _) = scores.read_rows(tmp_path / "hard.jsonl")
    assert first.greedy.completion == " x\n#a \n"


def test_a_summary_is_read_as_it_was_written(tmp_path: Path) -> None:
    summary = run(tmp_path)
    assert scores.read_summaries(tmp_path) == {"hard": summary}
    assert scores.summarise(scores.read_rows(tmp_path / "hard.jsonl"), 5) == summary
    assert {path.name for path in tmp_path.iterdir()} == {"hard.jsonl", "summary.json"}


def test_a_limit_takes_the_same_questions_whatever_their_number() -> None:
    many = [Example(f"q{i}", ids(f"{i}", ended=False), str(i), "a") for i in range(50)]
    few, more = ({example.id for example in evaluate._chosen(many, limit)} for limit in (10, 20))
    assert len(few) == 10
    assert few < more
    assert evaluate._chosen(many[::-1], 10) == [e for e in many[::-1] if e.id in few]
    assert few != {f"q{i}" for i in range(10)}


def test_a_set_without_questions_is_refused() -> None:
    with pytest.raises(ValueError, match="evaluation set dev has no questions"):
        evaluation(Script({})).of({"dev": []}, None, 0)
