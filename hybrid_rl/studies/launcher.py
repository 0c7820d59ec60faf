"""Hydra's launchers for the jobs of a study: joblib's processes, or a cluster by submitit.

Only Hydra's plugins are asked here; what a job is, and how it goes on, `studies.running` knows. Hydra has no public way
to start one of its launchers without a sweeper, hence the imports from `hydra._internal`.
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

from hybrid_rl.config.composing import open_struct
from hybrid_rl.studies import running


def chosen_launcher(
    directory: Path, job: Callable[[DictConfig], float | None]
) -> running.Launcher | None:
    """Runs the jobs of a study by the Hydra launcher that is chosen; None: none is, and the study runs them itself.

    Hydra's own sweepers vary one setting per axis, while an arm is several; a launcher takes any list of overrides.
    """
    if HydraConfig.get().launcher._target_.endswith(".BasicLauncher"):
        return None
    config: Any = copy.deepcopy(HydraConfig.instance().cfg)  # typed as its `hydra` section is
    with read_write(config.hydra):
        config.hydra.sweep.dir = str(directory)
    context = HydraContext(GlobalHydra.instance().config_loader(), Callbacks(config))
    launcher = Plugins.instance().instantiate_launcher(context, job, config)

    def launch_all(jobs: Sequence[running.Launched]) -> None:
        commands = []
        for typed, run_dir in jobs:
            place = f"hydra.sweep.subdir={run_dir.relative_to(directory)}"
            commands.append([*open_struct(typed), place, "hydra.mode=MULTIRUN"])
        launcher.launch(commands, initial_job_idx=0)

    return launch_all
