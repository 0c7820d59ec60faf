"""Errors that a user can fix: the message says what was found and what to type. They end with exit code 2."""

import errno
from pathlib import Path

USER_ERROR = 2
"""The exit code, in status.json and of the command, for what the user can fix."""


def disk_full(run_dir: Path | None = None) -> str:
    """The message of a disk that has no room for what a run writes; None: nothing is known of the run."""
    named = "run_dir" if run_dir is None else f"run_dir = {run_dir}"
    return (
        f"{named}: no space is left on its disk; free some, and resume={run_dir or 'RUN_DIR'} goes on from the last"
        " complete checkpoint"
    )


_OF_TORCH_S_WRITER = ("iostream error", "inline_container.cc", "PytorchStreamWriter failed")


def is_disk_full(error: BaseException) -> bool:
    """Whether no space was left for a file, also where a library has its own exception for it.

    safetensors tells it in a text alone, and torch.save in another error that the first one led to.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        if "No space left on device" in str(seen):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


def is_failed_write(error: BaseException) -> bool:
    """Whether torch.save could not write its file; it does not tell why, which may be that the disk is full."""
    seen: BaseException | None = error
    while seen is not None:
        if any(words in str(seen) for words in _OF_TORCH_S_WRITER):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


class UserError(ValueError):
    """A problem that the user can fix; the command line prints the message without a traceback."""


class UsedDirectoryError(UserError):
    """A directory that holds something already, or that a run still uses; the message says what to do."""


class SettingsError(UserError):
    """Settings that cannot work: every line names a setting, the value found, the rule, and what to type."""


MOST_LINES = 20


class DataError(UserError):
    """Problems of the data or of its settings: one a line, the first 20 of them, and how many there are in all."""

    def __init__(self, *problems: str) -> None:
        self.problems = list(problems)
        shown = [*problems[:MOST_LINES]]
        if (more := len(problems) - MOST_LINES) > 0:
            shown.append(f"... and {more} more; {len(problems)} problems in all")
        super().__init__("\n".join(shown))
