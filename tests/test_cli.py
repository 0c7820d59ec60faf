"""The command line as a user types it, in processes of its own; no model is loaded."""

import errno
import os
import re
import shlex
import subprocess
import sys
import venv
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.types import RunMode
from omegaconf import OmegaConf

from hybrid_rl import cli
from hybrid_rl.config import composing
from hybrid_rl.config.composing import config_dir, flags_last, groups, open_struct, unknown_options
from hybrid_rl.config.settings import Settings
from hybrid_rl.errors import SettingsError, UsedDirectoryError
from hybrid_rl.execution import launch
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.studies.multirun import search_problems
from tests.conftest import Compose, Load
from tests.fakes.places import ROOT

HEAVY = ("torch", "trl", "transformers", "datasets", "wandb", "matplotlib", "deepspeed")


def hybrid_rl(
    *arguments: str, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    return subprocess.run(
        [sys.executable, "-m", "hybrid_rl", *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_help_shows_groups_and_examples(tmp_path: Path) -> None:
    done = hybrid_rl("--help", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for group in ("data", "eval", "experiment", "hardware", "method", "model", "reward", "tracker"):
        assert f"\n{group}: " in done.stdout
    assert done.stdout.count("\n  hybrid-rl ") == 3
    assert "hydra/" not in done.stdout


def test_help_loads_nothing_heavy(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['hybrid-rl', '--help']\n"
        "from hybrid_rl.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        f"    print('HEAVY', *(name for name in {HEAVY!r} if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "HEAVY"


def test_the_resolved_settings_can_be_looked_at(tmp_path: Path) -> None:
    done = hybrid_rl("--cfg", "job", "--resolve", "method=grpo", "train.steps=7", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "\n  steps: 7\n" in done.stdout
    assert "\nname: grpo-tiny-ledger\n" in done.stdout


def test_looking_leaves_no_files(tmp_path: Path) -> None:
    hybrid_rl("--help", cwd=tmp_path)
    hybrid_rl("--cfg", "job", cwd=tmp_path)
    hybrid_rl("train.steps=0", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_is_told_in_clean_lines_with_exit_code_2(tmp_path: Path) -> None:
    done = hybrid_rl("metod=grpo", "train.steps=0", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        "metod = grpo: no such setting; did you mean method?\n"
        "train.steps = 0: must be at least 1; e.g. train.steps=1\n"
    )


def test_an_option_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    done = hybrid_rl("method=gpro", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "method = gpro: no such option; did you mean grpo? choose from alternate, bread,"
    )
    assert len(done.stderr.splitlines()) == 1


def test_a_used_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").touch()
    done = hybrid_rl("run_dir=used", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"run_dir = {tmp_path / 'used'}: is not empty (it holds notes.txt)"
    )
    assert len(done.stderr.splitlines()) == 1


def test_it_starts_its_own_processes(tmp_path: Path) -> None:
    done = hybrid_rl("method=grpo", cwd=tmp_path, env={"WORLD_SIZE": "2"})
    assert done.returncode == 2
    assert done.stderr == (
        "WORLD_SIZE = 2: hybrid-rl starts its own processes;"
        " run it without torchrun, with hardware.processes=2\n"
    )


def test_one_bad_job_of_a_multirun_does_not_end_the_others(tmp_path: Path) -> None:
    done = hybrid_rl("-m", "train.steps=0,-1", "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert done.returncode == 1
    assert "#1" in done.stdout
    assert "train.steps = 0: must be at least 1; e.g. train.steps=1" in done.stderr
    assert "Traceback" not in done.stderr


class Direction(Enum):
    """As the plugin's."""

    minimize = 1
    maximize = 2


OPTUNA = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"


def test_a_search_that_would_go_for_the_worst_is_refused(load: Load) -> None:
    found = {
        given: list(search_problems({"_target_": OPTUNA, "direction": given}, load()))
        for given in (Direction.minimize, Direction.maximize, "minimize", "maximize")
    }
    refused = [
        "hydra.sweeper.direction = minimize: a job returns its last greedy accuracy on dev, of which more is better;"
        " type hydra.sweeper.direction=maximize"
    ]
    assert list(found.values()) == [refused, [], refused, []]


def test_a_search_without_an_accuracy_on_dev_is_refused(load: Load) -> None:
    sweeper = {"_target_": OPTUNA, "direction": "maximize"}
    never = load("train.eval_every=null")
    assert list(search_problems(sweeper, never)) == [
        "train.eval_every = null: a search goes by the last accuracy on dev; give e.g. train.eval_every=20"
    ]
    assert list(search_problems(sweeper, load("check=true"))) == [
        "check = true: there is no accuracy to search by; check one job without -m"
    ]
    assert list(search_problems(sweeper, load("task=evaluate"))) == [
        "task = evaluate: a search goes by the accuracy on dev while training; type task=train"
    ]
    assert list(search_problems({"_target_": "hydra.BasicSweeper"}, never)) == []


@pytest.mark.slow
def test_the_readmes_search_is_one_and_without_its_direction_it_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("hydra_plugins.hydra_optuna_sweeper")
    typed = re.search(r"`(-m hydra/sweeper=optuna .*?)`", (ROOT / "README.md").read_text())
    assert typed is not None
    words = [*shlex.split(typed[1]), "hydra.sweeper.n_trials=1", "hydra.sweeper.n_jobs=1"]
    tiny = ["experiment=smoke", "method=grpo", "train.steps=1", "eval=none", "train.eval_every=1"]
    paths = {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = hybrid_rl(*words, *tiny, cwd=tmp_path, env=paths)
    assert done.returncode == 0, done.stderr
    assert "Best value: " in done.stdout
    words.remove("hydra.sweeper.direction=maximize")
    done = hybrid_rl(*words, *tiny, cwd=tmp_path, env=paths)
    assert done.returncode == 1
    assert "type hydra.sweeper.direction=maximize" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_users_own_configs_and_method_are_found(tmp_path: Path) -> None:
    (tmp_path / "conf" / "method").mkdir(parents=True)
    (tmp_path / "conf" / "method" / "mine.yaml").write_text(
        "defaults: [grpo, _self_]\n_target_: my_method.Mine\nname: mine\n"
    )
    (tmp_path / "my_method.py").write_text(
        "from hybrid_rl.methods.grpo import Grpo\n\n\nclass Mine(Grpo):\n    pass\n"
    )
    command = ["--config-dir", "conf", "method=mine", "train.steps=0"]
    done = hybrid_rl(*command, cwd=tmp_path)
    assert done.stderr == "train.steps = 0: must be at least 1; e.g. train.steps=1\n"
    helped = hybrid_rl("--config-dir", "conf", "--help", cwd=tmp_path)
    assert ", mine," in helped.stdout


def test_tab_completes_groups(tmp_path: Path) -> None:
    done = hybrid_rl(
        "-sc", "query=bash", cwd=tmp_path,
        env={"COMP_LINE": "hybrid-rl method=sft", "COMP_CWORD": "1", "COMP_POINT": "20"},
    )  # fmt: skip
    assert "method=sft_then_grpo" in done.stdout, done.stderr


def test_settings_are_opened_for_the_schema_and_nothing_else_is() -> None:
    known = groups(config_dir())
    typed = [
        "method=grpo", "train.steps=3", "hydra.job.name=x", "+a=1", "~b", "-m", "hydra/help=default",
        "model@other=tiny", "--config-dir", "dir", "trl.x=[1,2]",
    ]  # fmt: skip
    assert open_struct(typed, known) == [
        "method=grpo", "++train.steps=3", "hydra.job.name=x", "+a=1", "~b", "-m", "hydra/help=default",
        "model@other=tiny", "--config-dir", "dir", "++trl.x=[1,2]",
    ]  # fmt: skip
    assert open_struct(["-sc", "query=bash"], known) == ["-sc", "query=bash"]


@pytest.mark.slow
def test_an_installed_wheel_brings_its_configs(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip"]
    quiet = ["-q", "--no-deps", "--disable-pip-version-check"]
    wheels = tmp_path / "wheels"
    subprocess.run(
        [*pip, "wheel", *quiet, "--no-build-isolation", "-w", str(wheels), str(ROOT)], check=True
    )
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    packages = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    # The dependencies of this interpreter, without an editable install of the package itself.
    ours = next(path for path in sys.path if path.endswith("site-packages"))
    Path(packages, "ours.pth").write_text(f"{ours}\n")
    wheel = next(wheels.glob("hybrid_rl-*.whl"))
    subprocess.run([*pip, "--python", str(python), "install", *quiet, str(wheel)], check=True)
    command = tmp_path / "venv" / "bin" / "hybrid-rl"
    helped = subprocess.run(
        [command, "--help"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert helped.returncode == 0, helped.stderr
    assert "\nmethod: " in helped.stdout
    wrong = subprocess.run(
        [command, "train.steps=0"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert wrong.stderr == "train.steps = 0: must be at least 1; e.g. train.steps=1\n"


@pytest.mark.parametrize(("code", "raised"), [(errno.ENOSPC, SystemExit), (errno.EACCES, OSError)])
def test_a_full_disk_is_said_in_a_line_and_other_failures_keep_their_traceback(
    code: int,
    raised: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def full(*_: object) -> int:
        raise OSError(code, "no")

    single = SimpleNamespace(get=lambda: SimpleNamespace(mode=RunMode.RUN))
    monkeypatch.setattr(cli, "HydraConfig", single)
    monkeypatch.setattr(cli, "_run", full)
    with pytest.raises(raised):
        cli._job(OmegaConf.create())
    assert (cli.DISK_FULL in capsys.readouterr().err) == (code == errno.ENOSPC)


def test_unknown_options_are_told_at_once_with_the_nearest(tmp_path: Path) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").touch()
    own = f"--config-dir={tmp_path}"
    typed = ["method=grop", "experiment=smok", "data=grpo,sft", "train.steps=3", "model=null"]
    method, experiment = unknown_options([*typed, own])
    assert method.startswith("method = grop: no such option; did you mean grpo? choose from alt")
    assert method.endswith("grpo, mine, relift, sasr, sft, sft_then_grpo")
    assert experiment.startswith("experiment = smok: no such option; did you mean smoke? choose")
    assert unknown_options(["method=mine", own]) == []
    assert unknown_options(["--config-dir", str(tmp_path), "method=mine"]) == []
    assert "choose from alternate, bread," in unknown_options(["method=mine"])[0]
    assert unknown_options(["-cd", str(tmp_path / "no")]) == [
        f"--config-dir {tmp_path}/no: no such directory; correct the path"
    ]
    assert unknown_options(["method=theirs", "hydra.searchpath=[pkg://theirs]"]) == []


def test_the_directory_of_own_configs_may_stand_anywhere() -> None:
    typed = ["experiment=smoke", "--config-dir", "mine", "method=grpo", "-m"]
    assert flags_last(typed) == ["experiment=smoke", "method=grpo", "-m", "--config-dir", "mine"]
    assert flags_last(["--config-dir=mine", "method=grpo"]) == ["--config-dir=mine", "method=grpo"]


Jobs = Callable[[str, bool], int | list[str | None]]


@pytest.fixture
def job(composed: Compose, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """job("seed=1", multirun): the code of a run in tmp_path/run, or for one that starts, what it resumes."""
    started: list[str | None] = []

    def start(settings: Settings, run: RunDir) -> int:
        started.append(settings.resume)
        return 0

    monkeypatch.setattr(launch, "start_workers", start)

    def run(override: str, multirun: bool) -> int | list[str | None]:
        started.clear()
        chosen = SimpleNamespace(
            overrides=SimpleNamespace(task=[override]),
            sweeper={"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"},
            runtime=SimpleNamespace(
                output_dir=str(tmp_path / "run"), choices={}, config_sources=[]
            ),
        )
        for module in (cli, composing):
            monkeypatch.setattr(module, "HydraConfig", SimpleNamespace(get=lambda: chosen))
        place = [] if multirun else [f"run_dir={tmp_path / 'run'}"]
        code = cli._run(composed(override, *place), multirun)
        return list(started) or code

    return run


def test_a_job_of_a_multirun_that_is_started_again_resumes(job: Jobs, tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    assert job("seed=1", True) == [None]
    run.write_status("failed", error="stopped by SIGTERM", exit_code=143)
    assert job("seed=1", True) == [str(run.path)]
    run.write_status("failed", error="stopped by SIGTERM", exit_code=143)
    assert job("seed=1", True) == [str(run.path)]
    run.write_status("done")
    assert job("seed=1", True) == 0


def test_a_directory_of_other_settings_or_of_a_single_run_is_refused(
    job: Jobs, tmp_path: Path
) -> None:
    assert job("seed=1", True) == [None]
    RunDir(tmp_path / "run").write_status("failed", error="x", exit_code=1)
    with pytest.raises(SettingsError, match="was started with other settings"):
        job("seed=2", True)
    with pytest.raises(UsedDirectoryError, match="is not empty"):
        job("seed=1", False)
