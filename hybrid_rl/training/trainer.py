"""The one trainer of all methods, and the only file that drives TRL.

`HybridTrainer` is a `trl.GRPOTrainer` whose every optimizer step asks the method what to do. An RL update hands the
method's groups to TRL as rollouts: a prefix becomes part of the prompt ids, so it is outside loss, ratio and KL. An SFT
update replaces the batch and the loss. One optimizer, one step count and one checkpoint serve both kinds.

TRL's data loader only counts steps here; rows come from `streams`, which makes a resume exact in any epoch.
"""

import copy
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import broadcast_object_list, gather_object
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, PreTrainedTokenizerBase, PrinterCallback
from trl import GRPOConfig, GRPOTrainer

from hybrid_rl.config.batch import Batch
from hybrid_rl.config.settings import Settings
from hybrid_rl.methods.base import Method, MethodSettings
from hybrid_rl.models import generation, loading, saving, vllm
from hybrid_rl.models.decoding import LanguageModel
from hybrid_rl.models.sampling import Request, SamplingParams
from hybrid_rl.models.whole_weights import for_generation
from hybrid_rl.recording import step_lines
from hybrid_rl.recording.budget import Spent, UpdateCost, reached
from hybrid_rl.training import checkpoints, demonstrations, rollouts
from hybrid_rl.training.adam_moments import OwnMoments
from hybrid_rl.training.alarms import Guards
from hybrid_rl.training.guard import TrainingGuard
from hybrid_rl.training.lean.trainer import LeanGrpoTrainer
from hybrid_rl.training.learning_rate import of_update
from hybrid_rl.training.reference import load_reference, renew_reference, save_reference
from hybrid_rl.training.save_and_stop import asked_to_stop
from hybrid_rl.training.streams import Stream
from hybrid_rl.types import Demonstration, Example, Group, Ids, Result, Update
from hybrid_rl.verification.grader import Grades


