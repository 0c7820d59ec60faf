from pathlib import Path

from hybrid_rl.recording import checkpoints


def checkpoint(directory: Path, step: int, whole: bool = True) -> Path:
    path = directory / f"checkpoint-{step}"
    path.mkdir()
    (path / "model.safetensors").write_text("weights")
    if whole:
        checkpoints.write_state(path, {"step": step})
    return path


def test_a_half_written_checkpoint_is_not_complete(tmp_path: Path) -> None:
    checkpoint(tmp_path, 5)
    checkpoint(tmp_path, 10, whole=False)
    assert [path.name for path in checkpoints.complete(tmp_path)] == ["checkpoint-5"]


def test_checkpoints_are_ordered_by_step_not_by_name(tmp_path: Path) -> None:
    for step in (100, 20, 3):
        checkpoint(tmp_path, step)
    names = [path.name for path in checkpoints.complete(tmp_path)]
    assert names == ["checkpoint-3", "checkpoint-20", "checkpoint-100"]


def test_only_the_newest_stay_and_an_unfinished_newer_one_is_left_alone(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        checkpoint(tmp_path, step)
    checkpoint(tmp_path, 4, whole=False)
    checkpoints.keep_newest(tmp_path, 2)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-2",
        "checkpoint-3",
        "checkpoint-4",
    ]


def test_what_was_cut_off_is_cleared_away_and_whole_ones_stay(tmp_path: Path) -> None:
    checkpoint(tmp_path, 1)
    checkpoint(tmp_path, 2, whole=False)
    checkpoints.drop_incomplete(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]


def test_state_comes_back_as_written(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 7)
    assert checkpoints.read_state(path) == {"step": 7}


def test_a_manifest_tells_of_every_kind_of_damage(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, 7)
    assert checkpoints.damage(path) is None
    (path / "note.txt").write_text("added, and read by nobody")
    assert checkpoints.damage(path) is None
    weights = path / "model.safetensors"
    weights.write_text("weightz")
    assert checkpoints.damage(path) == "model.safetensors was changed"
    weights.write_text("weight")
    assert checkpoints.damage(path) == "model.safetensors has 6 bytes instead of 7"
    weights.unlink()
    assert checkpoints.damage(path) == "model.safetensors is missing"
    state = path / checkpoints.STATE_FILE
    state.write_text(state.read_text().replace('"step": 7', '"step": 8'))
    assert checkpoints.damage(path) == "hybrid_state.json was changed"
    state.write_bytes(b"")
    assert checkpoints.damage(path) == "hybrid_state.json cannot be read, or is of another version"


def test_a_damaged_checkpoint_is_kept_under_another_name(tmp_path: Path) -> None:
    names = []
    for _ in range(2):
        names.append(checkpoints.set_aside(checkpoint(tmp_path, 7)).name)
    assert names == ["damaged-checkpoint-7", "damaged-checkpoint-7-2"]
    assert checkpoints.complete(tmp_path) == []
    checkpoints.drop_incomplete(tmp_path)
    assert len([*tmp_path.iterdir()]) == 2


def test_of_none_to_keep_one_stays_until_all_are_dropped(tmp_path: Path) -> None:
    for step in (1, 2):
        made = tmp_path / f"checkpoint-{step}"
        made.mkdir()
        checkpoints.write_state(made, {"step": step})
    checkpoints.keep_newest(tmp_path, 0)
    assert [path.name for path in checkpoints.complete(tmp_path)] == ["checkpoint-2"]
    checkpoints.drop_all(tmp_path)
    assert list(tmp_path.iterdir()) == []
