"""What a rank does before it trains: files of a checkpoint that could run code are not read."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("deepspeed")

from hybrid_rl.execution import ranks

pytestmark = pytest.mark.slow


class Planted:
    """An object whose reading makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_a_planted_checkpoint_runs_no_code_and_what_deepspeed_saves_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from deepspeed.runtime.fp16.loss_scaler import LossScaler
    from deepspeed.runtime.zero.config import ZeroStageEnum
    from deepspeed.utils.tensor_fragment import fragment_address

    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    ranks.read_weights_only()
    planted, own = tmp_path / "planted.pt", tmp_path / "own.pt"
    torch.save({"module": Planted(tmp_path / "ran")}, planted)
    with pytest.raises(pickle.UnpicklingError, match="mkdir"):
        torch.load(planted, weights_only=False)
    assert not (tmp_path / "ran").exists()
    saved = {
        "loss_scaler": LossScaler(2.0),
        "zero_stage": ZeroStageEnum.gradients,
        "slices": [fragment_address(numel=3, start=1)],
    }
    torch.save(saved, own)
    read = torch.load(own, weights_only=False)
    assert (read["loss_scaler"].cur_scale, read["zero_stage"]) == (2.0, ZeroStageEnum.gradients)
    assert read["slices"] == saved["slices"]
