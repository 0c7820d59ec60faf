"""Two ranks on one CPU, for tests of what ranks must agree on: `python -m tests.fakes.ranks OUT_DIR PLAY`.

Without a RANK in its environment it forks both, which need not load the libraries then; with one it is that rank.
"""

import json
import math
import os
import socket
import sys
import types
from pathlib import Path
from typing import Any

from hybrid_rl.execution import supervise
from tests.fakes.programs import Programs


def run(programs: Programs, out: Path, play: str) -> list[dict[str, Any]]:
    """What the two ranks say at the end of a function below, in rank order."""
    ended = programs.run("tests.fakes.ranks", str(out), play)
    assert ended.code == 0, ended.text
    return [json.loads((out / f"rank_{rank}.json").read_text()) for rank in (0, 1)]


def start(out: str, play: str) -> int:
    """Fork both ranks from this process and wait for them; returns the first exit code that is not 0, or 0."""
    from tests.endurance.interrupted import Forked  # heavy, and only who starts ranks needs it

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    supervise.subprocess = types.SimpleNamespace(Popen=Forked)  # type: ignore[attr-defined] # a stand-in
    return supervise.supervise(
        [sys.executable, "-m", "tests.fakes.ranks", out, play],
        [{**os.environ, **common, "RANK": rank, "LOCAL_RANK": rank} for rank in "01"],
        grace_seconds=10.0,
    ).code


def one_broken_loss(rank: int, out: Path) -> dict[str, Any]:
    """SFT on two ranks, of which the second has a loss that is no number at step 2."""
    from tests.training.test_trainer import build, weights

    trainer, recorder = build(
        out / "run", "sft", hardware__processes=2, guards__non_finite="skip", guards__max_skips=1
    )
    plain = trainer.compute_loss

    def compute(*args: Any, **kwargs: Any) -> Any:
        loss = plain(*args, **kwargs)
        return loss * math.nan if rank == 1 and trainer.state.global_step == 1 else loss

    trainer.compute_loss = compute
    trainer.train()
    return {
        "weights": weights(trainer).tolist(),
        "skipped": [line.get("skipped", 0) for line in recorder.metrics],
    }


def unequal_wishes(rank: int, out: Path) -> dict[str, Any]:
    """A server in rank 0, asked for nothing by rank 0 and for four completions by rank 1; then for one and three.

    Their prefixes have 1 token on rank 0, and 2 to 5 on rank 1.
    """
    import pytest

    from hybrid_rl.recording.budget import UpdateCost
    from hybrid_rl.types import Attempt
    from tests.fakes import tiny
    from tests.fakes.vllm_server import Server
    from tests.models import test_vllm as tests

    attempts = [
        Attempt(one, (2,) * hint)
        for hint, one in enumerate(tiny.examples(4), 1 if rank == 0 else 2)
    ]
    wishes = (attempts, attempts[1:]) if rank else ([], attempts[:1])
    with Server().running() as server, pytest.MonkeyPatch.context() as patch:
        server.replace_nccl(patch)
        trainer, _ = tests.with_engine(out / "run", "vllm_server", server.port, processes=2)
        trainer.attempter.params = tests.GREEDY

        def completions() -> list[Any]:
            drawn = [trainer.attempter.attempt(UpdateCost(), wish) for wish in wishes]
            return [[one.completion for one in rollouts] for rollouts in drawn]

        found, again = completions()
        trainer.policy.engine = None
        expected, expected_again = completions()
    return {
        "found": found,
        "again": again,
        "expected": expected,
        "expected_again": expected_again,
        "loads": server.engine.loads,
    }


def main(out: Path, play: str) -> None:
    rank = int(os.environ["RANK"])
    found = {"one_broken_loss": one_broken_loss, "unequal_wishes": unequal_wishes}[play](rank, out)
    (out / f"rank_{rank}.json").write_text(json.dumps(found, allow_nan=False))


if __name__ == "__main__":
    if "RANK" not in os.environ:
        sys.exit(start(*sys.argv[1:]))
    main(Path(sys.argv[1]), sys.argv[2])
