"""The command line: composes with Hydra, checks, and hands on. Hydra is known here and nowhere else.

Hydra runs in this process only; workers read RUN_DIR/settings.json. What a user can fix is printed as clean lines and
ends with exit code 2, anything else is a bug and keeps its traceback.
"""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from hydra._internal.callbacks import Callbacks
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.types import HydraContext
from omegaconf import DictConfig, read_write

from hybrid_rl.config.composing import config_dir, groups, open_struct
from hybrid_rl.studies import study


def chosen_launcher(
    directory: Path, job: Callable[[DictConfig], float | None]
) -> study.Launcher | None:
    """What runs the jobs of a study by Hydra's launcher, where one is chosen; None: the study runs them itself.

    Hydra's own sweepers vary one setting per axis, while an arm is several; a launcher takes any list of overrides.
    """
    if HydraConfig.get().launcher._target_.endswith(".BasicLauncher"):
        return None
    config: Any = copy.deepcopy(
        HydraConfig.instance().cfg
    )  # typed as its `hydra` section, which it holds
    with read_write(config.hydra):
        config.hydra.sweep.dir = str(directory)
    context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks(config))
    launcher = Plugins.instance().instantiate_launcher(context, job, config)

    def launch_all(jobs: Sequence[study.Launched]) -> None:
        typed = [
            [
                *open_struct(one.typed, groups(config_dir())),
                f"hydra.sweep.subdir={one.directory.relative_to(directory)}",
                "hydra.mode=MULTIRUN",
            ]
            for one in jobs
        ]
        launcher.launch(typed, initial_job_idx=0)

    return launch_all
