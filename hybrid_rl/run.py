"""One run from settings to report: the data flow of the whole project, top to bottom.

Every rank runs it, in a worker process of its own; only rank 0 writes. Heavy imports are at home here.
"""

import logging
from functools import partial
from pathlib import Path

from hybrid_rl.recording import quiet
from hybrid_rl.recording.progress import Progress, phase
from hybrid_rl.reporting import closing_table

quiet.quiet_third_parties()  # before the imports that it silences

# ruff: noqa: E402
import torch
from accelerate import PartialState
from accelerate.utils import set_seed

from hybrid_rl.config.settings import Settings
from hybrid_rl.data.encoding import Examples, encode
from hybrid_rl.data.possible import require_possible
from hybrid_rl.data.splits import load_questions
from hybrid_rl.errors import SettingsError, UserError
from hybrid_rl.evaluation import rescore
from hybrid_rl.evaluation.evaluator import Evaluator
from hybrid_rl.evaluation.scores import SetSummary, read_summaries
from hybrid_rl.execution import ranks, stopping
from hybrid_rl.models import loading
from hybrid_rl.models.policy import Policy
from hybrid_rl.recording import budget, checkpoints, environment, trackers
from hybrid_rl.recording.ending import ending
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.pairs import read_pair
from hybrid_rl.recording.recorder import RunRecorder
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting import model_card, run_report
from hybrid_rl.tools.calibration import measure
from hybrid_rl.tools.doctor import checks
from hybrid_rl.training import arguments, save_and_stop
from hybrid_rl.training.best_model import BestModel
from hybrid_rl.training.dev_evaluation import DevEvaluation
from hybrid_rl.training.trainer import HybridTrainer
from hybrid_rl.verification.grader import Grader

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Trains and evaluates, evaluates only, or checks the engine, as `settings.task` says. Returns the exit code."""
    quiet.quiet_progress_bars()
    ranks.join(settings.hardware)
    if settings.hardware.threads is not None:
        torch.set_num_threads(settings.hardware.threads)
    set_seed(settings.seed)  # adapters are drawn while the model is loaded
    directory = RunDir(Path(settings.run_dir))
    if settings.task == "doctor":
        return 0 if checks.run_doctor(settings, directory) else 1
    with Grader(settings.reward) as grader:
        if settings.check:  # of a run that is planned, for calibrate=true
            measure.measure(
                settings, directory, grader, partial(_load, settings, directory, grader)
            )
        elif settings.task == "train":
            _train(settings, directory, grader)
        elif settings.eval.rescore is None:
            policy, examples = _load(settings, directory, grader)
            found = Evaluator(settings, directory, examples, grader, policy).at("after")
            if PartialState().is_main_process:
                closing_table.show_evaluation(found)
        elif PartialState().is_main_process:
            rescore.rescore_run(settings, directory, grader)
    if PartialState().is_main_process:
        log.info("report: %s", run_report.write(directory.path))
        model_card.write(
            directory.path
        )  # with the evaluation that has been made since it was saved
        if settings.train.keep_checkpoints == 0:
            checkpoints.drop_all(directory.checkpoints)
    ranks.leave()
    return 0


def _train(settings: Settings, directory: RunDir, grader: Grader) -> None:
    # First of all: it may refuse to start. One view of a run is enough.
    tracker = trackers.Tracker()
    if PartialState().is_main_process:
        tracker = trackers.start_tracker(settings, directory.path)
    try:
        _train_and_evaluate(settings, directory, grader, tracker)
    finally:
        tracker.finish()


def _train_and_evaluate(
    settings: Settings, directory: RunDir, grader: Grader, tracker: trackers.Tracker
) -> None:
    done = checkpoints.complete(directory.checkpoints)
    newest = done[-1] if done else None  # None: a resume starts from the beginning
    pair = read_pair(settings) if newest is None else None  # a checkpoint has what it came to
    args = arguments.build(settings)  # ZeRO-3 wants it before the model
    with phase("start-up, data and model"):
        policy, examples = _load(settings, directory, grader)
        method = settings.method_class(
            settings.method, {e.id: e for e in examples.train}, settings.seed, settings.train.steps
        )
        if pair is not None:
            method.observe_pair(pair)
        traces = sum(example.trace is not None for example in examples.train)
        limits = budget.within_reach(budget.limits_of(settings.model_dump()), traces)
        progress = Progress(settings.train.steps, limits=limits)
        recorder = RunRecorder(directory, tracker, progress)
        if PartialState().is_main_process:
            recorder.label_notes(method.notes)
        trainer = HybridTrainer(
            args=args,
            policy=policy,
            method=method,
            examples=examples.train,
            grader=grader,
            settings=settings,
            recorder=recorder,
        )
    trainer.add_callback(save_and_stop.SaveAndStop())
    evaluator = Evaluator(settings, directory, examples, grader, trainer.policy)
    best = BestModel(directory.best_model, trainer.save) if settings.eval.best else None
    on_dev = DevEvaluation(evaluator.dev, recorder, best)
    if settings.eval.before and newest is None:
        before = evaluator.at("before")
        recorder.report(0, {name: summary.flat() for name, summary in before.items()})
        if settings.train.eval_every is not None:
            alike = settings.eval.dev_samples == settings.eval.samples
            on_dev.begin(before.get("dev") if alike else None)
    if settings.resume is not None:
        _rewind(directory, recorder, best, newest)
    with progress, stopping.deferred():
        trainer.run(on_dev, newest)
    steps = trainer.state.global_step
    if PartialState().is_main_process:
        spent = {"step": steps, **trainer.position.axes()}
        found = ending(settings.model_dump(), spent, read_jsonl(directory.progress))
        if found.limit is not None:
            log.info("%s: reached after %d optimizer steps", found.limit, steps)
        if found.early is not None:
            log.info("stopped early: %s, after %d optimizer steps", found.early, steps)
        recorder.show_decisions(steps)
    trainer.save(directory.model)
    if PartialState().is_main_process:
        model_card.write(directory.path)
    after = evaluator.at("after")
    recorder.report(steps, {name: summary.flat() for name, summary in after.items()})
    if best is not None:
        chosen = _evaluate_best(evaluator, best, trainer, after)
        recorder.report(
            best.step or 0, {f"{name}_best": found.flat() for name, found in chosen.items()}
        )
    if PartialState().is_main_process:
        before_training = read_summaries(directory.evaluation("before"))
        closing_table.show_results(before_training, after, read_jsonl(directory.progress))


def _load(settings: Settings, directory: RunDir, grader: Grader) -> tuple[Policy, Examples]:
    """The policy as loaded, and the questions. Data come first: bad data are refused before weights are read."""
    training = settings.task == "train"
    needs_traces = training and settings.method_class.needs_traces
    read = partial(load_questions, settings.data, grader, needs_traces, training)
    try:
        tokenizer = loading.load_tokenizer(settings.model)
    except SettingsError as error:
        try:
            read()  # what is wrong with the data is told in the same list
        except UserError as other:
            raise SettingsError(f"{error}\n{other}") from error
        raise
    questions = read()
    examples = encode(questions, tokenizer, settings.data, settings.train, grader.answer_start)
    require_possible(settings, examples)
    if PartialState().is_main_process:
        splits = {"train": examples.train, "dev": examples.dev, **examples.test}
        if settings.stand_in is not None:
            log.info("%s", settings.stand_in)
        counts = {name: len(found) for name, found in splits.items()}
        traces = sum(example.trace is not None for example in examples.train)
        known = {"questions": counts, "traces": traces, "fingerprint": questions.fingerprint}
        environment.add(directory.environment, "data", known)
    return Policy.load(settings, tokenizer), examples


def _rewind(
    directory: RunDir, recorder: RunRecorder, best: BestModel | None, checkpoint: Path | None
) -> None:
    """Forgets what came after `checkpoint`, or all of it: a resume from there writes it again. All ranks enter."""
    if best is not None:
        best.restore(checkpoint)
    if PartialState().is_main_process:
        recorder.rewind(0 if checkpoint is None else checkpoints.read_state(checkpoint)["step"])
        checkpoints.drop_incomplete(directory.checkpoints)
    PartialState().wait_for_everyone()


def _evaluate_best(
    evaluator: Evaluator, best: BestModel, trainer: HybridTrainer, after: dict[str, SetSummary]
) -> dict[str, SetSummary]:
    """The summaries with the best weights; `after` are those with the last ones, which may be the same."""
    step = best.step
    if step is None:
        log.warning("eval.best: no evaluation on dev was made, so no weights were chosen")
        return {}
    if step == trainer.state.global_step:
        log.info("best on dev: the last weights, step %d", step)
        evaluator.copy_after_as_best()
        return after
    log.info("best on dev: the weights of step %d", step)
    return evaluator.at("best", trainer.policy.saved_in(best.directory))
