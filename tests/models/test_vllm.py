"""Generation over vLLM's interfaces: TRL's client against an HTTP server, and TRL's colocated engine, without a GPU."""

import importlib.metadata
from collections.abc import Iterator
from importlib.metadata import PackagePath, PathDistribution
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.model import ModelSettings
from hybrid_rl.config.rollout import RolloutSettings
from hybrid_rl.methods.base import Method
from hybrid_rl.models import loading, vllm
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.models.vllm import EngineError, VllmEngine
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.types import Attempt, Group
from tests.fakes import (
    presets,
    ranks,
    tiny,
)
from tests.fakes.vllm_server import Colocated, Server
from tests.training.test_trainer import build

pytestmark = pytest.mark.slow
METHODS = sorted(file.stem for file in (config_dir() / "method").glob("*.yaml"))
GREEDY = SamplingParams(0.0, 1.0, 0, 8)
SAMPLED = SamplingParams(1.0, 1.0, 0, 8)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with Server().running() as running:
        running.replace_nccl(monkeypatch)
        yield running


def with_engine(
    run_dir: Path, engine: str, port: int = 8000, method: str = "grpo", **options: Any
) -> tuple[Any, tiny.Remember]:
    """A trainer on the CPU all the same, which the rules refuse: NCCL alone needs the GPU."""
    own = options.pop("instance", None)
    processes = options.pop("processes", 1)
    trainer, recorder = build(run_dir, method, instance=own, hardware__processes=processes)
    rollout = {
        **presets.option("rollout", "transformers"),
        "engine": engine,
        "port": port,
        **options,
    }
    changed = {"rollout": RolloutSettings.model_validate(rollout)}
    settings = trainer.settings.model_copy(update=changed)
    vocabulary = Vocabulary(trainer.processing_class, [1])
    trainer.policy.engine = VllmEngine(settings, trainer.model, vocabulary, trainer.accelerator)
    return trainer, recorder


def flat(model: Any) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def ragged(*limits: int) -> Request:
    return Request([(2, 3), (4,), (5, 6, 7, 8, 9), (2, 3)], limits or None)


@pytest.mark.parametrize("seeded", [True, False])
def test_greedy_completions_are_those_of_transformers(
    server: Server, tmp_path: Path, seeded: bool
) -> None:
    trainer, _ = with_engine(tmp_path, "vllm_server", server.port, seeded=seeded)
    found = trainer.policy.sample(ragged(), GREEDY)
    trainer.policy.engine = None
    assert found == trainer.policy.sample(ragged(), GREEDY)
    asked = [prompt for request in server.engine.prompts for prompt in request]
    assert sorted(asked) == sorted(map(list, ragged().prompts))
    assert len(server.engine.prompts) == (4 if seeded else 1)


LIMITED = ragged(3, 8, 1, 3)


@pytest.mark.parametrize("seeded", [True, False])
def test_every_prompt_has_the_room_that_its_prefix_leaves(
    server: Server, tmp_path: Path, seeded: bool
) -> None:
    trainer, _ = with_engine(tmp_path, "vllm_server", server.port, seeded=seeded)
    found = trainer.policy.sample(LIMITED, GREEDY)
    trainer.policy.engine = None
    assert found == trainer.policy.sample(LIMITED, GREEDY)
    assert max(map(len, found[2:])) <= 3
    assert len(server.engine.prompts) == (4 if seeded else 3)


def test_equal_prompts_have_seeds_of_their_own_that_follow_the_run(
    server: Server, tmp_path: Path
) -> None:
    trainer, _ = with_engine(tmp_path, "vllm_server", server.port)
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(trainer.policy.sample(Request([(2, 3)] * 6), SAMPLED))
    assert draws[0] == draws[1] != draws[2]
    assert len(set(draws[0])) > 1
    assert len(set(server.engine.seeds)) == 12


@pytest.mark.parametrize("method", METHODS)
def test_every_method_samples_from_the_weights_it_trains(
    server: Server, tmp_path: Path, method: str
) -> None:
    trainer, recorder = with_engine(tmp_path, "vllm_server", server.port, method)
    engine_sample, steps = trainer.policy.engine.sample, []

    def sample(request: Any, params: Any, updates: int) -> Any:
        found = engine_sample(request, params, updates)
        assert torch.equal(flat(server.engine.model), flat(trainer.model))
        steps.append(updates)
        return found

    trainer.policy.engine.sample = sample
    trainer.train()
    trainer.policy.sample(Request([(2, 3)]), GREEDY)  # as the evaluation after training does
    assert len(recorder.metrics) == 4
    assert server.engine.loads == len(set(steps))
    assert steps[-1] == 4


def test_weights_are_sent_after_an_sft_update_and_not_without_one(
    server: Server, tmp_path: Path
) -> None:
    trainer, _ = with_engine(tmp_path, "vllm_server", server.port, "sft")
    trainer.policy.sample(Request([(2, 3)]), GREEDY)
    trainer.policy.sample(Request([(4,)]), GREEDY)
    assert server.engine.loads == 1
    trainer.train()
    trainer.policy.sample(Request([(2, 3)]), GREEDY)
    assert server.engine.loads == 2
    assert server.calls.count("/reset_prefix_cache") == 2


