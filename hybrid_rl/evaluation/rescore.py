"""Rescoring grades the saved solutions of an earlier evaluation again, by other reward settings and without a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.evaluation import scores
from hybrid_rl.evaluation.evaluate import grade_and_save
from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.recording.files import read_json
from hybrid_rl.recording.run_directory import Moment, RunDir
from hybrid_rl.verification.grader import Grader


def rescore_run(settings: Settings, directory: RunDir, grader: Grader) -> None:
    """Grades again into `directory` what run `eval.rescore` generated, at every moment that it was evaluated."""
    source = RunDir(Path(str(settings.eval.rescore)))
    for moment in get_args(Moment):
        if source.evaluation(moment).exists():
            out = directory.evaluation(moment)
            rescore(source.path, settings.eval.sets, grader, out, moment)


def rescore(
    source: Path, sets: Sequence[str], grader: Grader, out: Path | None, moment: Moment = "after"
) -> dict[str, SetSummary]:
    """Grades again what run directory `source` generated at `moment`, and saves it into `out` like an evaluation.

    Raises SettingsError where a set was not saved there.
    """
    saved = RunDir(source).evaluation(moment)
    missing = [name for name in sets if not (saved / f"{name}.jsonl").exists()]
    if missing:
        there = sorted(path.stem for path in saved.glob("*.jsonl"))
        raise SettingsError(
            f"eval.sets = {list(sets)}: {saved} has no saved solutions of {', '.join(missing)};"
            f" choose from {', '.join(there) or 'none: evaluate that run first'}"
        )
    how_evaluated = read_json(saved / "summary.json")
    how_evaluated.pop("sets", None)
    answered = ((name, scores.read_rows(saved / f"{name}.jsonl")) for name in sets)
    return grade_and_save(answered, grader, how_evaluated | {"rescored_from": str(saved)}, out)
