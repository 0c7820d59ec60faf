"""vLLM's interfaces as TRL uses them, backed by the one-layer model of the tests.

`Server` speaks the HTTP endpoints that TRL's client calls of vLLM 0.28 and later; `Colocated` stands in for
`vllm.LLM`. Not vLLM's own: weights come through a queue in this process instead of NCCL, and the model answers with
transformers. `tests/vllm` has vLLM itself.
"""

import json
import queue
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from trl.generation import vllm_client, vllm_generation

from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.generation import generate
from hybrid_rl.models.sampling import Request, SamplingParams
from tests.fakes import tiny

Weights = list[tuple[str, torch.Tensor]]


class Engine:
    """A model that other weights can be loaded into, and what it was asked."""

    def __init__(self) -> None:
        self.model = tiny.model(seed=99).eval()
        self.loads = 0
        self.prompts: list[list[list[int]]] = []
        self.seeds: list[int | None] = []
        self._lock = threading.Lock()

    def load(self, weights: Weights) -> None:
        with self._lock, torch.no_grad():
            own = dict(self.model.named_parameters())
            for name, value in weights:
                own[name].copy_(value)
            self.loads += 1

    def log_probs(self, prompt: list[int], ids: list[int], temperature: float) -> list[float]:
        """Those of the ids behind the prompt, at the temperature, in one pass: a second way to what a decoder has."""
        with torch.inference_mode():
            logits = self.model(torch.tensor([prompt + ids])).logits[0, len(prompt) - 1 : -1]
        scores = (logits.float() / (temperature or 1.0)).log_softmax(-1)
        return scores[range(len(ids)), ids].tolist()

    def complete(self, prompts: list[list[int]], asked: dict[str, Any]) -> list[list[int]]:
        """As vLLM does: ended by a stop token, which stays in the ids."""
        assert asked["ignore_eos"]
        assert asked["n"] == 1
        with self._lock, torch.random.fork_rng():
            self.prompts.append(prompts)
            self.seeds.append(asked.get("seed"))
            if asked.get("seed") is not None:
                torch.manual_seed(asked["seed"])
            params = SamplingParams(
                asked["temperature"], asked["top_p"], asked["top_k"], asked["max_tokens"]
            )
            request = Request([tuple(prompt) for prompt in prompts])
            language_model = LanguageModel(self.model, asked["stop_token_ids"], 0)
            return [list(ids) for ids in generate(language_model, request, params, 64)]


