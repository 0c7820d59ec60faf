"""The command line as a user types it, in processes of its own; no model is loaded."""

import errno
import os
import subprocess
import sys
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest
from hydra.types import RunMode
from omegaconf import OmegaConf

from hybrid_rl import cli
from hybrid_rl.errors import disk_full
from tests.fakes.places import ROOT

NOT_FOR_HELP = (
    *("torch", "trl", "transformers", "datasets", "accelerate", "wandb", "deepspeed"),
    *("numpy", "scipy", "matplotlib", "jinja2", "hybrid_rl.reporting", "hybrid_rl.studies"),
)


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


def test_help_loads_nothing_heavy_and_no_report() -> None:
    code = (
        "import sys; sys.argv = ['hybrid-rl', '--help']\n"
        "from hybrid_rl.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        f"    print('LOADED', *(name for name in {NOT_FOR_HELP!r} if name in sys.modules))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "LOADED"


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
        "method = gpro: no such option; did you mean grpo? choose from adaback, alternate, bread,"
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
    assert (disk_full() in capsys.readouterr().err) == (code == errno.ENOSPC)
