"""Jobs of a multirun: what a sweeper may search by, and the resume of a job that a launcher starts once more.

Sweeper and launcher are Hydra's; this file reads the sweeper's configuration and imports neither.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.execution import resuming
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.studies.directory import state_of


def settings_of_job(
    settings: Settings, sweeper: Mapping[str, Any], given: Mapping[str, Any]
) -> Settings | None:
    """The settings to start a job with: as they are, or those of the interrupted run; None where it is done.

    A launcher may requeue a job, so a run directory that the same job has begun is not refused but resumed. One over
    several nodes is: the other nodes could not tell the settings of this start from those of the last.

    `given`: what Hydra composed. Raises SettingsError where the sweeper could not search by what jobs return.
    """
    if problems := "\n".join(search_problems(sweeper, settings)):
        raise SettingsError(problems)
    run = RunDir(Path(settings.run_dir))
    may_resume = settings.task == "train" and settings.hardware.nodes == 1
    if settings.resume is not None or not may_resume or not run.settings.is_file():
        return settings
    if state_of(run, settings) == "done":
        return None
    return resuming.settings_of_interrupted(run.path, ["resume"], given)


def search_problems(sweeper: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """Reasons why a sweeper that searches could do nothing, or the wrong thing, with what its jobs return."""
    if sweeper["_target_"].endswith(".BasicSweeper"):
        return
    direction = sweeper.get("direction")
    # The plugin's default is a member of its enum.
    direction = getattr(direction, "name", direction)
    if sweeper["_target_"].endswith(".OptunaSweeper") and direction != "maximize":
        yield (
            f"hydra.sweeper.direction = {direction}: a job returns its last greedy accuracy on dev, of which more is"
            " better; type hydra.sweeper.direction=maximize"
        )
    if settings.check:
        yield "check = true: there is no accuracy to search by; check one job without -m"
    elif settings.task != "train":
        yield f"task = {settings.task}: a search goes by the accuracy on dev while training; type task=train"
    elif settings.train.eval_every is None:
        yield "train.eval_every = null: a search goes by the last accuracy on dev; give e.g. train.eval_every=20"
