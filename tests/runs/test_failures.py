"""Whole commands that cannot go on, as they are typed: one message and exit code 2, and nothing is lost."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("deepspeed")

from hybrid_rl.errors import disk_full
from hybrid_rl.models.loading import TINY
from hybrid_rl.recording import checkpoints
from hybrid_rl.recording.run_directory import RunDir
from tests.endurance import interrupted
from tests.fakes.programs import Ended, Programs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux alone"),
]
Type = Callable[..., Ended]
SMALL = ("experiment=smoke", "method=grpo", "eval.limit=8", "eval.samples=1", "train.save_every=1")


@pytest.fixture(scope="module")
def typed(programs: Programs) -> Type:
    """typed("method=grpo", ...): what comes of a command with these arguments."""
    return programs.type_in


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model.safetensors", (TINY / "model.safetensors").read_bytes()[:1000]),
        ("config.json", b'{"model_type'),
        ("tokenizer.json", b'{"version": "1.0", "trunc'),
        ("m.gguf", b"GGUF\x03\0\0\0" + b"\xff" * 40),
    ],
)
def test_an_unreadable_model_is_one_line_before_training(
    name: str, content: bytes, typed: Type, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(TINY, model)
    (model / name).unlink(missing_ok=True)  # the copy may be read-only
    (model / name).write_bytes(content)
    gguf = [f"model.gguf_file={name}"] if name.endswith(".gguf") else []
    run = RunDir(tmp_path / "run")
    done = typed(*SMALL, f"model.path={model}", *gguf, f"run_dir={run.path}")
    assert done.code == 2, done.text
    [line] = done.said
    assert line.startswith(f"model.path = {model}: ")
    assert "give a hub id" in line
    assert run.read_status()["error"] == line
    assert not run.evaluation("before").exists()
    assert not run.metrics.exists()


def test_a_missing_chat_template_and_bad_data_are_told_in_one_list(
    typed: Type, tmp_path: Path
) -> None:
    model = tmp_path / "model"
    shutil.copytree(TINY, model, ignore=shutil.ignore_patterns("chat_template.jinja"))
    absent = "data.train={kind: file, path: nowhere.jsonl}"
    run = RunDir(tmp_path / "run")
    done = typed(*SMALL, f"model.path={model}", "~data.train", f"+{absent}", f"run_dir={run.path}")
    assert done.code == 2, done.text
    assert done.said[0].startswith("model.chat_template = null: the tokenizer of ")
    assert "nowhere.jsonl" in done.said[1]
    again = typed(*SMALL, f"model.path={model}", f"run_dir={run.path}")
    assert "is not empty" not in again.text
    assert again.said == done.said[:1]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """small_disk(BYTES): a directory with a disk of that size, which another call makes larger."""
    place = tmp_path / "disk"
    place.mkdir()

    def sized(size: int) -> Path:
        option = f"{'remount,' * place.is_mount()}size={size}"
        command = ["mount", "-t", "tmpfs", "-o", option, "tmpfs", str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"no disk of a given size can be mounted here: {done.stderr.strip()}")
        return place

    if shutil.which("mount") is None:
        pytest.skip("no disk of a given size can be mounted here: there is no command mount")
    yield sized
    if place.is_mount():
        subprocess.run(["umount", str(place)], check=True)


@pytest.fixture(scope="module")
def straight(typed: Type, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """The run that always had room."""
    run = RunDir(tmp_path_factory.mktemp("straight") / "run")
    assert typed(*SMALL, f"run_dir={run.path}").code == 0
    return run


def size_of(*places: Path) -> int:
    files = [one for place in places for one in (place, *place.rglob("*")) if one.is_file()]
    return sum(file.stat().st_size for file in files)


@pytest.mark.parametrize(
    ("while_writing", "share", "saved", "options"),
    [
        ("metrics", 0.06, 0, ()),
        ("the weights of a checkpoint", 1.25, 1, ()),
        ("the moments of a checkpoint", 1.7, 1, ()),
        ("the model", 0.25, 0, ("train.save_every=100", "train.keep_checkpoints=0")),
    ],
)
def test_a_full_disk_is_one_message_and_a_resume_with_room_equals_a_run_that_had_it(
    while_writing: str,
    share: float,
    saved: int,
    options: tuple[str, ...],
    typed: Type,
    straight: RunDir,
    small_disk: Callable[[int], Path],
) -> None:
    """`share`: the size of the disk, of that of a checkpoint. `saved`: how many of these are whole then."""
    newest = checkpoints.complete(straight.checkpoints)[-1]
    disk = small_disk(int(share * size_of(newest)))
    run = RunDir(disk / "run")
    done = typed(*SMALL, *options, f"run_dir={run.path}")
    assert (done.code, done.said) == (2, [disk_full(run.path)]), done.text
    assert run.read_status()["state"] == "failed"
    whole = checkpoints.complete(run.checkpoints)
    assert [checkpoints.damage(path) for path in whole] == [None] * saved
    assert not run.model.exists()
    small_disk(16 * size_of(newest))
    resumed = typed(f"resume={run.path}")
    assert resumed.code == 0, resumed.text
    assert list(interrupted.differences(run, straight)) == []
