"""The one trainer of all methods, and the story of one optimizer step.

`HybridTrainer` is a `trl.GRPOTrainer` whose every optimizer step asks the method what to do. An RL update hands the
method's groups to TRL as rollouts: a prefix becomes part of the prompt ids, so it is outside loss, ratio and KL. An SFT
update replaces the batch and the loss. Where a method makes up the loss of terms of its own, `terms_trainer` computes
it, and TRL's rollouts and loss are not asked for. One optimizer, one step count and one checkpoint serve all kinds,
with the moments of Adam that an update names.

Of one RL step, transformers calls `get_batch_samples` (the method chooses) and `training_step`; TRL calls
`_prepare_inputs`, `_rollout` (the method samples; ranks share what they saw), and `compute_loss`; transformers calls
`_get_grad_norm` (guards and the method see the norm), steps the optimizer, and calls `log`. lean/trainer.py overrides
what lies between rollout and loss. TRL's data loader only counts steps; rows come from `streams`, which makes a resume
exact in any epoch.
"""

import math
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from accelerate.utils import gather_object
from datasets import Dataset
from torch.utils.data import DataLoader
from transformers import PrinterCallback
from trl.trainer.grpo_config import GRPOConfig
from trl.trainer.grpo_trainer import GRPOTrainer

from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.methods.base import Method, MethodSettings
from hybrid_rl.models import loading, saving
from hybrid_rl.models.policy import Policy, TrainedPolicy
from hybrid_rl.models.sampling import in_training
from hybrid_rl.recording import checkpoints, files, step_lines
from hybrid_rl.recording.budget import passes
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.recording.step_lines import Recorder
from hybrid_rl.training import demonstrations, rollouts
from hybrid_rl.training.adam_moments import NamedMoments
from hybrid_rl.training.dev_evaluation import DevEvaluation
from hybrid_rl.training.guard import TrainingGuard
from hybrid_rl.training.lean import sampler_gap
from hybrid_rl.training.learning_rate import Moment, of_update
from hybrid_rl.training.optimizer_step import WatchedStep
from hybrid_rl.training.position import Position
from hybrid_rl.training.repeating_trainer import MICRO_STEP, RepeatingTrainer
from hybrid_rl.training.save_and_stop import asked_to_stop
from hybrid_rl.training.term_weights import with_end
from hybrid_rl.training.update import UpdateInProgress
from hybrid_rl.types import Example, Group, Update
from hybrid_rl.verification.grader import Grades, verifies_early


