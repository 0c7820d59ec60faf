"""Generation over vLLM's interfaces: TRL's client against an HTTP server, and TRL's colocated engine, without a GPU."""

import importlib.metadata
import random
from collections.abc import Iterator
from importlib.metadata import PackagePath, PathDistribution
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

import numpy as np
from accelerate import Accelerator
from peft import LoraConfig, get_peft_model
from pydantic import BaseModel, model_validator

from hybrid_rl.config.composing import config_dir
from hybrid_rl.config.model import ModelSettings
from hybrid_rl.config.rollout import RolloutSettings
from hybrid_rl.methods.base import Method
from hybrid_rl.models import loading, vllm, vllm_setup
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.models.vllm import EngineError, VllmEngine
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.types import Attempt, Group
from tests.fakes import (
    presets,
    ranks,
    tiny,
)
from tests.fakes.programs import Programs
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
    temperature = options.pop("temperature", 1.0)
    trainer, recorder = build(
        run_dir,
        method,
        instance=own,
        hardware__processes=processes,
        train__rl__temperature=temperature,
    )
    rollout = {
        **presets.option("rollout", "transformers"),
        "engine": engine,
        "port": port,
        **options,
    }
    changed = {"rollout": RolloutSettings.model_validate(rollout)}
    settings = trainer.settings.model_copy(update=changed)
    trainer.attempter.scored = settings.tells_log_probs
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


def test_adapters_are_in_the_weights_that_a_server_gets(server: Server, tmp_path: Path) -> None:
    settings = tiny.settings(
        tmp_path, model__lora="{rank:4,alpha:8,dropout:0,target_modules:all-linear}"
    )
    rollout = presets.option("rollout", "vllm_server") | {"port": server.port}
    changed = {"rollout": RolloutSettings.model_validate(rollout)}
    model = get_peft_model(tiny.model(), LoraConfig(target_modules="all-linear"))
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:  # zeros at first
                weight.fill_(0.1)
    settings = settings.model_copy(update=changed)
    engine = VllmEngine(settings, model, tiny.vocabulary(), Accelerator(cpu=True))
    engine.sample(Request([(2, 3)]), GREEDY, 0)
    assert torch.equal(flat(server.engine.model), flat(model.merge_and_unload()))


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


def test_the_gap_to_a_colocated_engine_is_that_of_its_other_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An engine whose head is doubled draws at half the temperature: its log-probabilities are told, and differ."""
    gaps = {}
    for factor in (1.0, 2.0):
        Colocated.replace_vllm(monkeypatch)
        trainer, recorder = with_engine(tmp_path / str(factor), "vllm_colocate")
        llm, load = trainer.policy.engine._generation.llm, None
        load = llm.llm_engine.model_executor.driver_worker.model_runner.model

        def doubled(weights: Any, plain: Any = load.load_weights, factor: float = factor) -> None:
            plain(
                [(name, value * factor if "lm_head" in name else value) for name, value in weights]
            )

        load.load_weights = doubled
        trainer.train()
        gaps[factor] = recorder.column("sampler_gap_mean")
    assert max(gaps[1.0]) < 1e-5
    assert min(gaps[2.0]) > 0.01


@pytest.mark.parametrize("engine", ["vllm_server", "vllm_colocate"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_probabilities_are_those_of_a_pass_over_each_completion(
    server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str, temperature: float
) -> None:
    Colocated.replace_vllm(monkeypatch)
    server.model_config["logprobs_mode"] = "processed_logprobs"
    trainer, _ = with_engine(tmp_path, engine, server.port, seeded=False)
    told: dict[int, Any] = {}
    prompts = LIMITED.prompts
    request = Request(prompts, LIMITED.limits, scored=told.__setitem__)
    drawn = trainer.policy.sample(request, SamplingParams(temperature, 1.0, 0, 8))
    assert sorted(told) == list(range(len(prompts)))
    for place, (prompt, ids) in enumerate(zip(prompts, drawn, strict=True)):
        with torch.no_grad():
            logits = trainer.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1]
        expected = (logits / temperature).log_softmax(-1)[range(len(ids)), ids]
        assert told[place] == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_server_that_tells_log_probabilities_at_another_temperature_is_refused(
    server: Server, tmp_path: Path
) -> None:
    server.model_config["logprobs_mode"] = "raw_logprobs"
    with_engine(tmp_path / "1", "vllm_server", server.port)
    with pytest.raises(EngineError) as failed:
        with_engine(tmp_path / "2", "vllm_server", server.port, temperature=0.7)
    assert str(failed.value) == (
        f"train.rl.temperature = 0.7: the server at rollout.host = 127.0.0.1, rollout.port = {server.port} tells"
        " log-probabilities as they are at 1 (raw_logprobs), with which the trainer's cannot be compared; start it with"
        " --logprobs-mode processed_logprobs"
    )
    server.model_config["logprobs_mode"] = "processed_logprobs"
    with_engine(tmp_path / "3", "vllm_server", server.port, temperature=0.7)


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
    assert llm.options["dtype"] == "float32"
    trainer.train()
    found = trainer.policy.sample(LIMITED, GREEDY)
    assert torch.equal(flat(llm.model), flat(trainer.model))
    assert llm.cache_resets == 5  # before each of 4 rollouts, and the last call
    trainer.policy.engine = None
    assert found == trainer.policy.sample(LIMITED, GREEDY)
    assert len(recorder.metrics) == 4


def test_a_colocated_engine_leaves_the_random_state_of_the_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """vLLM seeds this process with the rank when it starts: runs of all seeds would draw alike."""
    Colocated.replace_vllm(monkeypatch)
    trainer, _ = build(tmp_path)
    rollout = trainer.settings.rollout.model_copy(update={"engine": "vllm_colocate"})
    settings = trainer.settings.model_copy(update={"rollout": rollout})
    vocabulary = Vocabulary(trainer.processing_class, [1])

    def drawn(seed: int) -> tuple[float, float, float]:
        torch.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        VllmEngine(settings, trainer.model, vocabulary, trainer.accelerator)
        return torch.rand(1).item(), np.random.random(), random.random()

    assert drawn(1) == drawn(1)
    assert [a == b for a, b in zip(drawn(1), drawn(2), strict=True)] == [False] * 3


class Refusing(BaseModel):
    """A configuration that says no as vLLM's does: in many lines."""

    max_model_len: int

    @model_validator(mode="after")
    def _no(self) -> "Refusing":
        raise ValueError(f"max_model_len ({self.max_model_len}) is greater than\nthe derived 64.")


