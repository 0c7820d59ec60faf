"""A run directory as it is read back for reports: whatever is there, of a run that may not have ended."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybrid_rl.evaluation import scores
from hybrid_rl.evaluation.scores import AnsweredQuestion, SetSummary
from hybrid_rl.recording.files import read_jsonl
from hybrid_rl.recording.run_directory import Moment, RunDir


@dataclass(frozen=True)
class RunRecord:
    """Plain values: the settings may be of a method that cannot be imported here."""

    directory: RunDir
    settings: dict[str, Any]
    environment: dict[str, Any]
    status: dict[str, Any]
    overrides: str
    metrics: list[dict[str, Any]]
    progress: list[dict[str, Any]]
    before: dict[str, SetSummary]
    after: dict[str, SetSummary]
    best: dict[str, SetSummary]
    """Of the checkpoint that was best on dev; empty where none was chosen."""

    @classmethod
    def read(cls, path: Path) -> "RunRecord":
        """Raises FileNotFoundError where there is no settings.json."""
        directory = RunDir(path)
        if not directory.settings.exists():
            raise FileNotFoundError(f"{path} is not a run directory: it has no settings.json")
        overrides = directory.overrides
        return cls(
            directory=directory,
            settings=_json(directory.settings),
            environment=_json(directory.environment),
            status=directory.read_status(),
            overrides=overrides.read_text(encoding="utf-8") if overrides.exists() else "",
            metrics=read_jsonl(directory.metrics),
            progress=read_jsonl(directory.progress),
            before=scores.read_summaries(directory.evaluation("before")),
            after=scores.read_summaries(directory.evaluation("after")),
            best=scores.read_summaries(directory.evaluation("best")),
        )

    @property
    def name(self) -> str:
        return str(self.settings.get("name", self.directory.path.name))

    @property
    def method(self) -> str:
        return str(self.settings.get("method", {}).get("name", "?"))

    @property
    def data(self) -> dict[str, Any]:
        """What the run read: counts and hashes; empty of a run that recorded none."""
        found: dict[str, Any] = self.environment.get("data", {})
        return found

    @property
    def traces(self) -> str | None:
        """Distinct expert traces used, of how many there were; None before the first step."""
        if not self.metrics or "traces_used" not in self.metrics[-1]:
            return None
        used, there = int(self.metrics[-1]["traces_used"]), self.data.get("traces")
        if there is None:
            return f"{used:,}"
        return f"{used:,} of {there:,}" + (f" ({used / there:.0%})" if there else "")

    def rows(self, moment: Moment, name: str) -> list[AnsweredQuestion]:
        """Saved solutions of a set; empty where there are none."""
        return scores.read_rows(self.directory.evaluation(moment) / f"{name}.jsonl")


def _json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
