"""Generation with vLLM, through TRL's own engine, client and weight sync; `generation` is the other place.

Prompts go in and completions come out as token ids, one completion per prompt. All ranks enter every call: what they
ask for is pooled and shared out evenly, so a rank may ask for nothing. vLLM draws from the weights as they are: they
are sent whenever an update of any kind has changed them since the last call.

vLLM's probabilities differ from the trainer's by rounding, about as much as the dtypes of both do. A request that
listens to them (`Request.scored`) is told them, as they are at the sampling temperature.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from math import nan
from typing import Any, NamedTuple, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from pydantic import ValidationError
from transformers import PreTrainedModel
from trl.generation import vllm_generation

from hybrid_rl.config.rollout import RolloutSettings
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import USER_ERROR, SettingsError
from hybrid_rl.models.sampling import Request, SamplingParams, cut_after_eos
from hybrid_rl.models.vllm_setup import dtype_of, engine_in, random_state_kept, send_copies, served
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.types import Ids

log = logging.getLogger(__name__)
_CONNECTIONS = 64  # as many as TRL's client keeps open
_LOADING_SECONDS = 120.0  # a server that is still reading its weights
_LAST_SECONDS = 60.0
_PROCESSED = "processed_logprobs"
_MOST_CHARACTERS = 600  # of what vLLM says, in an error; the whole is in log.txt
Answer = TypeVar("Answer")


class SeededPrompt(NamedTuple):
    """A prompt, the most tokens that may follow it, and the seed to draw them with."""

    ids: Ids
    most: int
    seed: int


class Drawn(NamedTuple):
    """A completion as vLLM tells it, and the log-probability of each token; NaN where vLLM has none."""

    ids: Sequence[int]
    log_probs: Sequence[float] = ()


class EngineError(SettingsError):
    """vLLM did not do what it was asked; the message says what to look at."""


class VllmEngine:
    """An engine whose `sample` answers for the trainer. All ranks create it together, before anything is trained."""

    def __init__(
        self,
        settings: Settings,
        model: PreTrainedModel,
        vocabulary: Vocabulary,
        accelerator: Accelerator,
    ) -> None:
        self.settings: RolloutSettings = settings.rollout
        self._model = settings.model
        self.is_server = self.settings.engine == "vllm_server"
        self.accelerator = accelerator
        self.eos_ids = list(vocabulary.eos_ids)
        self._sent: int | None = None
        self._told = settings.tells_log_probs
        self._temperature = settings.train.rl.temperature
        self._dtype = dtype_of(settings)
        prompt = settings.data.max_prompt_tokens
        completion = max(
            settings.train.max_completion_tokens, settings.eval.max_completion_tokens or 0
        )
        self._longest = prompt + completion
        self._lengths = f"data.max_prompt_tokens = {prompt} and completions of up to {completion}"
        start_vllm = partial(
            vllm_generation.VLLMGeneration,
            model=model,
            accelerator=accelerator,
            processing_class=vocabulary.tokenizer,
            mode=self.settings.engine.removeprefix("vllm_"),
            server_host=self.settings.host,
            server_port=self.settings.port,
            server_timeout=min(_LOADING_SECONDS, self.settings.timeout_seconds / 2),
            group_port=self.settings.group_port,
            gpu_memory_utilization=self.settings.gpu_memory,
            max_model_length=self._longest,
            max_num_seqs=settings.hardware.generation_batch,
            trust_remote_code=settings.model.trust_remote_code,
            logprobs=None,
        )
        if self.is_server:
            self._generation = self._clocked("starting", start_vllm)
            if accelerator.is_main_process and settings.model.lora is not None:
                send_copies(self._generation.vllm_client)
        else:
            # In the main thread: it may want to handle signals.
            with random_state_kept(accelerator.device), engine_in(self._dtype):
                self._generation = self._in_words("starting", start_vllm)
        if not self.is_server or accelerator.is_main_process:
            self._require_alike()

    def _require_alike(self) -> None:
        """Raises EngineError where the engine computes in another dtype than it is to, or takes shorter sequences."""
        if self.is_server:
            client = self._generation.vllm_client
            _end_retries(client.session)
            config = self._clocked("starting", client.get_server_info)["model_config"]
            found, most = config["dtype"], config["max_model_len"]
            where = f"the server at rollout.host = {self.settings.host}, rollout.port = {self.settings.port}"
        else:
            config = self._generation.llm.llm_engine.vllm_config.model_config
            found, most, where = config.dtype, config.max_model_len, "vLLM's engine"
        found = str(found).removeprefix("torch.")
        if found != self._dtype:
            asked = self.settings.dtype or "null"
            start = f"start it with --dtype {self._dtype}, or " if self.is_server else ""
            raise EngineError(
                f"rollout.dtype = {asked}: {where} computes in {found} and not in {self._dtype};"
                f" {start}set rollout.dtype={found}"
            )
        if most < self._longest:
            start = f"start it with --max-model-len {self._longest}, or " if self.is_server else ""
            raise EngineError(
                f"rollout.engine = {self.settings.engine}: {where} takes at most {most} tokens a sequence, and"
                f" {self._lengths} make {self._longest}; {start}lower them"
            )
        self._require_processed(config)
        if self.accelerator.is_main_process:
            log.info("vLLM: generates in %s, sequences of up to %d tokens", found, most)

    def _require_processed(self, config: Any) -> None:
        """Raises EngineError where a server tells log-probabilities that are not those at the temperature."""
        found = config.get("logprobs_mode", "raw_logprobs") if self.is_server else _PROCESSED
        if found != _PROCESSED and self._told and self._temperature != 1:
            raise EngineError(
                f"train.rl.temperature = {self._temperature:g}: the server at rollout.host = {self.settings.host},"
                f" rollout.port = {self.settings.port} tells log-probabilities as they are at 1 ({found}), with which"
                f" the trainer's cannot be compared; start it with --logprobs-mode {_PROCESSED}"
            )

    def sample(self, request: Request, params: SamplingParams, updates: int) -> list[Ids]:
        """Draws one completion per prompt; `updates` is a number that changes when the weights do.

        Raises EngineError, on all ranks where they can still be told.
        """
        if self._sent != updates:
            self._clocked("taking new weights", self._generation.sync_weights)
            self._sent = updates
        count = len(request.prompts)
        wanted = zip(request.prompts, request.limits_under(params), _seeds(count), strict=True)
        asked: list[list[SeededPrompt]] = gather_object([[SeededPrompt(*one) for one in wanted]])
        rows = [row for of_rank in asked for row in of_rank]
        if not rows:
            return []
        draw = self._on_server if self.is_server else self._colocated
        drawn = draw(rows, params, 0 if request.scored is not None else None)
        first = sum(map(len, asked[: self.accelerator.process_index]))
        own = drawn[first : first + count]
        if request.scored is not None:
            for index, one in enumerate(own):
                request.scored(index, one.log_probs)
        return [cut_after_eos(one.ids, self.eos_ids) for one in own]

    def _on_server(
        self, rows: Sequence[SeededPrompt], params: SamplingParams, logprobs: int | None
    ) -> list[Drawn]:
        """The completions of all rows, for which rank 0 asks the server; it tells the other ranks."""
        answer: list[Any] = [None, None]
        if self.accelerator.is_main_process:
            try:
                answer[0] = self._clocked(
                    "generating", lambda: self._request(rows, params, logprobs)
                )
            except EngineError as error:
                answer[1] = str(error)
        drawn: list[Drawn]
        drawn, problem = broadcast_object_list(answer)
        if problem is not None:
            raise EngineError(problem)
        return drawn

    def _request(
        self, rows: Sequence[SeededPrompt], params: SamplingParams, logprobs: int | None
    ) -> list[Drawn]:
        """Asks once for the rows of each length limit, or where they are seeded once for each row."""
        client = self._generation.vllm_client
        common = {"ignore_eos": True, "stop_token_ids": self.eos_ids}

        def ask(places: Sequence[int]) -> list[Drawn]:
            first = rows[places[0]]
            seed = {"seed": first.seed} if self.settings.seeded else {}
            answer: Any = client.generate(
                prompts=[list(rows[place].ids) for place in places],
                max_tokens=first.most,
                logprobs=logprobs,
                generation_kwargs=common | seed,
                **params.options,
            )
            if logprobs is None:
                return list(map(Drawn, answer["completion_ids"]))
            # TRL gives a list for each token, here of one log-probability; None where vLLM's was not a number.
            told = [[nan if one is None else one for (one,) in row] for row in answer["logprobs"]]
            return list(map(Drawn, answer["completion_ids"], told))

        requests: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            requests.setdefault(place if self.settings.seeded else row.most, []).append(place)
        drawn = [Drawn(())] * len(rows)
        with ThreadPoolExecutor(min(_CONNECTIONS, len(requests))) as connections:
            answers = connections.map(ask, requests.values())
            for places, answer in zip(requests.values(), answers, strict=True):
                for place, one in zip(places, answer, strict=True):
                    drawn[place] = one
        return drawn

    def _colocated(
        self, rows: Sequence[SeededPrompt], params: SamplingParams, logprobs: int | None
    ) -> list[Drawn]:
        """The completions of all rows, of which each rank's engine draws an even share."""
        ranks, rank = self.accelerator.num_processes, self.accelerator.process_index
        mine = rows[rank::ranks]
        engine: Any = vllm_generation  # it has vLLM's names where vLLM is installed
        parameters = [
            engine.SamplingParams(
                n=1,
                max_tokens=row.most,
                ignore_eos=True,
                stop_token_ids=self.eos_ids,
                seed=row.seed if self.settings.seeded else None,
                logprobs=logprobs,
                **params.options,
            )
            for row in mine
        ]
        prompts = [{"prompt_token_ids": list(row.ids)} for row in mine]
        outputs = []
        if mine:
            generate = self._generation.llm.generate
            outputs = self._clocked(
                "generating", lambda: generate(prompts, sampling_params=parameters, use_tqdm=False)
            )
        shares = gather_object([[_drawn(output.outputs[0]) for output in outputs]])
        return [shares[i % ranks][i // ranks] for i in range(len(rows))]

    def _clocked(self, doing: str, call: Callable[[], Answer]) -> Answer:
        """What `call` returns, within the wall clock. Raises EngineError with the cause."""
        outcome: Future[Answer] = Future()

        def run() -> None:
            if self.accelerator.device.type == "cuda":
                # Each thread has a current device of its own.
                torch.cuda.set_device(self.accelerator.device)
            try:
                outcome.set_result(call())
            except Exception as error:  # noqa: BLE001 - raised again, with its cause, where the call was made
                outcome.set_exception(error)

        # A daemon: a call that hangs in a socket or in NCCL cannot be ended, and must not keep the process alive.
        thread = threading.Thread(target=run, name=f"vllm {doing}", daemon=True)
        thread.start()
        thread.join(self.settings.timeout_seconds)
        if not outcome.done():
            _end_for_sure()
            raise EngineError(
                f"rollout.timeout_seconds = {self.settings.timeout_seconds:g}: vLLM was still {doing} after that time;"
                f" {self._advice()}, or allow it more"
            )
        return self._in_words(doing, outcome.result)

    def _in_words(self, doing: str, call: Callable[[], Answer]) -> Answer:
        """What `call` returns. Raises EngineError, a line with the cause."""
        try:
            return call()
        except Exception as error:
            raise EngineError(
                f"rollout.engine = {self.settings.engine}: vLLM failed while {doing} ({_reason(error)});"
                f" {self._advice()}"
            ) from error

    def _advice(self) -> str:
        if not self.is_server:
            return (
                f"it was to generate in {self._dtype} (rollout.dtype), sequences of up to {self._longest} tokens"
                f" ({self._lengths}); lower rollout.gpu_memory where memory is short, or choose rollout=transformers"
            )
        return (
            f"see the log of the server at rollout.host = {self.settings.host}, rollout.port = {self.settings.port},"
            f" which must run and reach this machine at rollout.group_port = {self.settings.group_port}; start it with"
            f" VLLM_SERVER_DEV_MODE=1 vllm serve {served(self._model)} --dtype {self._dtype}"
            f" --max-model-len {self._longest} --logprobs-mode {_PROCESSED}"
            f""" --weight-transfer-config '{{"backend": "nccl"}}' --port {self.settings.port}"""
        )


def _drawn(output: Any) -> Drawn:
    """What the engine in this process has drawn for a prompt."""
    ids = list(output.token_ids)
    if output.logprobs is None:
        return Drawn(ids)
    return Drawn(ids, [of[token].logprob for of, token in zip(output.logprobs, ids, strict=True)])


def _end_retries(session: Any) -> None:
    """Let a server's refusal be told in its words: TRL's client would ask again, and then tell that it did.

    A weight sync that has failed cannot be asked for again: the weights are on their way once.
    """
    for adapter in session.adapters.values():
        adapter.max_retries = adapter.max_retries.new(status=0, raise_on_status=False)


def _reason(error: Exception) -> str:
    """What an exception says, in one line of limited length."""
    text = str(error)
    if isinstance(error, ValidationError):  # what it says beside takes ten lines
        text = "; ".join(one["msg"] for one in error.errors())
    text = " ".join(f"{type(error).__name__}: {text}".split())
    return text.rstrip(".:") if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]} ..."


def _end_for_sure() -> None:
    """Ends this process soon, also where threads that TRL's client waits with never return."""
    timer = threading.Timer(_LAST_SECONDS, os._exit, (USER_ERROR,))
    timer.daemon = True
    timer.start()


def _seeds(count: int) -> list[int]:
    """Seeds from torch's generator, which is part of a checkpoint, and another one during evaluation."""
    return torch.randint(2**31 - 1, (count,)).tolist() if count else []
