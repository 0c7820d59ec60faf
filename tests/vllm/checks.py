"""What a run with vLLM's own engine has to hold."""

from pathlib import Path
from typing import Any

from safetensors.numpy import load_file

from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import RunDir
from tests.vllm import runs


def require_alike(run: RunDir, rank: int = 0) -> None:
    """Greedy completions of vLLM are those of transformers, before and after training and between its updates."""
    lines = runs.compared(run, rank)
    steps = {line["step"] for line in lines}
    assert {0, 3} <= steps
    assert len(steps) > 2 or run.path.name == "sft", "rollouts are drawn after updates"
    assert sum(line["tokens"] for line in lines) > 150
    assert [line for line in lines if line["differ"]] == []


def require_close(run: RunDir) -> None:
    """The log-probabilities that vLLM tells are those of the trainer.

    Small updates change them long before they change a greedy completion.
    """
    # An update whose groups are all alike puts no token through the loss, and nothing is compared.
    gaps = [line["sampler_gap_p99"] for line in read_jsonl(run.metrics) if line["grad_norm"]]
    assert len(gaps) > 1, "the first is from before the first update"
    assert max(gaps) < 1e-3


def weights(directory: Path) -> dict[str, Any]:
    return {k: v for file in directory.glob("*.safetensors") for k, v in load_file(file).items()}


def require_moved(run: RunDir, model: Path) -> None:
    """Otherwise an engine that never gets new weights would answer alike too."""
    before, after = weights(model), weights(run.model)
    assert any((before[name] != after[name]).any() for name in before.keys() & after.keys())
