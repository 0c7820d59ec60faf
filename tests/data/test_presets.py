"""The presets of conf/data, on the generators and on the published files."""

from fractions import Fraction
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.data import DataSettings
from hybrid_rl.data.questions import Message, Question
from hybrid_rl.data.splits import load_questions
from hybrid_rl.verification.grader import Grader
from hybrid_rl.verification.numeric import Numeric
from tests.fakes import reward
from tests.fakes.places import SHARED_DATA as PUBLISHED
from tests.fakes.rows import Lenient, jsonl, load, settings

needs_published = pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason=f"the published data sets are not at {PUBLISHED}"
)


def preset(name: str, *overrides: str) -> DataSettings:
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        found = compose(overrides=[f"+data={name}", *overrides]).data
    return DataSettings.model_validate(OmegaConf.to_container(found, resolve=True))


@pytest.mark.parametrize("name", ["ledger", "ledger_terse", "ledger_verbose", "ledger_spread"])
def test_the_embedded_data_is_as_measured(name: str) -> None:
    loaded = load_questions(preset(name), Lenient(), True, True)
    sizes = {
        key: len(found)
        for key, found in {"train": loaded.train, "dev": loaded.dev, **loaded.test}.items()
    }

    assert sizes == {"train": 64, "dev": 64, "hard": 128, "easy": 64}
    assert {question.level for question in loaded.test["hard"]} == {"10"}
    levels = {int(question.level or -1) for question in loaded.train}
    assert levels == (set(range(2, 11)) if name == "ledger_spread" else {10})


def test_generated_knights_load() -> None:
    loaded = load_questions(preset("knights", "data.train.size=50"), Lenient(), True, True)

    assert len(loaded.train) >= 48
    assert {question.level for question in loaded.test["people6to8"]} == {"6", "7", "8"}


def test_chains_load_with_hard_questions_and_an_easy_set() -> None:
    loaded = load_questions(preset("chain"), Lenient(), True, True)

    assert (len(loaded.train), len(loaded.dev)) == (64, 64)
    assert {question.level for question in [*loaded.train, *loaded.test["hard"]]} == {"5"}
    assert {question.level for question in loaded.test["easy"]} == {"2", "3", "4"}


def test_the_numeric_verifier_takes_the_traces_of_chains() -> None:
    numeric = Numeric(reward.settings("numeric"))
    loaded = load_questions(preset("chain"), Lenient(), True, True)

    for question in loaded.train:
        assert question.trace is not None
        assert numeric.judge(question.answer, question.trace) == "correct"
        # A hint stops before the result is stated.
        assert question.trace[numeric.answer_start(question.trace) :] == f"#### {question.answer}"


def test_word_problems_of_reasoning_gym_have_solutions_that_reach_their_answers() -> None:
    pytest.importorskip("reasoning_gym")
    few = ["data.train.size=60", "data.dev.size=5", "data.test.test.size=5"]
    with Grader(reward.settings("numeric")) as grader:
        loaded = load_questions(preset("gsm_symbolic", *few), grader, True, True)

    assert len(loaded.train) > 50
    for question in loaded.train:
        stated = (question.trace or "").rpartition("#### ")[2]
        assert Fraction(stated.replace(",", "")) == Fraction(question.answer.replace(",", ""))


@needs_published
def test_published_knights_load_by_mapping_alone() -> None:
    chosen = preset("knights_files", f"data.directory={PUBLISHED / 'kk'}")
    loaded = load_questions(chosen, Lenient(), True, True)
    first = loaded.train[0]

    assert (len(loaded.train), len(loaded.dev)) == (1700, 100)
    assert {name: len(found) for name, found in loaded.test.items()} == {
        "people3": 100,
        "people5": 100,
    }
    assert first.answer == "(1) Michael is a knight\n(2) Zoey is a knight\n(3) Ethan is a knight"
    assert first.trace is not None
    assert first.trace.startswith("Let's think step by step")
    assert first.trace.endswith(f"This leads to a feasible solution.\n\n{first.answer}")


@needs_published
def test_published_gsm8k_loads_without_calculator_marks() -> None:
    chosen = preset("gsm8k_files", f"data.directory={PUBLISHED / 'gsm8k'}")
    loaded = load_questions(chosen, Lenient(), True, True)

    assert (len(loaded.train), len(loaded.dev), len(loaded.test["gsm8k"])) == (
        7473 - 256,
        256,
        1319,
    )
    assert not any("<<" in (question.trace or "") for question in loaded.train)
    assert loaded.train[0].answer == "72"
    assert loaded.train[0].trace == (
        "Natalia sold 48/2 = 24 clips in May.\n"
        "Natalia sold 48+24 = 72 clips altogether in April and May.\n#### 72"
    )


@needs_published
def test_published_benchmarks_load() -> None:
    chosen = preset("math_suite_files", f"data.directory={PUBLISHED / 'math'}")
    loaded = load_questions(chosen, Lenient(), False, False)

    assert {name: len(found) for name, found in loaded.test.items()} == {
        "math500": 500,
        "aime24": 30,
        "amc23": 40,
        "minerva": 272,
        "olympiad": 674,
    }


def test_the_layout_of_openr1_is_read(tmp_path: Path) -> None:
    row = {
        "data_source": "math",
        "prompt": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": "What is 1 + 1?"},
        ],
        "target": [{"role": "assistant", "content": "<think>\nsum\n</think>\n2"}],
        "reward_model": {"ground_truth": "2", "style": "rule"},
    }
    hub = preset("openr1_math")
    source = jsonl(tmp_path / "a.jsonl", [row])
    chosen = settings(train=source, columns=hub.columns, instruction=hub.instruction)
    [question] = load(chosen).train

    assert question == Question(
        id=question.id,
        messages=(Message("user", f"What is 1 + 1?\n\n{hub.instruction}"),),
        question=f"What is 1 + 1?\n\n{hub.instruction}",
        answer="2",
        trace="<think>\nsum\n</think>\n2",
    )