class Server:
    """On a free port of this machine; `faults` maps a path to an HTTP status, or to "hang"."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.weights: queue.Queue[Weights] = queue.Queue()
        self.calls: list[str] = []
        self.faults: dict[str, int | str] = {}
        self.model_config: dict[str, Any] = {"dtype": "torch.float32", "max_model_len": 4096}
        self.over = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer({})

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                self._answer(json.loads(self.rfile.read(length) or b"{}"))

            def _answer(self, body: dict[str, Any]) -> None:
                path = self.path.partition("?")[0]
                fault = outer.faults.get(path)
                if fault == "hang":
                    outer.over.wait()
                refused = isinstance(fault, int)
                if refused:
                    outer.calls.append(path)
                said = {"error": "so says the server"} if refused else outer.answer(path, body)
                found = json.dumps(said).encode()
                self.send_response(fault if isinstance(fault, int) else 200)
                self.send_header("Content-Length", str(len(found)))
                self.end_headers()
                self.wfile.write(found)

            def log_message(self, *args: Any) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.daemon_threads = True
        self.port = self.http.server_address[1]

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        self.calls.append(path)
        if path == "/v1/models":
            return {"data": [{"id": "tiny"}]}
        if path == "/server_info":
            transfer = {"backend": "nccl"}
            config = {"weight_transfer_config": transfer, "model_config": self.model_config}
            return {"vllm_config": config}
        if path == "/get_world_size":
            return {"world_size": 1}
        if path == "/init_weight_transfer_engine":
            assert body["init_info"]["packed"]
            assert (body["init_info"]["rank_offset"], body["init_info"]["world_size"]) == (1, 2)
        if path == "/update_weights":
            weights = self.weights.get(timeout=30)
            assert self.calls[-2] == "/start_weight_update"
            self._require_announced(weights, body["update_info"])
            self.engine.load(weights)
        if path == "/v1/completions":
            drawn = self.engine.complete(body["prompt"], body)
            return {
                "choices": [
                    {
                        "prompt_token_ids": prompt,
                        "token_ids": ids,
                        "logprobs": self._scores(prompt, ids, body),
                    }
                    for prompt, ids in zip(body["prompt"], drawn, strict=True)
                ]
            }
        return {"success": True}

    def _scores(
        self, prompt: list[int], ids: list[int], asked: dict[str, Any]
    ) -> dict[str, list[Any]] | None:
        if asked["logprobs"] is None:
            return None
        assert asked["logprobs"] == 0
        assert asked["return_tokens_as_token_ids"]
        tokens = [f"token_id:{token}" for token in ids]
        told = self.engine.log_probs(prompt, ids, asked["temperature"])
        pairs = zip(tokens, told, strict=True)
        return {
            "tokens": tokens,
            "token_logprobs": told,
            "top_logprobs": [{token: score} for token, score in pairs],
        }

    @staticmethod
    def _require_announced(weights: Weights, announced: dict[str, Any]) -> None:
        assert announced.keys() == {"names", "dtype_names", "shapes"}
        assert [name for name, _ in weights] == announced["names"]
        dtypes = [str(value.dtype).removeprefix("torch.") for _, value in weights]
        assert dtypes == announced["dtype_names"]
        assert [list(value.shape) for _, value in weights] == announced["shapes"]

    @contextmanager
    def running(self) -> Iterator["Server"]:
        thread = threading.Thread(target=self.http.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.over.set()
            self.http.shutdown()
            self.http.server_close()

    def replace_nccl(self, patch: pytest.MonkeyPatch) -> None:
        """TRL's client believes that vLLM is there, and a GPU, and hands the weights it streams to this server."""

        def send(
            iterator: Iterator[tuple[str, torch.Tensor]],
            group: Any,
            src: int,
            post_iter_func: Callable[[tuple[str, torch.Tensor]], torch.Tensor],
        ) -> None:
            assert (group, src) == (communicator, 0)
            # vLLM too reads the tensors when all have come, unless they make more than a gigabyte.
            given = [(item[0], post_iter_func(item).detach()) for item in iterator]
            self.weights.put([(name, value.clone()) for name, value in given])

        communicator = SimpleNamespace(group=SimpleNamespace(store=None, socket=None))
        connect = vllm_client.VLLMClient.init_communicator
        for module in (vllm_client, vllm_generation):
            patch.setattr(module, "is_vllm_available", lambda **_: True)
        for name, stand_in in {
            "_HAS_STATEFUL_TRAINER_ENGINE": True,
            "_HAS_RESET_PREFIX_CACHE_SUCCESS": True,
            "get_ip": lambda: "127.0.0.1",
            "open_trainer_endpoint": lambda init_info: communicator,
            "packed_nccl_broadcast_producer": send,
        }.items():
            patch.setattr(vllm_client, name, stand_in, raising=False)
        patch.setattr(
            vllm_client.VLLMClient, "init_communicator", lambda self, device: connect(self, "cuda")
        )


class Colocated(Engine):
    """In the place of vllm.LLM."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.options = options
        self.cache_resets = 0
        torch.manual_seed(options["seed"])  # as vLLM does, in the trainer's own process
        np.random.seed(options["seed"])
        random.seed(options["seed"])
        model_config = SimpleNamespace(
            dtype=getattr(torch, options["dtype"]), max_model_len=options["max_model_len"]
        )
        runner = SimpleNamespace(model=SimpleNamespace(load_weights=self.load))
        worker = SimpleNamespace(model_runner=runner)
        self.llm_engine = SimpleNamespace(
            model_executor=SimpleNamespace(driver_worker=worker),
            vllm_config=SimpleNamespace(model_config=model_config),
        )

    def reset_prefix_cache(self) -> None:
        self.cache_resets += 1

    def generate(
        self, prompts: list[dict[str, list[int]]], sampling_params: list[Any], use_tqdm: bool
    ) -> list[Any]:
        found = []
        for prompt, one in zip(prompts, sampling_params, strict=True):
            before = prompt["prompt_token_ids"]
            (ids,), told = self.complete([before], vars(one)), None
            if one.logprobs is not None:
                assert one.logprobs == 0
                pairs = zip(ids, self.log_probs(before, ids, one.temperature), strict=True)
                told = [{token: SimpleNamespace(logprob=score)} for token, score in pairs]
            found.append(SimpleNamespace(token_ids=ids, logprobs=told))
        return [SimpleNamespace(outputs=[one]) for one in found]

    @classmethod
    def replace_vllm(cls, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(vllm_generation, "is_vllm_available", lambda **_: True)
        patch.setattr(vllm_generation, "LLM", cls, raising=False)
        patch.setattr(vllm_generation, "SamplingParams", SimpleNamespace, raising=False)
