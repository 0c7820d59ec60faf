"""What files in conf/ compute from other settings: names from paths, rates from sizes, and the like.

`loading` makes the functions in `RESOLVERS` known to OmegaConf, as in `${usual_rate:rl,${model.path},null}`. A value
that is typed takes the place of what is computed, and settings.json has numbers and names alone.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import Any, Literal

# Learning rates of pretrained models, by the most parameters that they are for. Our choice: the 1e-6 that is usual with
# GRPO, 1e-5 for supervised fine-tuning, and for the smallest models the rates of study=real_cpu.
_RATES = {
    "rl": ((0.3e9, 4e-6), (float("inf"), 1e-6)),
    "sft": ((0.3e9, 5e-5), (float("inf"), 1e-5)),
}
LORA = 10.0
"""How many times higher the rate of adapters is than that of all weights ("LoRA Without Regret", 2025)."""
_SIZE = re.compile(r"(?<![\d.])(\d+(?:\.\d+)?)([BM])(?![A-Za-z])", re.IGNORECASE)
_SAVED_AS = ("model", "best_model")
_STAMP = re.compile(r"\d{8}-\d{6}(-\d+)?|seed_\d+")


def size_in(path: str) -> float | None:
    """The number of parameters that the name of a model states, as in Qwen2.5-0.5B; None where it states none."""
    found = _SIZE.search(PurePath(path).name)
    if found is None:
        return None
    return float(found[1]) * (1e9 if found[2] in "Bb" else 1e6)


def usual_rate(kind: Literal["rl", "sft"], path: str, lora: Any) -> float:
    """The learning rate for a pretrained model; one whose name states no size gets that of large ones."""
    size = size_in(path) or float("inf")
    rate = next(rate for most, rate in _RATES[kind] if size <= most)
    return rate if lora is None else float(f"{LORA * rate:g}")


def name_of(source: Any) -> str:
    """A short name for a path, a hub id, or a source of data, of characters that may stand in a file name."""
    if isinstance(source, Mapping):
        source = source.get("task") or source.get("path") or source.get("kind")
    if isinstance(source, Sequence) and not isinstance(source, str):
        source = source[0] if source else None
    if source is None:
        return "data"
    parts = [part for part in PurePath(str(source)).parts if part not in ("/", "..")] or ["data"]
    while len(parts) > 1 and parts[-1] in _SAVED_AS:
        parts.pop()  # a run's own model: what was trained is named by the run
    name = parts[-1]
    if _STAMP.fullmatch(name) and len(parts) > 1:
        name = f"{parts[-2]}-{name}"
    name = re.sub(r"\.(jsonl?|parquet|csv|gguf)$", "", name)
    return re.sub(r"[^\w.+=,-]+", "-", name, flags=re.ASCII).strip("-._") or "data"


def what_runs(task: str, method: str) -> str:
    """What a run is named after: its method where it trains, else its task."""
    return method if task == "train" else task


def batch_within(most: int, steps: Any) -> int:
    """The size of an SFT batch that waits for unsolved questions: at most a quarter of the run's steps, at least 1.

    It is `most` where steps are no whole number: that is for the check of train.steps to tell.
    """
    return max(1, min(most, steps // 4)) if isinstance(steps, int) else most


def test_sets_or_dev(test: Mapping[str, Any] | None, dev: Any) -> list[str]:
    """The names of all test sets; where there is none, dev, if there is one."""
    return [*test] if test else ["dev"] if dev else []


RESOLVERS: dict[str, Callable[..., Any]] = {
    "usual_rate": usual_rate,
    "name_of": name_of,
    "what_runs": what_runs,
    "batch_within": batch_within,
}