class HybridTrainer(RepeatingTrainer):
    """Trains the model of `policy` by what `method` decides. All rows arrive as token ids."""

    def __init__(
        self,
        *,
        args: GRPOConfig,
        policy: Policy,
        method: Method[MethodSettings],
        examples: Sequence[Example],
        grader: Grades,
        settings: Settings,
        recorder: Recorder,
    ) -> None:
        self.method = method
        self.composes = settings.composes
        self.settings = settings
        self.recorder = recorder
        self.vocabulary = policy.vocabulary
        self.parameter_count = loading.parameter_count(policy.model)
        self.position = Position(method, examples, policy.model, settings)
        self.spent = self.position.spent
        self._moments = NamedMoments()
        self._step_watch: WatchedStep | None = None
        self._on_dev: DevEvaluation | None = None
        self._asked: Sequence[Example] = ()
        """This rank's questions of the RL update at hand."""
        super().__init__(
            model=policy.model,
            reward_funcs=[rollouts.verified_reward],
            args=args,
            train_dataset=Dataset.from_dict({"prompt": [""]}),
            processing_class=self.vocabulary.tokenizer,
            rollout_func=self._rollout,
            speed=settings.speed,
        )
        self.remove_callback(PrinterCallback)
        if self.composes and self.aux_loss_enabled:
            raise SettingsError(
                f"method = {settings.method.name}: makes up its loss of terms of its own, to which the router loss of"
                f" model.path = {settings.model.path} is not added; choose a method without, or a dense model"
            )
        guards, reference = self.position.guards, self.position.reference.model
        self.guard = TrainingGuard(guards, settings, self.accelerator, policy.model, recorder)
        self.beta = settings.train.rl.beta
        self.gap.cap = settings.train.rl.importance_cap
        if reference is not None:
            self.add_reference(reference)
        self.policy = TrainedPolicy(policy, self, args.ds3_gather_for_generation)
        params, early = in_training(settings.train), verifies_early(settings)
        self.attempter = rollouts.Attempter(
            self.policy.sample,
            params,
            grader,
            self.vocabulary,
            early,
            scored=settings.tells_log_probs,
        )
        self.now = UpdateInProgress(Update("rl"))
        self._begin = Moment(0, 0.0)
        """The moment at which the update was asked for."""
        self._progress_before = 0.0
        """The progress before this optimizer step, and before the norms that were measured for it."""

    def run(self, on_dev: DevEvaluation | None = None, resume: Path | None = None) -> None:
        """Trains to the end, from the checkpoint `resume` on if there is one; `on_dev` is called as settings say."""
        self._on_dev = on_dev
        if resume is None:
            self.train()
            return
        step = self.position.load(resume)
        over = self.position.is_over or step >= self.args.max_steps
        if over:  # it was cut off between its last step and its evaluation
            self.args.max_steps = step
        try:
            self.train(resume_from_checkpoint=str(resume))
        except pickle.UnpicklingError as error:
            named = re.search(r"GLOBAL (\S+)", str(error))
            raise SettingsError(
                f"resume = {self.settings.resume}: {resume.name} holds more than weights and plain values"
                f" ({named[1] if named else type(error).__name__}), which could run code and is not read;"
                " start a new run"
            ) from error
        if over and self.settings.train.eval_every is not None and on_dev is not None:
            # When it was saved, it was perhaps to go on.
            self._look_at_dev(step)

    # First the method decides: one update per optimizer step.

    def get_train_dataloader(self) -> DataLoader[Any]:
        """A loader that counts micro-steps; its rows are never looked at."""
        # A range is all that a loader needs of a data set; torch's type asks for a class of its own.
        micro_steps: Any = range(self.args.max_steps * self.args.gradient_accumulation_steps)
        return DataLoader(micro_steps, batch_size=1)

    def get_batch_samples(
        self, epoch_iterator: Iterator[Any], num_batches: int, device: torch.device
    ) -> tuple[list[Any], None]:
        """The micro-batches of one optimizer step, of the kind that the method chose."""
        if self.position.evaluation_due and self._on_dev is not None:
            # Even when a stop has been asked for again: after the update these weights are gone.
            self._look_at_dev(self.state.global_step)
            self.position.evaluation_due = False
            if self.position.stops_early:  # as it would have, had it looked in time
                self.control.should_training_stop = True
                return [], None
        self._progress_before = self.position.progress(self.state.global_step)
        for _ in range(num_batches):
            next(epoch_iterator)
        self._begin_update()
        while self.now.update.measure_only:
            self._measure(num_batches)
            self._begin_update()
        if self.now.update.renew_reference:
            self.position.reference.renew(self.policy.model)
        self._moments.use(self.now.update.moments, self._optimizer)
        if self.now.update.drop_resting_moments:
            self._moments.drop_resting()
        self._watched.begin()
        if self.composes:
            self._buffered_inputs = None
            # Sampled in the first micro-step: of a resume, random numbers go on from where they were only then.
            return [{MICRO_STEP: number} for number in range(num_batches)], None
        if self.now.update.kind == "sft":
            self._buffered_inputs = None
            rows = self._demonstration_rows(num_batches)
            self._set_learning_rate()
            return rows, None
        return [self._question_rows()] * num_batches, None

    def _begin_update(self) -> None:
        step = self.state.global_step
        self._begin = Moment(step, self.position.progress(step))
        update = self._next_update()
        probes_norm = update.measure_only and update.measures != "divergence"
        if self.is_deepspeed_enabled and probes_norm:
            raise ValueError(
                f"{self.settings.method_target} asked for a norm by measure_only, which DeepSpeed cannot do;"
                " its settings must say so in `beyond_deepspeed`"
            )
        if update.measures != "norm" and self.ref_model is None:
            raise ValueError(
                f"{self.settings.method_target} asked for a divergence, and there is no reference model;"
                " its settings must say so in `needs_reference`"
            )
        if update.measures != "norm" and self.composes:
            raise ValueError(
                f"{self.settings.method_target} asked for a divergence, which a loss of its own `terms` does not have"
            )
        if update.kind == "rl" and update.demonstrations and not self.composes:
            raise ValueError(
                f"{self.settings.method_target} asked for demonstrations in an RL update, which only `terms` of its own"
                " can use"
            )
        repeats = update.kind == "rl" and not update.measure_only
        self.now = UpdateInProgress(
            update, self.settings.train.rl.updates_per_batch if repeats else 1
        )

    def _next_update(self) -> Update:
        """What the method decides on at the moment `_begin`."""
        return self.method.next_update(*self._begin)

    def _set_learning_rate(self) -> None:
        """Sets the rate, once it is known what the update costs and before a backward pass: in it DeepSpeed steps."""
        step = self.state.global_step + 1
        spent = self.now.spent_after(self.spent, self.parameter_count)
        end = Moment(step, self.position.progress(step, spent))
        self.now.learning_rate = of_update(self.now.update, self.settings.train, self._begin, end)
        for group in self._optimizer.param_groups:
            group["lr"] = self.now.learning_rate

    def _measure(self, micro_steps: int) -> None:
        """A pass over demonstrations for the sake of what the update measures; the weights stay."""
        update = self.now.update
        batches = self._term_batches() if self.composes else self._demonstration_rows(micro_steps)
        norm = None
        if update.measures == "divergence":
            self.pass_forward(batches)
        else:
            norm = self.gradient_norm(batches)
        self.now.charge(self.spent, self.parameter_count)
        self._tell_divergence()
        if norm is not None:
            self.method.observe_norm(self.state.global_step, update, norm)

    def _tell_divergence(self) -> None:
        if self.now.update.kind == "sft" and self.now.update.measures != "norm":
            divergence = self.now.take_divergence()
            self.method.observe_divergence(self.state.global_step, self.now.update, divergence)

    @property
    def _optimizer(self) -> torch.optim.Optimizer:
        assert self.optimizer is not None, "it exists once training has begun"
        return self.optimizer

    @property
    def _watched(self) -> WatchedStep:
        """The watch over the optimizer's steps, set up with the first of them, when the engine has its optimizer."""
        if self._step_watch is None:
            train = self.settings.train
            self._step_watch = WatchedStep(self._optimizer, train, self.accelerator)
        return self._step_watch

    # An RL update: the method's groups become TRL's rollouts.

    def _questions(self) -> Sequence[Example]:
        """This rank's questions of an RL update."""
        if self.settings.method.group_size is None:
            raise ValueError(
                f"{self.settings.method_target} asked for an RL update, but method.group_size is null;"
                " its settings must declare `group_size: int`"
            )
        candidates = self.settings.method.candidates
        asked = self.settings.train.prompts_per_step * candidates
        own = self.settings.batch.prompts_per_device * candidates
        first = int(self.accelerator.process_index) * own
        return self.position.questions.following(asked)[first : first + own]

    def _question_rows(self) -> list[dict[str, str]]:
        """A row for each rollout of this rank, the way TRL expects them; all its questions are kept for `_rollout`."""
        self._asked, batch = self._questions(), self.settings.batch
        trained = self._asked[: batch.prompts_per_device]
        return [{"prompt": e.question} for e in trained for _ in range(batch.group_size)]

    def _rollout(self, prompts: list[str], trainer: GRPOTrainer) -> dict[str, Any]:
        """TRL's rollout function; `prompts` are those of `_question_rows` and are not looked at."""
        step = self.state.global_step
        groups = self._sampled(self._asked)
        wanted = self.settings.batch.prompts_per_device
        if len(groups) != wanted:
            raise ValueError(
                f"{self.settings.method_target} returned {len(groups)} groups for {wanted} questions of the update"
            )
        for group in groups:
            if len(group.rollouts) != self.num_generations:
                raise ValueError(
                    f"{self.settings.method_target} returned {len(group.rollouts)} rollouts for"
                    f" {group.example.id}; method.group_size is {self.num_generations}"
                )
        self.now.take_groups(groups, with_reference=bool(self.beta))
        self._set_learning_rate()
        self.method.observe_results(step, self.now.results)
        return rollouts.columns(groups)

    def _sampled(self, asked: Sequence[Example]) -> Sequence[Group]:
        """The method's groups for these questions, or for those that guards.refill lets take their place."""
        step, attempt = self.state.global_step, partial(self.attempter.attempt, self.now.cost)
        groups = self.method.rollout(step, asked, attempt)
        while self.guard.wants_refill(groups, self.now.refills):
            self.now.refills += 1
            groups = self.method.rollout(step, self._questions(), attempt)
        return groups

    def _trained_rows(self) -> list[bool] | None:
        return self.now.trained

    def _uniform_rows(self) -> list[bool]:
        return self.now.uniform_rows

    # A loss of the method's own terms: sampled before the micro-batches are cut.

    def _term_batches(self) -> list[dict[str, Any]]:
        """This rank's micro-batches of the method's terms, once it has sampled and all ranks know of it."""
        now, step = self.now, self.state.global_step
        if now.update.kind == "rl":
            now.share_groups(self._sampled(self._questions()))
            self.method.observe_results(step, now.results)
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        taught = self._demonstrations()[rank::ranks]
        terms = self.method.terms(step, now.update, now.groups, taught)
        terms = [with_end(term, self.vocabulary.end_id) for term in terms]
        now.take_terms(terms, with_reference=bool(self.beta))
        rl, most = self.settings.train.rl, self.settings.train.max_completion_tokens
        return self.composed(now, rl, most, self.vocabulary.pad_id)

    def _begin_step(self) -> list[dict[str, Any]]:
        batches = self._term_batches()
        self._set_learning_rate()
        return batches

    def _begin_further_update(self) -> None:
        self._watched.begin_further_update()

    def _demonstrations(self) -> Sequence[Example]:
        """The questions, over all ranks, whose demonstrations the update learns from."""
        update = self.now.update
        default = self.settings.train.sft.batch_size if update.kind == "sft" else 0
        count = default if update.demonstrations is None else update.demonstrations
        if update.examples or not count:
            return update.examples
        if self.position.demonstrations is None:
            raise ValueError("demonstrations were asked for, but no question has an expert trace")
        return self.position.demonstrations.following(count)

    # An SFT update: its own batch and loss.

    def _demonstration_rows(self, micro_steps: int) -> list[dict[str, torch.Tensor]]:
        examples = self._demonstrations()
        rows = demonstrations.rows(examples, self.vocabulary.end_id)
        self.now.take_demonstrations(examples, rows)
        rank, ranks = self.accelerator.process_index, self.accelerator.num_processes
        return demonstrations.micro_batches(rows, micro_steps, rank, ranks, self.vocabulary.pad_id)

    def _prepare_inputs(self, generation_batch: Any) -> Any:
        if "labels" in generation_batch or "part" in generation_batch:
            # TRL would take it for prompts; its base class only moves tensors to the device.
            return super(GRPOTrainer, self)._prepare_inputs(generation_batch)
        return super()._prepare_inputs(generation_batch)

    def compute_loss(
        self, model: Any, inputs: Mapping[str, torch.Tensor], *args: Any, **kwargs: Any
    ) -> torch.Tensor:
        """The RL loss of TRL, or this micro-batch's share of the terms or of the mean over all supervised tokens."""
        if "part" in inputs:
            return self.part_loss(model, inputs)
        if "labels" not in inputs:
            loss: torch.Tensor = super().compute_loss(model, inputs, *args, **kwargs)
            return loss
        bonus = self.now.update.entropy_bonus
        if self.now.update.measures == "norm":
            whole: demonstrations.Head = "fused" if self.temperature == 1.0 else "logits"
            head: demonstrations.Head = "scoring" if self._scores else whole
            total = demonstrations.loss_sum(model, inputs, bonus, head)
        else:
            both = demonstrations.loss_and_divergence(model, self.ref_model, inputs, bonus)
            total = both[0]
            self.now.divergence_sum += both[1]
        # Gradients are averaged over ranks, so the share of one rank is scaled up by their number.
        return total / self.now.target_tokens * int(self.accelerator.num_processes)

    # Before the optimizer's turn: is the step sound?

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> float:
        """Called right before the optimizer's step, which does nothing where there is no gradient.

        The method sees the norm of a step's first update, which is that of the policy that sampled; logs have the mean.
        """
        original: Any = super()._get_grad_norm  # here and below transformers has no types
        norm = float(original(model, grad_norm=grad_norm))
        step = self.state.global_step
        now = self.now
        rows = step_lines.trained_rows(now.groups, now.demonstrations)
        if self.composes:
            rows = step_lines.term_rows(now.terms)
        skipped = self.guard.skips(step + 1, norm, rows)
        still = self._watched.leaves_alone(norm)
        now.stood_still += still
        if skipped or still:
            model.zero_grad()
        now.norms.append(norm)
        if len(now.norms) == 1:
            self._tell_divergence()
            self.method.observe_norm(step, now.update, math.nan if skipped else norm)
        return fmean(now.norms)

    # After it: what the step cost and showed, and whether it was the last.

    def log(self, logs: dict[str, Any], start_time: float | None = None) -> None:
        """Called after every optimizer step, and once more at the end without a loss."""
        super().log(logs, start_time)
        if "loss" not in logs:
            return
        now, step = self.now, self.state.global_step
        now.update_norm = self._watched.update_norm()
        seconds = now.charge(self.spent, self.parameter_count)
        rows: list[dict[str, Any]] = []
        if now.update.kind == "rl" and step % self.settings.train.rollouts_every == 0:
            # TRL's are of all ranks and in rank order.
            advantages = None if self.composes else self._logs["advantages"]
            rows = now.rollout_rows(step, self.vocabulary.decode, advantages)
        if self.composes:
            logs = logs | now.completion_logs(self.vocabulary.has_ended) | self.term_metrics(now)
        line = now.metrics_line(step, logs, self.spent)
        line |= self.position.axes()
        if self.attempter.scored and now.update.kind == "rl":
            line |= sampler_gap.summary(gather_object(self.gap.take()))
        line, alarms = self.guard.line(line, seconds, now.cost.verifier_seconds)
        if self.accelerator.is_main_process:
            self.recorder.update(line, step_lines.decision_line(step, now.update, now.results))
            if rows:
                self.recorder.rollouts(step, rows)
        self.guard.tell(alarms + self.guard.disk(step))
        if self._dev_is_due(step, self.position.is_over or step >= self.args.max_steps):
            self._evaluate_dev()
        if self.position.is_over:
            self.control.should_training_stop = self.control.should_save = True

    def _dev_is_due(self, step: int, ends: bool) -> bool:
        """Whether dev is evaluated after `step`, with which training perhaps `ends`."""
        every = self.settings.train.eval_every
        if every is None or ends:
            return every is not None
        if every >= 1:
            return step % every == 0
        return passes(every, self._progress_before, self.position.progress(step))

    def _evaluate_dev(self) -> None:
        """Evaluates dev. On the way to a stop there is no time for it; a resume makes up for it."""
        self.position.evaluation_due = asked_to_stop()
        if not self.position.evaluation_due:
            self._look_at_dev(self.state.global_step)
        if asked_to_stop():
            self.control.should_training_stop = self.control.should_save = True

    def _look_at_dev(self, step: int) -> None:
        """Evaluates dev after `step`, and holds the training reward against it."""
        accuracy = (
            None if self._on_dev is None else self._on_dev.evaluate(step, self.position.axes())
        )
        if accuracy is not None:
            self.guard.tell(self.guard.guards.dev(step, accuracy))
            self.position.patience.look(step, accuracy)

    # What stays: checkpoints and the trained model.

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        step = self.state.global_step
        self.guard.tell(self.guard.disk(step, saving=True))
        original: Any = super()._save_checkpoint
        original(model, trial)
        checkpoint = Path(str(self.args.output_dir), f"checkpoint-{step}")
        if self.is_deepspeed_enabled or self.accelerator.is_main_process:
            self._moments.save(self._optimizer, self._moments_file(checkpoint))
        self.accelerator.wait_for_everyone()
        if not self.accelerator.is_main_process:
            return
        run = RunDir(Path(self.settings.run_dir))
        for path in (run.metrics, run.decisions, run.progress, run.alarms):
            files.sync(path)  # a resume from this checkpoint needs their lines
        if self._on_dev is not None:
            self._on_dev.keep_with(checkpoint)
        self.position.save(checkpoint, step)
        checkpoints.keep_newest(checkpoint.parent, self.settings.train.keep_checkpoints)

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        original: Any = super()._load_optimizer_and_scheduler
        original(checkpoint)
        if checkpoint is not None:
            self._moments.load(self._optimizer, self._moments_file(Path(checkpoint)))

    def _moments_file(self, checkpoint: Path) -> Path:
        """The file for the moments that rest; with DeepSpeed each rank has its part of them, and a file."""
        rank = f"_rank_{self.accelerator.process_index}" if self.is_deepspeed_enabled else ""
        return checkpoint / f"resting_moments{rank}.safetensors"

    def save(self, directory: Path) -> None:
        """Writes the trained model and its tokenizer, for plain transformers. All ranks enter."""
        wrapped, vocabulary = self.model_wrapped, self.vocabulary
        weights = self.accelerator.get_state_dict(wrapped) if self.policy.is_sharded else None
        if self.accelerator.is_main_process:
            model = self.accelerator.unwrap_model(wrapped)
            saving.save(model, vocabulary.tokenizer, directory, weights, vocabulary.eos_ids)