class HybridTrainer(LeanGrpoTrainer):
    """Trains `model` by what `method` decides. `tokenizer` only decodes: all rows arrive as token ids."""

    def __init__(
        self,
        *,
        model: PreTrainedModel,
        args: GRPOConfig,
        tokenizer: PreTrainedTokenizerBase,
        eos_ids: Sequence[int],
        method: Method[MethodSettings],
        examples: Sequence[Example],
        grader: Grades,
        settings: Settings,
        batch: Batch,
        recorder: step_lines.Recorder,
    ) -> None:
        self.method, self.settings, self.batch, self.recorder = method, settings, batch, recorder
        self.questions = Stream(examples, settings.seed, "questions")
        traced = [example for example in examples if example.trace]
        self.demonstrations = Stream(traced, settings.seed, "demonstrations") if traced else None
        self.spent, self._own_moments, self._evaluation_due = Spent(), OwnMoments(), False
        guards, streams = Guards(settings.guards), (self.questions, self.demonstrations)
        self._position = checkpoints.Position(*streams, self.spent, method, guards)
        self.parameter_count = loading.parameter_count(model)
        rl = settings.train.rl
        reference = copy.deepcopy(model) if rl.beta and not hasattr(model, "peft_config") else None
        super().__init__(
            model=model,
            reward_funcs=[rollouts.verified_reward],
            args=args,
            train_dataset=Dataset.from_dict({"prompt": [""]}),
            processing_class=tokenizer,
            rollout_func=self._rollout,
            speed=settings.speed,
        )
        self.remove_callback(PrinterCallback)
        self.watch = TrainingGuard(guards, settings, self.accelerator, model, recorder)
        self.beta = rl.beta
        self._moving_reference = reference if settings.moves_reference else None
        if reference is not None:
            self.add_reference(reference)
        self.eos_token_ids = list(eos_ids)
        # Of several tokens that may end a completion, demonstrations end with the tokenizer's own.
        self.end_id = tokenizer.eos_token_id if tokenizer.eos_token_id in eos_ids else eos_ids[0]
        self.attempt = rollouts.attempter(
            settings, self.sample, grader, tokenizer.decode, eos_ids, self.end_id
        )
        self.engine = vllm.start_vllm(settings, self.model, tokenizer, self.accelerator, eos_ids)
        self._begin(Update("rl"))

    def _begin(self, update: Update) -> None:
        self._started = time.monotonic()
        self._update = update
        if self.is_deepspeed_enabled and (update.measure_only or update.own_moments):
            raise ValueError(
                f"DeepSpeed cannot do {update}; beyond_deepspeed of its settings must say so"
            )
        self._cost = self.attempt.cost = UpdateCost()
        self._results: list[Result] = []
        self._groups: list[Group] = []
        self._rewards: list[float] = []
        self._demonstrated: list[Demonstration] = []

    # One decision per optimizer step.

    def get_train_dataloader(self) -> DataLoader[int]:
        """Counts micro-steps; its rows are never looked at."""
        micro_steps = range(self.args.max_steps * self.args.gradient_accumulation_steps)
        return DataLoader(micro_steps, batch_size=1)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], None]:
        """The micro-batches of one optimizer step, of the kind that the method chose."""
        if self._evaluation_due:
            self._evaluate_dev()
        for _ in range(num_batches):
            next(epoch_iterator)
        self._begin(self.method.next_update(self.state.global_step))
        while self._update.measure_only:
            self._measure(num_batches)
            self._begin(self.method.next_update(self.state.global_step))
        if self._update.renew_reference:
            renew_reference(self._moving_reference, self.model)
        if self._update.own_moments:
            self._own_moments.enter(self.optimizer)
        self._set_learning_rate()
        if self._update.kind == "sft":
            self._buffered_inputs = None
            return self._demonstration_rows(num_batches), None
        return [self._question_rows()] * num_batches, None

    def _set_learning_rate(self) -> None:
        self._learning_rate = of_update(self._update, self.state.global_step, self.settings.train)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate

    def _measure(self, micro_steps: int) -> None:
        """One backward pass over demonstrations for the sake of its gradient norm; the weights stay."""
        norm = self.gradient_norm(self._demonstration_rows(micro_steps))
        self._charge()
        self.method.observe_norm(self.state.global_step, self._update, norm)

    # RL updates: the method's groups become TRL's rollouts.

    def _question_rows(self) -> list[dict[str, str]]:
        """This rank's questions, each repeated for its group, the way TRL expects them."""
        if self.settings.group_size is None:
            raise ValueError(
                f"{self.settings.method_target} asked for an RL update, but method.group_size is null;"
                " its settings must declare `group_size: int`"
            )
        examples = self.questions.following(self.settings.train.prompts_per_step)
        first = self.accelerator.process_index * self.batch.prompts_per_device
        self._examples = examples[first : first + self.batch.prompts_per_device]
        return [{"prompt": e.question} for e in self._examples for _ in range(self.num_generations)]

    def _rollout(self, prompts: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
        step = self.state.global_step
        self._groups = self.method.rollout(step, self._examples, self.attempt)
        for group in self._groups:
            if len(group.rollouts) != self.num_generations:
                raise ValueError(
                    f"{self.settings.method_target} returned {len(group.rollouts)} rollouts for"
                    f" {group.example.id}; method.group_size is {self.num_generations}"
                )
            self._cost.train_on(group, with_reference=bool(self.beta))
        self._share([r.verdict.reward for g in self._groups for r in g.rollouts if g.trained])
        self.method.observe_results(step, self._results)
        return rollouts.columns(self._groups)

    def _trained_rows(self) -> list[bool] | None:
        rows = [group.trained for group in self._groups for _ in group.rollouts]
        return None if all(result.trained for result in self._results) else rows

    def _share(self, rewards: list[float]) -> None:
        """Tell every rank of all groups, rewards and costs, in rank order."""
        results = [Result.of(group) for group in self._groups]
        shares = gather_object([(results, rewards, self._cost)])
        for rank, (their_results, their_rewards, cost) in enumerate(shares):
            self._results += their_results
            self._rewards += their_rewards
            if rank != self.accelerator.process_index:  # one's own comes back as a copy
                self._cost.add(cost)

    def sample(self, request: Request, params: SamplingParams) -> list[Ids]:
        """One completion per prompt, from the current weights."""
        if self.engine is not None:
            return self.engine.sample(request, params, self.state.global_step)
        if not request.prompts:
            if not self._sharded:
                return []
            # Sharded weights need every rank in every generation: an idle one draws a token and forgets it.
            self.sample(Request([self.questions.items[0].prompt_ids], [1]), params)
            return []
        gather = self.args.ds3_gather_for_generation
        in_step = gather or not self._sharded
        hardware = self.settings.hardware
        with for_generation(self.model_wrapped, self.accelerator, gather, hardware) as model:
            pad_id = self.processing_class.pad_token_id
            return generation.generate(
                LanguageModel(model, self.eos_token_ids, pad_id),
                request,
                params,
                hardware.generation_batch,
                self.speed if in_step else None,
            )

    # SFT updates: their own batch and loss.

    def _demonstration_rows(self, micro_steps: int) -> list[dict[str, torch.Tensor]]:
        examples: Sequence[Example] = self._update.examples
        if not examples:
            if self.demonstrations is None:
                raise ValueError("an SFT update was asked for, but no question has an expert trace")
            examples = self.demonstrations.following(self.settings.train.sft.batch_size)
        rows = self._demonstrated = demonstrations.rows(examples, self.end_id)
        self._cost.learn(examples, rows)
        return demonstrations.micro_batches(
            rows,
            micro_steps,
            self.accelerator.process_index,
            self.accelerator.num_processes,
            self.processing_class.pad_token_id,
        )

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        if "labels" in generation_batch:
            return super(GRPOTrainer, self)._prepare_inputs(generation_batch)
        return super()._prepare_inputs(generation_batch)

    def compute_loss(
        self,
        model: Any,
        inputs: Mapping[str, torch.Tensor],
        return_outputs: bool = False,
        num_items_in_batch: Any = None,
    ) -> torch.Tensor:
        """The RL loss of TRL, or this micro-batch's share of the mean over all supervised tokens."""
        if "labels" not in inputs:
            return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
        whole: demonstrations.Head = "fused" if self.temperature == 1.0 else "logits"
        head: demonstrations.Head = "scoring" if self._scores else whole
        total = demonstrations.loss_sum(model, inputs, self._update.entropy_bonus, head)
        # Gradients are averaged over ranks, so the share of one rank is scaled up by their number.
        return total / self._cost.trained_tokens * self.accelerator.num_processes

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self.watch.loss(super().training_step(*args, **kwargs))

    # What is remembered: observations, metrics, checkpoints.

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> float:
        """Called right before the optimizer's step, which does nothing where there is no gradient."""
        norm = float(super()._get_grad_norm(model, grad_norm=grad_norm))
        rows = step_lines.trained_rows(self._groups, self._demonstrated)
        step = self.state.global_step
        if skipped := self.watch.skips(step + 1, norm, rows):
            model.zero_grad()
        self.method.observe_norm(step, self._update, math.nan if skipped else norm)
        return norm

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Called after every optimizer step, and once more at the end without a loss."""
        super().log(logs, start_time)
        if "loss" not in logs:
            return
        self._own_moments.leave(self.optimizer)
        seconds = self._charge()
        step = self.state.global_step
        rows = self._rollout_rows(step)
        done = step_lines.Done(step, self._update, self._learning_rate, logs)
        line = step_lines.metrics_line(done, self._results, self._rewards, self._cost, self.spent)
        line, alarms = self.watch.line(line, seconds, self._cost.verifier_seconds)
        if self.accelerator.is_main_process:
            self.recorder.update(line, step_lines.decision_line(step, self._update, self._results))
            if rows:
                self.recorder.rollouts(step, rows)
        self.watch.tell(alarms + self.watch.disk(step))
        used_up = self._budget_reached()
        every = self.settings.train.eval_every
        if every is not None and (step % every == 0 or step >= self.args.max_steps or used_up):
            self._evaluate_dev()
        if used_up:
            self.control.should_training_stop = self.control.should_save = True

    def _evaluate_dev(self) -> None:
        """On the way to a stop there is no time for it; a resume makes up for it."""
        self._evaluation_due = asked_to_stop()
        if not self._evaluation_due:
            self.recorder.evaluate(self.state.global_step, self.spent.axes())
        if asked_to_stop():
            self.control.should_training_stop = self.control.should_save = True

    def _charge(self) -> float:
        """Add what this update cost to what the run has spent; its seconds by rank 0's clock: ranks must agree."""
        seconds: float = broadcast_object_list([time.monotonic() - self._started])[0]
        self.spent.clock(seconds, self.accelerator.num_processes)
        self.spent.add(self._cost, self.parameter_count)
        return seconds

    def _budget_reached(self) -> bool:
        return reached(self.settings.budget.model_dump(), self.spent.axes()) is not None

    def _rollout_rows(self, step: int) -> list[dict[str, Any]]:
        if self._update.kind == "sft" or step % self.settings.train.rollouts_every:
            return []
        first = self.accelerator.process_index * self.batch.prompts_per_device
        rows = list(
            step_lines.rollout_rows(step, self._groups, first, self.processing_class.decode)
        )
        # TRL's advantages are those of all ranks, in the same order.
        gathered = zip(gather_object(rows), self._logs["advantages"], strict=True)
        return [row | {"advantage": advantage} for row, advantage in gathered]

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self.watch.tell(self.watch.disk(self.state.global_step, saving=True))
        super()._save_checkpoint(model, trial)
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return
        checkpoint = Path(self.args.output_dir, f"checkpoint-{self.state.global_step}")
        self.recorder.checkpoint(checkpoint)
        self._own_moments.save(self.optimizer, checkpoint)
        save_reference(self._moving_reference, checkpoint)
        state = self._position.state_dict(self.state.global_step)
        checkpoints.write_state(checkpoint, state | {"evaluation_due": self._evaluation_due})
        checkpoints.keep_newest(checkpoint.parent, self.settings.train.keep_checkpoints)

    def resume(self, checkpoint: Path) -> None:
        """Train on from `checkpoint`."""
        state = checkpoints.read_state(checkpoint)
        self._position.load_state_dict(state)
        load_reference(self._moving_reference, checkpoint)
        self._evaluation_due = state["evaluation_due"]
        over = self._budget_reached() or state["step"] >= self.args.max_steps
        if over:  # it was cut off between its last step and its evaluation
            self.args.max_steps = state["step"]
        self.train(resume_from_checkpoint=str(checkpoint))
        if over and self.settings.train.eval_every is not None:
            # When it was saved, it was perhaps to go on.
            self.recorder.evaluate(state["step"], self.spent.axes())

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is not None:
            self._own_moments.load(self.optimizer, Path(checkpoint))

    def save(self, directory: Path) -> None:
        """The trained model and its tokenizer, for plain transformers. All ranks enter."""
        weights = self.accelerator.get_state_dict(self.model_wrapped) if self._sharded else None
        if self.accelerator.is_main_process:
            model = self.accelerator.unwrap_model(self.model_wrapped)
            saving.save(
                model, self.processing_class, directory, weights, eos_ids=self.eos_token_ids
            )
