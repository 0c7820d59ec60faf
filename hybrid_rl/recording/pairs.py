"""The decisions of a finished run that another run is paired with: the same method and seed, one rule apart.

What the method makes of them, the method knows; here they are found, or refused before a model is loaded.
"""

import json
import os
from pathlib import Path
from typing import Any

from hybrid_rl.config.messages import as_typed
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir


def read_pair(settings: Settings) -> list[dict[str, Any]] | None:
    """The decision log of the run that `settings.method` is paired with; None where it needs none.

    Raises SettingsError where there is no such run, it is not done, or it had another method or seed, or settings of
    the method other than `pair_has`.
    """
    pair = settings.method.paired_with
    if pair is None:
        return None
    name, given = pair
    # By the names alone, not by links: a study may lie behind one.
    pair_run = RunDir(Path(os.path.normpath(Path(settings.run_dir, Path(given).expanduser()))))
    found = f"{name} = {given}"
    if not pair_run.settings.is_file():
        raise SettingsError(
            f"{found}: {pair_run.path} is no run directory (a relative path starts at run_dir);"
            f" give that of a finished run of method={settings.method.name} with seed={settings.seed}"
        )
    state = pair_run.read_status().get("state")
    if state != "done":
        raise SettingsError(
            f"{found}: the run in {pair_run.path} is not done ({state or 'not started'});"
            f" let it end first, or continue it: hybrid-rl resume={pair_run.path}"
        )
    theirs = json.loads(pair_run.settings.read_text(encoding="utf-8"))
    wanted = {"method_target": settings.method_target, "seed": settings.seed}
    wanted |= {f"method.{key}": value for key, value in settings.method.pair_has.items()}
    theirs |= {f"method.{key}": value for key, value in theirs["method"].items()}
    for key, value in wanted.items():
        if theirs.get(key) != value:
            had = as_typed(theirs.get(key))
            raise SettingsError(
                f"{found}: the run in {pair_run.path} has {key} = {had}, which must be {as_typed(value)};"
                f" give a run of method={settings.method.name} with seed={settings.seed}"
            )
    return read_jsonl(pair_run.decisions)
