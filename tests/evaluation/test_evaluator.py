"""The evaluations of one run: which sets, into which files, with random numbers of their own."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.data.encoding import Examples
from hybrid_rl.evaluation.evaluator import Evaluator
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.types import Ids
from tests.fakes import tiny


class Drawing:
    """Stands in for a policy: what it answers is a random digit, or always `digit`."""

    def __init__(self, digit: int | None = None) -> None:
        self.vocabulary = tiny.vocabulary()
        self.digit = digit

    def sample_on_all_ranks(self, request: Request, params: SamplingParams) -> list[Ids]:
        drawn = torch.randint(2, 12, (len(request.prompts),)).tolist()
        return [(token if self.digit is None else self.digit, 1) for token in drawn]


class Grader(tiny.EvenGrader):
    vote = staticmethod(lambda answer, text: text)


def made(path: Path, policy: Any = None, dev: int = 3) -> tuple[Evaluator, RunDir]:
    settings = tiny.settings(path)
    sets = ["dev", "hard"] if dev else ["hard"]
    chosen = settings.eval.model_copy(update={"sets": sets, "samples": 2})
    settings = settings.model_copy(update={"eval": chosen})
    examples = Examples(train=[], dev=tiny.examples(dev), test={"hard": tiny.examples(5)}, notes=[])
    directory, grader = RunDir(path), Grader()
    return Evaluator(settings, directory, examples, grader, policy or Drawing()), directory  # type: ignore[arg-type]  # fakes


def test_each_moment_has_its_files_and_all_chosen_sets(tmp_path: Path) -> None:
    evaluator, directory = made(tmp_path)
    before, after = evaluator.at("before"), evaluator.at("after")
    best = evaluator.at("best", Drawing(digit=2))  # type: ignore[arg-type]  # a fake; 2 is the symbol 0, which is even
    assert set(before) == set(after) == {"dev", "hard"}
    assert best["hard"].greedy.value == 1.0
    for moment in ("before", "after", "best"):
        files = {path.name for path in directory.evaluation(moment).iterdir()}  # type: ignore[arg-type]  # a Moment
        assert files == {"dev.jsonl", "hard.jsonl", "summary.json"}


@pytest.mark.parametrize(("own", "limit"), [(None, 24), (7, 7)])
def test_the_end_of_an_evaluation_tells_at_which_limit_solutions_were_cut(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, own: int | None, limit: int
) -> None:
    class Endless(Drawing):
        def sample_on_all_ranks(self, request: Request, params: SamplingParams) -> list[Ids]:
            return [[2] for _ in request.prompts]

    evaluator, _ = made(tmp_path, Endless())
    old = evaluator._settings
    train = old.train.model_copy(update={"max_completion_tokens": 24})
    limited = old.eval.model_copy(update={"sets": ["hard"], "max_completion_tokens": own})
    evaluator._settings = old.model_copy(update={"train": train, "eval": limited})
    with caplog.at_level("INFO"):
        evaluator.at("after")
    assert caplog.messages[-1].endswith(f"hard 1.000 (100 % cut at {limit} tokens)")


def test_without_sets_no_phase_is_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    evaluator, directory = made(tmp_path)
    nothing = evaluator._settings.eval.model_copy(update={"sets": []})
    evaluator._settings = evaluator._settings.model_copy(update={"eval": nothing})
    with caplog.at_level("INFO"):
        assert evaluator.at("after") == {}
    assert caplog.messages == []
    assert not directory.evaluation("after").exists()


def test_dev_during_training_has_samples_of_its_own_number(tmp_path: Path) -> None:
    evaluator, _ = made(tmp_path)
    assert evaluator.at("before")["dev"].samples == 2
    for wanted in (0, 3):
        settings = evaluator._settings
        chosen = settings.eval.model_copy(update={"dev_samples": wanted})
        evaluator._settings = settings.model_copy(update={"eval": chosen})
        found = evaluator.dev(4)
        assert found is not None
        assert found.samples == wanted


def test_dev_during_training_writes_nothing(tmp_path: Path) -> None:
    evaluator, directory = made(tmp_path)
    found = evaluator.dev(4)
    assert found is not None
    assert found.questions == 3
    assert not (directory.path / "eval").exists()
    assert made(tmp_path, dev=0)[0].dev(4) is None


def test_evaluation_leaves_the_random_numbers_of_training_alone(tmp_path: Path) -> None:
    """Its own follow from seed and moment, so that a moment evaluated again gives the same answers."""
    evaluator, _ = made(tmp_path)
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first, other = evaluator.dev(4), evaluator.dev(5)
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert evaluator.dev(4) == first
    assert other != first


def test_the_last_weights_being_best_are_not_evaluated_twice(tmp_path: Path) -> None:
    evaluator, directory = made(tmp_path)
    evaluator.at("after")
    evaluator.copy_after_as_best()
    summaries = [directory.evaluation(moment) / "summary.json" for moment in ("after", "best")]  # type: ignore[arg-type]
    after, best = (json.loads(path.read_text()) for path in summaries)
    assert after == best
