"""A rank as `hybrid_rl.worker` is one, but for its run: that refuses method=grpo, and does nothing else."""

import sys
import types

from hybrid_rl import worker
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import DataError

MISTAKES = ("data.a = 1: no; give b", "data.c = 2: no; give d")


def run(settings: Settings) -> int:
    if settings.method.name == "grpo":
        raise DataError(*MISTAKES)
    return 0


if __name__ == "__main__":
    sys.modules["hybrid_rl.run"] = types.SimpleNamespace(run=run)  # type: ignore[assignment] # stands in for a module
    worker.main()
