"""One piece of work for two trainers: ours, and plain trl.GRPOTrainer as a user would write it.

Same model, prompts, group size, seed and settings of TRL; both start from the same weights and take the same questions
in the same order.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PreTrainedModel
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from hybrid_rl.config.settings import Settings
from hybrid_rl.data.encoding import encode
from hybrid_rl.data.splits import load_questions
from hybrid_rl.models import loading
from hybrid_rl.models.policy import Policy
from hybrid_rl.models.vocabulary import Vocabulary
from hybrid_rl.recording import quiet
from hybrid_rl.recording.progress import Progress
from hybrid_rl.recording.recorder import RunRecorder
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.recording.trackers import Tracker
from hybrid_rl.training import arguments
from hybrid_rl.training.streams import Stream
from hybrid_rl.training.trainer import HybridTrainer
from hybrid_rl.types import Example, Verdict
from hybrid_rl.verification.grader import Grader, Solution


class ArrangedGrader:
    """Verifies like the grader it wraps, then says what the benchmark needs: which groups have advantages.

    `mixed_share`: of every two groups, how many have a correct and a wrong rollout, as a share: 1, 0.5 or 0; the
    others are all wrong. None: the verdicts as they are.
    """

    def __init__(self, grader: Grader, group_size: int, mixed_share: float | None) -> None:
        self.grader, self.group_size, self.mixed_share = grader, group_size, mixed_share

    @property
    def calls(self) -> int:
        return self.grader.calls

    def verify_early(self, solution: Solution) -> None:
        self.grader.verify_early(solution)

    def grade(self, solutions: Sequence[Solution]) -> list[Verdict]:
        verdicts = self.grader.grade(solutions)
        if self.mixed_share is None:
            return verdicts
        return [self._arranged(row, self.mixed_share) for row in range(len(verdicts))]

    def _arranged(self, row: int, mixed_share: float) -> Verdict:
        group, member = divmod(row, self.group_size)
        mixed = (group + 1) * mixed_share // 1 > group * mixed_share // 1
        right = mixed and member % 2 == 0
        return Verdict("correct", 1.0) if right else Verdict("wrong", 0.0)


@dataclass
class Workload:
    """What both trainers start from."""

    settings: Settings
    model: PreTrainedModel
    vocabulary: Vocabulary
    examples: list[Example]
    grader: ArrangedGrader
    directory: Path

    @classmethod
    def load(cls, settings: Settings, grader: Grader, mixed_share: float | None) -> "Workload":
        """The work that these settings describe."""
        quiet.quiet_progress_bars()
        tokenizer = loading.load_tokenizer(settings.model)
        questions = load_questions(settings.data, grader, settings.method_class.needs_traces, True)
        examples = encode(questions, tokenizer, settings.data, settings.train, grader.answer_start)
        model = loading.load_model(settings.model)
        vocabulary = Vocabulary(tokenizer, loading.eos_token_ids(settings.model, tokenizer, model))
        arranged = ArrangedGrader(grader, settings.method.group_size or 1, mixed_share)
        rows = list(examples.train)
        return cls(settings, model, vocabulary, rows, arranged, Path(settings.run_dir))

    def ours(self) -> HybridTrainer:
        settings = self.settings
        by_id, steps = {e.id: e for e in self.examples}, settings.train.steps
        run = RunDir(self.directory / "ours")
        return HybridTrainer(
            args=arguments.build(settings),
            policy=Policy(copy.deepcopy(self.model), self.vocabulary, settings),
            method=settings.method_class(settings.method, by_id, settings.seed, steps),
            examples=self.examples,
            grader=self.grader,  # grades and counts like one
            settings=settings,
            recorder=RunRecorder(run, Tracker(), Progress(steps)),
        )

    def plain(self) -> GRPOTrainer:
        def reward(completion_ids: Any, answer: Any, **_: Any) -> list[float | None]:
            texts, ended = self.vocabulary.solution_text, self.vocabulary.has_ended
            solutions = [
                Solution(gold, texts(ids), not ended(ids))
                for gold, ids in zip(answer, map(tuple, completion_ids), strict=True)
            ]
            return [verdict.reward for verdict in self.grader.grade(solutions)]

        return GRPOTrainer(
            model=copy.deepcopy(self.model),
            reward_funcs=[reward],
            args=GRPOConfig(**plain_options(self.settings, self.directory / "plain")),
            train_dataset=Dataset.from_list(self._rows()),
            processing_class=self.vocabulary.tokenizer,
        )

    def _rows(self) -> list[dict[str, str]]:
        """The questions in the order in which our trainer takes them, as text that has the same token ids."""
        rows = []
        count = self.settings.train.steps * self.settings.train.prompts_per_step
        for example in Stream(self.examples, self.settings.seed, "questions").take(0, count):
            prompt = self.vocabulary.decode(example.prompt_ids)
            if tuple(self.vocabulary.tokenizer(text=prompt)["input_ids"]) != example.prompt_ids:
                raise ValueError(f"{example.id}: its prompt has other token ids as text")
            rows.append({"prompt": prompt, "answer": example.answer})
        return rows


def plain_options(settings: Settings, directory: Path) -> dict[str, Any]:
    """What a user of plain TRL would give GRPOConfig for the same work."""
    train, hardware, batch = settings.train, settings.hardware, settings.batch
    same_names = "temperature top_p top_k scale_rewards beta learning_rate"
    return {
        "output_dir": str(directory),
        "max_steps": train.steps,
        "per_device_train_batch_size": batch.micro_batch,
        "gradient_accumulation_steps": batch.accumulation,
        "num_generations": batch.group_size,
        "max_completion_length": train.max_completion_tokens,
        **{name: getattr(train.rl, name) for name in same_names.split()},
        "loss_type": train.rl.loss,
        "lr_scheduler_type": "constant",
        "weight_decay": train.weight_decay,
        "max_grad_norm": train.max_grad_norm,
        "seed": settings.seed,
        "shuffle_dataset": False,
        "use_cpu": hardware.device == "cpu",
        "bf16": hardware.in_bfloat16,
        "activation_checkpointing": hardware.activation_checkpointing,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
    }


def random_model(like: PreTrainedModel, hidden: int, layers: int) -> PreTrainedModel:
    """A larger model of the same family, vocabulary and dtype with random weights; heads of at most 64."""
    config = copy.deepcopy(like.config)
    config.hidden_size, config.num_hidden_layers = hidden, layers
    config.intermediate_size = 2 * hidden
    grown = max(1, hidden // (64 * config.num_attention_heads))
    config.num_attention_heads *= grown
    config.num_key_value_heads *= grown
    config.head_dim = hidden // config.num_attention_heads
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = type(like)(config)
        torch.nn.Module.to(made, like.dtype)  # in place; transformers has no types for its own
        return made
