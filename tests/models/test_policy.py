"""A policy answers from its weights as they are, alone, among ranks, and from a directory."""

from pathlib import Path
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.models import policy, saving
from hybrid_rl.models.policy import Policy
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.types import Ids
from tests.fakes import tiny
from tests.training.test_trainer import build

pytestmark = pytest.mark.slow
GREEDY = SamplingParams(0.0, 1.0, 0, 6)
REQUEST = Request([example.prompt_ids for example in tiny.examples(5)])


def test_it_answers_from_the_weights_as_they_are(tmp_path: Path) -> None:
    model = tiny.sharp_model()
    made = Policy(model, tiny.vocabulary(), tiny.settings(tmp_path))
    before = made.sample(REQUEST, GREEDY)
    model.load_state_dict(tiny.model(seed=1).state_dict())
    assert made.sample(REQUEST, GREEDY) != before


def test_saved_weights_answer_as_they_did(tmp_path: Path) -> None:
    settings = tiny.settings(tmp_path, model__dtype="float32")
    sharp = tiny.sharp_model()
    saving.save(sharp, tiny.tokenizer(), tmp_path / "saved")
    other = Policy(tiny.model(), tiny.vocabulary(), settings)
    found = other.saved_in(tmp_path / "saved").sample(REQUEST, GREEDY)
    assert found == Policy(sharp, tiny.vocabulary(), settings).sample(REQUEST, GREEDY)
    assert found != other.sample(REQUEST, GREEDY)


def test_of_several_ranks_each_draws_an_equal_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of two ranks draws the last two of five prompts, and the first once more to be in step."""
    made = Policy(tiny.model(), tiny.vocabulary(), tiny.settings(tmp_path))
    drawn: list[Ids] = [(index,) for index in range(6)]
    asked: list[Request] = []

    def sample(request: Request, params: SamplingParams) -> list[Ids]:
        asked.append(request)
        return drawn[3:]

    monkeypatch.setattr(made, "sample", sample)
    ranks = SimpleNamespace(num_processes=2, process_index=1)
    monkeypatch.setattr(policy, "PartialState", lambda: ranks)
    monkeypatch.setattr(policy, "gather_object", lambda mine: drawn[:3] + mine)
    assert made.sample_on_all_ranks(REQUEST, GREEDY) == drawn[:5]
    prompts = REQUEST.prompts
    assert asked == [Request([prompts[3], prompts[4], prompts[0]])]


def test_in_training_it_follows_the_updates_and_who_asks_for_nothing_gets_nothing(
    tmp_path: Path,
) -> None:
    trainer, _ = build(tmp_path, "sft", train__sft__learning_rate=1e-1)
    before = trainer.policy.sample(REQUEST, GREEDY)
    trainer.train()
    assert trainer.policy.sample(REQUEST, GREEDY) != before
    assert trainer.policy.model is trainer.model
    assert trainer.policy.sample(Request([]), GREEDY) == []
