"""The weights with the highest greedy accuracy on dev so far: RUN_DIR/best_model, and a copy in every checkpoint.

A resume takes the checkpoint's copy: what was chosen later is chosen again, or was never to be. Test questions play no
part. Of equals the earliest stays. It knows neither how dev is evaluated nor the trainer whose weights it keeps.
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from hybrid_rl.recording.files import write_json

_MARK = "dev.json"
_IN_CHECKPOINT = "best_model"


class BestModel:
    """The best weights of a run. All ranks call `consider` and `restore`, rank 0 `keep_with`."""

    def __init__(self, directory: Path, save: Callable[[Path], None]) -> None:
        """`save` writes the model as it is into a directory; all ranks call it."""
        self.directory = directory
        self.save = save

    @property
    def step(self) -> int | None:
        """The number of optimizer steps that the chosen weights had; None while there are none."""
        mark = self._mark()
        return int(mark["step"]) if mark else None

    def consider(self, step: int, accuracy: float) -> None:
        """Keeps the current weights if they are better on dev than all before."""
        if not self._is_better(accuracy):
            return
        new = self.directory.with_name(f"{self.directory.name}.new")
        self.save(new)
        if PartialState().is_main_process:
            write_json(new / _MARK, {"step": step, "greedy": accuracy})
            _replace(self.directory, new)
        PartialState().wait_for_everyone()

    def keep_with(self, checkpoint: Path) -> None:
        """Puts a copy into a checkpoint that is being written: hard links, for the files are never written again."""
        if self.step is not None:
            shutil.copytree(self.directory, checkpoint / _IN_CHECKPOINT, copy_function=_linked)

    def restore(self, checkpoint: Path | None) -> None:
        """Brings back what was best when the checkpoint was written; None is the beginning of a run, and nothing."""
        if PartialState().is_main_process:
            shutil.rmtree(self.directory, ignore_errors=True)
            kept = None if checkpoint is None else checkpoint / _IN_CHECKPOINT
            if kept is not None and kept.exists():
                shutil.copytree(kept, self.directory, copy_function=_linked)
        PartialState().wait_for_everyone()

    def _is_better(self, accuracy: float) -> bool:
        """Whether rank 0 finds it better: a verifier's clock could make ranks differ."""
        decided = [False]
        if PartialState().is_main_process:
            mark = self._mark()
            decided = [not mark or accuracy > mark["greedy"]]
        broadcast_object_list(decided)
        return decided[0]

    def _mark(self) -> dict[str, Any]:
        """The step and the accuracy of the chosen weights; empty while there are none."""
        path = self.directory / _MARK
        mark: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return mark


def _replace(directory: Path, new: Path) -> None:
    """Puts `new` in place: a reader finds the old weights or the new ones, but for the moment between two renames."""
    old = directory.with_name(f"{directory.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if directory.exists():
        directory.rename(old)
    new.rename(directory)
    shutil.rmtree(old, ignore_errors=True)


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links, or another one
        shutil.copy2(source, target)