class FirstToken(Method):
    """Goes on from the first token of every trace."""

    def rollout(self, step: int, examples: Any, attempt: Any) -> list[Group]:
        groups = []
        for example in examples:
            prefix = example.trace.ids[:1]
            rollouts = attempt([Attempt(example, prefix)] * self.settings.group_size)
            groups.append(Group(example, tuple(rollouts), prefix))
        return groups


def test_a_prefix_goes_to_the_server_as_token_ids(server: Server, tmp_path: Path) -> None:
    method = FirstToken(tiny.settings(tmp_path).method, {}, seed=0, steps=4)
    trainer, _ = with_engine(tmp_path, "vllm_server", server.port, instance=method)
    trainer.train()
    known = [[*e.prompt_ids, e.trace.ids[0]] for e in tiny.examples(4) if e.trace]
    asked = [prompt for request in server.engine.prompts for prompt in request]
    assert sorted(asked) == sorted(known * 4 * 4)


def test_a_colocated_engine_samples_from_the_weights_it_trains(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Colocated.replace_vllm(monkeypatch)
    trainer, recorder = with_engine(tmp_path, "vllm_colocate", gpu_memory=0.4)
    llm = trainer.policy.engine._generation.llm
    assert llm.options["gpu_memory_utilization"] == 0.4
    longest = trainer.settings.data.max_prompt_tokens + 8
    assert llm.options["max_model_len"] == longest
    trainer.train()
    found = trainer.policy.sample(LIMITED, GREEDY)
    assert torch.equal(flat(llm.model), flat(trainer.model))
    assert llm.cache_resets == 5  # before each of 4 rollouts, and the last call
    trainer.policy.engine = None
    assert found == trainer.policy.sample(LIMITED, GREEDY)
    assert len(recorder.metrics) == 4


ADVICE = (
    "see the log of the server at rollout.host = 127.0.0.1, rollout.port = {port}, which must run and reach this"
    " machine at rollout.group_port = 51216; start it with VLLM_SERVER_DEV_MODE=1 vllm serve {tiny}"
    """ --weight-transfer-config '{{"backend": "nccl"}}' --port {port}"""
)


def test_a_server_that_is_not_there_is_named_with_what_to_start(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm, "_LOADING_SECONDS", 0.0)
    with pytest.raises(EngineError) as failed:
        with_engine(tmp_path, "vllm_server", port=1)
    text = str(failed.value)
    assert text.startswith(
        "rollout.engine = vllm_server: vLLM failed while starting (ConnectionError: The vLLM server can't be reached at"
        " http://127.0.0.1:1 after 0.0 seconds"
    )
    assert text.endswith(ADVICE.format(tiny=loading.TINY, port=1))


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"path": "owner/name"}, "owner/name"),
        ({"path": "hybrid_rl/t i n y", "package": "tiny"}, "'/site/hybrid_rl/t i n y'"),
        ({"gguf_file": "m.gguf"}, "'DIRECTORY WITH m.gguf AS SAFETENSORS'"),
    ],
)
def test_a_server_is_to_be_started_with_what_it_can_read(
    changes: dict[str, str], shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = ModelSettings.model_validate({**presets.option("model", "tiny"), **changes})
    file = PackagePath(f"{model.path}/config.json")
    file.dist = PathDistribution(Path("/site/tiny.dist-info"))
    monkeypatch.setattr(importlib.metadata, "files", lambda package: [file])
    assert vllm.served(model) == shown


def test_a_server_that_refuses_is_told_with_its_words(server: Server, tmp_path: Path) -> None:
    trainer, _ = with_engine(tmp_path, "vllm_server", server.port)
    server.faults["/v1/completions"] = 400
    with pytest.raises(
        EngineError, match=r"vLLM failed while generating \(Exception: Request failed: 400"
    ):
        trainer.policy.sample(Request([(2, 3)]), GREEDY)


@pytest.mark.parametrize(
    ("path", "doing"),
    [("/v1/completions", "generating"), ("/update_weights", "taking new weights")],
)
def test_a_server_that_hangs_ends_the_run_with_the_cause(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, doing: str
) -> None:
    ending: list[bool] = []
    monkeypatch.setattr(vllm, "_end_for_sure", lambda: ending.append(True))
    trainer, _ = with_engine(tmp_path, "vllm_server", server.port, timeout_seconds=1.0)
    server.faults[path] = "hang"
    with pytest.raises(EngineError) as failed:
        trainer.policy.sample(Request([(2, 3)]), GREEDY)
    advice = ADVICE.format(tiny=loading.TINY, port=server.port)
    assert str(failed.value) == (
        f"rollout.timeout_seconds = 1: vLLM was still {doing} after that time; {advice},"
        " or allow it more"
    )
    assert ending == [True]


def test_ranks_that_want_different_completions_get_their_own(tmp_path: Path) -> None:
    """In number, and in the room that their prefixes leave."""
    first, second = ranks.run(tmp_path, "unequal_wishes")
    assert len(first["found"]) == 0
    assert len(second["found"]) == 4
    for rank in (first, second):
        assert rank["found"] == rank["expected"]
        assert rank["again"] == rank["expected_again"]
    assert len(first["again"][0]) == 7
    assert [len(ids) for ids in second["found"]] == [6, 5, 4, 3]
    assert first["loads"] == 1
