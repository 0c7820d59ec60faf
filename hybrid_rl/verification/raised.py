"""An exception of a user's function in words, with the place in the user's own file where it came from."""

import sysconfig
import traceback
from pathlib import Path

_MOST_CHARACTERS = 300
_OURS = f"{Path(__file__).parents[1]}/"
_STANDARD = tuple(f"{sysconfig.get_path(key)}/" for key in ("stdlib", "platstdlib"))
_INSTALLED = tuple(f"{sysconfig.get_path(key)}/" for key in ("purelib", "platlib"))


def told(error: BaseException) -> str:
    """The exception, as in "KeyError: 'unit' (my_reward.py:6)": the line is the last one of a file of the user's.

    A function that was installed is named where no other is; the place is left out where it can only be a library's.
    """
    text = f"{type(error).__name__}: {str(error)[:_MOST_CHARACTERS]}"
    frames = traceback.extract_tb(error.__traceback__)
    foreign = [one for one in frames if _is_foreign(one.filename)]
    own = [one for one in foreign if not one.filename.startswith(_INSTALLED)] or foreign
    return f"{text} ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else text


def _is_foreign(filename: str) -> bool:
    """Whether a file is neither of this package nor of Python itself; a module within Python has no file."""
    if filename.startswith(("<", _OURS)):
        return False
    return filename.startswith(_INSTALLED) or not filename.startswith(_STANDARD)
