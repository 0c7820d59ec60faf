"""A one-layer random model, its tokenizer, questions and a grader, all made in memory, for tests of the trainer."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from hybrid_rl.config import loading
from hybrid_rl.config.settings import Settings
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.types import Example, Outcome, Trace, Verdict
from hybrid_rl.verification.grader import Solution
from tests.fakes.composing import compose

SYMBOLS = ["<pad>", "<end>", *"0123456789+="]


def tokenizer() -> PreTrainedTokenizerFast:
    words = Tokenizer(models.WordLevel({s: i for i, s in enumerate(SYMBOLS)}, unk_token="<pad>"))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<end>")


def model(seed: int = 0) -> Qwen2ForCausalLM:
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(SYMBOLS),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    made = Qwen2ForCausalLM(config)
    made.generation_config.eos_token_id = 1
    made.generation_config.pad_token_id = 0
    return made


def vocabulary() -> Vocabulary:
    """The tokenizer, and `<end>` as the only token that ends a completion."""
    return Vocabulary(tokenizer(), [1])


def sharp_model() -> Qwen2ForCausalLM:
    """The same with weights so large that a wrong position, or a token too many to look at, changes what comes out."""
    made = model()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(10.0 if parameter.dim() > 1 else 1.0)
    return made


def examples(count: int, seed: int = 0, traced: bool = True) -> list[Example]:
    """Questions `a + b =` with traces of unequal lengths."""
    words, draw = tokenizer(), random.Random(seed)
    made = []
    for index in range(count):
        question = f"{index % 10} + {draw.randrange(10)} ="
        text = " ".join(str(draw.randrange(10)) for _ in range(draw.randrange(1, 6)))
        ids = tuple(words.encode(text))
        ends = tuple(range(1, 2 * len(ids), 2))
        trace = Trace(text, ids, ends, answer_start=len(text)) if traced else None
        made.append(Example(f"q{index}", tuple(words.encode(question)), question, "even", trace))
    return made


def even_share(text: str) -> float:
    """The reward of the tests: the share of even digits among all symbols that TRL's decoding leaves."""
    symbols = [symbol for symbol in text.split() if not symbol.startswith("<")]
    return sum(symbol in "02468" for symbol in symbols) / max(1, len(symbols))


class EvenGrader:
    """Stands in for `grader.Grades`: rewards even digits, calls a solution correct when the first symbol is even."""

    def __init__(self) -> None:
        self.calls = 0

    def grade(self, solutions: Sequence[Solution]) -> list[Verdict]:
        self.calls += len(solutions)
        return [
            Verdict("correct" if even_share(s.text[:1]) else "wrong", even_share(s.text))
            for s in solutions
        ]

    def outcomes(self, solutions: Sequence[Solution]) -> list[Outcome]:
        return [verdict.outcome for verdict in self.grade(solutions)]

    def verify_early(self, solution: Solution) -> None: ...


class Remember:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.metrics: list[dict[str, Any]] = []
        self.decisions: list[dict[str, Any]] = []
        self.rows: list[dict[str, Any]] = []
        self.dev_lines: list[dict[str, Any]] = []
        self.alarms: list[Mapping[str, Any]] = []

    def update(self, metrics: dict[str, Any], decision: dict[str, Any]) -> None:
        self.metrics.append(metrics)
        self.decisions.append(decision)

    def alarm(self, record: Mapping[str, Any]) -> None:
        self.alarms.append(record)

    def rollouts(self, step: int, rows: list[dict[str, Any]]) -> None:
        self.rows += rows

    def dev(self, step: int, line: Mapping[str, float]) -> None:
        self.dev_lines.append({"step": step, **line})

    def column(self, name: str) -> list[Any]:
        return [line[name] for line in self.metrics]


class OnDev:
    """Stands in for a `DevEvaluation`; remembers the steps that it was called after."""

    def __init__(self) -> None:
        self.evaluated: list[int] = []

    def evaluate(self, step: int, axes: Mapping[str, float]) -> None:
        self.evaluated.append(step)

    def keep_with(self, checkpoint: Path) -> None:
        pass


def settings(run_dir: Path, method: str = "grpo", **overrides: Any) -> Settings:
    """Settings of 4 steps of 4 questions by 4 rollouts, composed from conf/; `overrides` have __ for dots."""
    size = [] if method == "sft" else ["method.group_size=4"]
    small = [
        f"method={method}",
        *size,
        "train.steps=4",
        "train.prompts_per_step=4",
        "train.max_completion_tokens=8",
        "train.sft.batch_size=8",
        "train.save_every=null",
        "train.eval_every=null",
        "train.rollouts_every=1",
    ]
    given = [
        f"{key.replace('__', '.')}={'null' if value is None else value}"
        for key, value in overrides.items()
    ]
    return loading.load_settings(compose(*small, *given), run_dir, run_dir)
