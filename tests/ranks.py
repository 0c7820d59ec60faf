"""Two ranks on one CPU, for tests of what ranks must agree on: `python -m tests.ranks OUT_DIR` is one of them."""

import json
import math
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any


def run(out: Path) -> list[dict[str, Any]]:
    """What the two ranks say at their end, in rank order."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.ranks", str(out)],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            cwd=Path(__file__).parent.parent,
        )
        for rank in (0, 1)
    ]
    try:
        assert [rank.wait(timeout=300) for rank in ranks] == [0, 0]
    finally:
        for rank in ranks:
            rank.kill()
    return [json.loads((out / f"rank_{rank}.json").read_text()) for rank in (0, 1)]


def main(out: Path) -> None:
    """SFT on two ranks, of which the second has a loss that is no number at step 2."""
    from tests.test_trainer import build, weights  # noqa: PLC0415 - heavy: torch

    rank = int(os.environ["RANK"])
    trainer, recorder = build(
        out / "run", "sft", hardware__processes=2, guards__non_finite="skip", guards__max_skips=1
    )
    plain = trainer.compute_loss

    def compute(*args: Any, **kwargs: Any) -> Any:
        loss = plain(*args, **kwargs)
        return loss * math.nan if rank == 1 and trainer.state.global_step == 1 else loss

    trainer.compute_loss = compute
    trainer.train()
    found = {
        "weights": weights(trainer).tolist(),
        "skipped": [line.get("skipped", 0) for line in recorder.metrics],
    }
    (out / f"rank_{rank}.json").write_text(json.dumps(found, allow_nan=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
