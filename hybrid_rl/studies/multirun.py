"""The command line: composes with Hydra, checks, and hands on. Hydra is known here and nowhere else.

Hydra runs in this process only; workers read RUN_DIR/settings.json. What a user can fix is printed as clean lines and
ends with exit code 2, anything else is a bug and keeps its traceback.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hybrid_rl.config.settings import Settings
from hybrid_rl.recording.run_directory import RunDir


def search_problems(sweeper: Mapping[str, Any], settings: Settings) -> Iterator[str]:
    """Why a sweeper that searches could do nothing, or the wrong thing, with what its jobs return."""
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


def is_started_again(settings: Settings) -> bool:
    """Whether a job of a multirun, which a launcher may requeue, finds a run that was begun: it is not to be refused.

    One over several nodes is: the others could not tell the settings of this start from those of the last.
    """
    begun = RunDir(Path(settings.run_dir)).settings.is_file()
    return begun and settings.task == "train" and settings.hardware.nodes == 1
