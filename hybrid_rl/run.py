"""One run from settings to report: the data flow of the whole project, top to bottom.

Every rank runs it, in a worker process of its own; only rank 0 writes. Heavy imports are at home here.
"""

import logging
from dataclasses import asdict
from pathlib import Path

from hybrid_rl.recording import quiet
from hybrid_rl.recording.progress import Progress
from hybrid_rl.reporting import closing_table

quiet.quiet_third_parties()  # before the imports that it silences

# ruff: noqa: E402
import torch
from accelerate import PartialState
from accelerate.utils import set_seed

from hybrid_rl.config.settings import Settings
from hybrid_rl.evaluation import rescore
from hybrid_rl.evaluation.evaluator import Workbench
from hybrid_rl.evaluation.scores import read_summaries
from hybrid_rl.execution import ranks, stopping
from hybrid_rl.recording import budget, trackers
from hybrid_rl.recording.files import write_json
from hybrid_rl.recording.recorder import RunRecorder
from hybrid_rl.recording.run_directory import Moment, RunDir
from hybrid_rl.reporting import run_report
from hybrid_rl.tools.doctor import checks
from hybrid_rl.training import checkpoints, save_and_stop
from hybrid_rl.training.arguments import build
from hybrid_rl.training.best_model import Best
from hybrid_rl.training.trainer import HybridTrainer
from hybrid_rl.verification.grader import Grader

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Train and evaluate, evaluate only, or check the engine, as `settings.task` says. The exit code."""
    quiet.quiet_progress_bars()
    ranks.join(settings.hardware)
    if settings.hardware.threads is not None:
        torch.set_num_threads(settings.hardware.threads)
    set_seed(settings.seed)  # adapters are drawn while the model is loaded
    directory = RunDir(Path(settings.run_dir))
    if settings.task == "doctor":
        return 0 if checks.run_doctor(settings, directory) else 1
    with Grader(settings.reward) as grader:
        if settings.task == "train":
            _train(settings, directory, grader)
        elif settings.eval.rescore is None:
            Workbench.load(settings, directory, grader).evaluate("after")
        elif PartialState().is_main_process:
            _rescore(settings, directory, grader)
    if PartialState().is_main_process:
        log.info("report: %s", run_report.write(directory.path))
    ranks.leave()
    return 0


def _rescore(settings: Settings, directory: RunDir, grader: Grader) -> None:
    """Grade again what another run generated, at every moment that it was evaluated."""
    source = RunDir(Path(str(settings.eval.rescore)))
    moments: tuple[Moment, ...] = ("before", "after", "best")
    for moment in moments:
        if source.evaluation(moment).exists():
            out = directory.evaluation(moment)
            rescore.rescore(source.path, settings.eval.sets, grader, out, moment)


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
    arguments = build(settings, settings.batch)  # ZeRO-3 wants it before the model
    workbench = Workbench.load(settings, directory, grader)
    examples = workbench.examples.train
    method = settings.method_class(
        settings.method, {e.id: e for e in examples}, settings.seed, settings.train.steps
    )
    if PartialState().is_main_process:
        write_json(directory.notes, {name: asdict(note) for name, note in method.notes.items()})
    progress = Progress(settings.train.steps)
    recorder = RunRecorder(directory, tracker, progress, workbench)
    trainer = HybridTrainer(
        model=workbench.model,
        args=arguments,
        tokenizer=workbench.tokenizer,
        eos_ids=workbench.eos_ids,
        method=method,
        examples=examples,
        grader=grader,
        settings=settings,
        batch=settings.batch,
        recorder=recorder,
    )
    workbench.sample = trainer.sample
    if settings.eval.best:
        recorder.best = Best(directory.best_model, trainer.save)
    trainer.add_callback(save_and_stop.SaveAndStop())
    done = checkpoints.complete(directory.checkpoints)  # none: a resume starts from the beginning
    if settings.eval.before and not done:
        before = workbench.evaluate("before")
        recorder.report(0, before)
        if settings.train.eval_every is not None:
            recorder.begin(before.get("dev") or workbench.evaluate_dev(0))
    if settings.resume is not None:
        recorder.rewind(done[-1] if done else None)
    with progress, stopping.deferred():
        if done:
            trainer.resume(done[-1])
        else:
            trainer.train()
    limit = budget.reached(settings.budget.model_dump(), trainer.spent.axes())
    if limit is not None and PartialState().is_main_process:
        log.info("%s: reached after %d optimizer steps", limit, trainer.state.global_step)
    if PartialState().is_main_process:
        recorder.show_decisions(trainer.state.global_step)
    trainer.save(directory.model)
    after = workbench.evaluate("after")
    recorder.report(trainer.state.global_step, after)
    if recorder.best is not None:
        step = recorder.best.step
        best = workbench.evaluate_best(step, trainer.state.global_step, after)
        recorder.report(step or 0, {f"{name}_best": summary for name, summary in best.items()})
    if PartialState().is_main_process:
        closing_table.show_results(read_summaries(directory.evaluation("before")), after)