def test_a_colocated_engine_that_does_not_start_is_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Colocated.replace_vllm(monkeypatch)
    monkeypatch.setattr(
        vllm.vllm_generation,
        "LLM",
        lambda max_model_len, **_: Refusing(max_model_len=max_model_len),
    )
    with pytest.raises(EngineError) as failed:
        with_engine(tmp_path, "vllm_colocate")
    assert str(failed.value) == (
        "rollout.engine = vllm_colocate: vLLM failed while starting (ValidationError: Value error, max_model_len (72)"
        " is greater than the derived 64); it was to generate in float32 (rollout.dtype), sequences of up to 72 tokens"
        " (data.max_prompt_tokens = 64 and completions of up to 8); lower rollout.gpu_memory where memory is short, or"
        " choose rollout=transformers"
    )
    assert failed.value.__cause__ is not None


def test_what_vllm_says_at_length_is_cut() -> None:
    told = vllm._reason(RuntimeError("so\n  much " * 1000))
    assert told.startswith("RuntimeError: so much so much")
    assert told.endswith(" ...")
    assert "\n" not in told
    assert len(told) < 700


ADVICE = (
    "see the log of the server at rollout.host = 127.0.0.1, rollout.port = {port}, which must run and reach this"
    " machine at rollout.group_port = 51216; start it with VLLM_SERVER_DEV_MODE=1 vllm serve {tiny}"
    " --dtype float32 --max-model-len 72 --logprobs-mode processed_logprobs"
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
    assert vllm_setup.served(model) == shown


@pytest.mark.parametrize(
    ("path", "status", "doing"),
    [("/v1/completions", 400, "generating"), ("/update_weights", 500, "taking new weights")],
)
def test_a_server_that_refuses_is_told_with_its_words_and_not_asked_again(
    server: Server, tmp_path: Path, path: str, status: int, doing: str
) -> None:
    trainer, _ = with_engine(tmp_path, "vllm_server", server.port)
    server.faults[path] = status
    said = (
        rf'vLLM failed while {doing} \(Exception: Request failed: {status}, .*so says the server"'
    )
    with pytest.raises(EngineError, match=said):
        trainer.policy.sample(Request([(2, 3)]), GREEDY)
    assert server.calls.count(path) == 1


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"dtype": "torch.bfloat16"},
            "rollout.dtype = null: the server at rollout.host = 127.0.0.1, rollout.port = {port} computes in bfloat16"
            " and not in float32; start it with --dtype float32, or set rollout.dtype=bfloat16",
        ),
        (
            {"max_model_len": 71},
            "rollout.engine = vllm_server: the server at rollout.host = 127.0.0.1, rollout.port = {port} takes at most"
            " 71 tokens a sequence, and data.max_prompt_tokens = 64 and completions of up to 8 make 72; start it with"
            " --max-model-len 72, or lower them",
        ),
    ],
)
def test_a_server_that_was_started_otherwise_is_refused(
    server: Server, tmp_path: Path, config: dict[str, Any], said: str
) -> None:
    server.model_config |= config
    with pytest.raises(EngineError) as failed:
        with_engine(tmp_path, "vllm_server", server.port)
    assert str(failed.value) == said.format(port=server.port)


def test_a_server_may_compute_in_another_dtype_where_the_settings_say_so(
    server: Server, tmp_path: Path
) -> None:
    server.model_config["dtype"] = "torch.bfloat16"
    with_engine(tmp_path, "vllm_server", server.port, dtype="bfloat16")


@pytest.mark.parametrize(
    ("chosen", "precision", "weights", "expected"),
    [
        (None, "float32", "float32", "float32"),
        (None, "float32", "float16", "float16"),
        (None, "bfloat16", "float32", "bfloat16"),
        ("float32", "bfloat16", "bfloat16", "float32"),
    ],
)
def test_the_engine_computes_as_training_does_unless_told(
    tmp_path: Path, chosen: str | None, precision: str, weights: str, expected: str
) -> None:
    settings = tiny.settings(tmp_path, hardware__precision=precision, model__dtype=weights)
    rollout = settings.rollout.model_copy(update={"engine": "vllm_colocate", "dtype": chosen})
    assert vllm_setup.dtype_of(settings.model_copy(update={"rollout": rollout})) == expected


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


def test_ranks_that_want_different_completions_get_their_own(
    programs: Programs, tmp_path: Path
) -> None:
    """In number, and in the room that their prefixes leave."""
    first, second = ranks.run(programs, tmp_path, "unequal_wishes")
    assert len(first["found"]) == 0
    assert len(second["found"]) == 4
    for rank in (first, second):
        assert rank["found"] == rank["expected"]
        assert rank["again"] == rank["expected_again"]
    assert len(first["again"][0]) == 7
    assert [len(ids) for ids in second["found"]] == [6, 5, 4, 3]
    assert first["loads"] == 1
