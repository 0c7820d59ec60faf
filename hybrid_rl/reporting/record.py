"""A run as reports read it back from its directory: whatever is there, even of a run that has not ended."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from hybrid_rl.evaluation import scores
from hybrid_rl.evaluation.scores import AnsweredQuestion, SetSummary
from hybrid_rl.recording.files import DamagedFileError, each_jsonl, read_json
from hybrid_rl.recording.run_directory import Moment, RunDir
from hybrid_rl.reporting import decisions


class SilentSteps(NamedTuple):
    """How many of all RL steps taught nothing."""

    silent: int
    all: int


@dataclass(frozen=True)
class RunRecord:
    """What the files of one run directory hold; what is missing is empty.

    Settings are plain values, since their method may be a class that cannot be imported here.
    """

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
    """Summaries of the checkpoint that was best on dev; empty where none was chosen."""

    @classmethod
    def read(cls, path: Path) -> "RunRecord":
        """Returns the record of a run directory.

        Raises FileNotFoundError where there is no settings.json, and DamagedFileError for a file that is not as it was
        written.
        """
        directory = RunDir(path)
        if not directory.settings.exists():
            raise FileNotFoundError(f"{path} is not a run directory: it has no settings.json")
        return cls(
            directory=directory,
            settings=read_json(directory.settings),
            environment=read_json(directory.environment) if directory.environment.exists() else {},
            status=directory.read_status(),
            overrides=_text(directory.overrides),
            metrics=list(_each_step(directory.metrics)),
            progress=list(_each_step(directory.progress)),
            before=scores.read_summaries(directory.evaluation("before")),
            after=scores.read_summaries(directory.evaluation("after")),
            best=scores.read_summaries(directory.evaluation("best")),
        )

    @property
    def name(self) -> str:
        """The run's name in its settings; else that of its directory."""
        return str(self.settings.get("name", self.directory.path.name))

    @property
    def trains(self) -> bool:
        """Whether the run is one of training; else a model is evaluated as it is."""
        return bool(self.settings.get("task", "train") == "train")

    @property
    def has_test_sets(self) -> bool:
        """Whether sets other than dev were evaluated after training."""
        return any(name != "dev" for name in self.after)

    @property
    def method(self) -> str:
        """The name of the run's method; "?" where the settings have none."""
        return str(self.settings.get("method", {}).get("name", "?"))

    @property
    def data(self) -> dict[str, Any]:
        """Counts and hashes of what the run read; empty for a run that recorded none."""
        return dict(self.environment.get("data", {}))

    @property
    def traces(self) -> str | None:
        """How many distinct expert traces were used, out of how many; None before the first step."""
        if not self.metrics or "traces_used" not in self.metrics[-1]:
            return None
        used, there = int(self.metrics[-1]["traces_used"]), self.data.get("traces")
        share = f" ({used / there:.0%})" if there else ""
        return f"{used:,}" if there is None else f"{used:,} of {there:,}{share}"

    @property
    def silent_steps(self) -> "SilentSteps":
        """The RL steps, and those of them whose groups all had equal rewards."""
        lines = [line for line in self.metrics if line.get("kind") == "rl"]
        return SilentSteps(
            sum(line.get("zero_advantage_groups", 0) >= 1 for line in lines), len(lines)
        )

    @property
    def commit(self) -> str | None:
        """The commit of the code that ran, and whether it was changed; None where it is not known."""
        git = self.environment.get("git")
        return git and git["commit"] + (" and uncommitted changes" if git["dirty"] else "")

    def read_rest(self) -> None:
        """Reads what is else looked at later, and raises DamagedFileError where it is not as it was written."""
        for _ in _each_step(self.directory.decisions):
            pass
        decisions.read_notes(self.directory)
        moments: dict[Moment, dict[str, SetSummary]] = {
            "before": self.before, "after": self.after, "best": self.best
        }  # fmt: skip
        for moment, summaries in moments.items():
            for name in summaries:
                self.rows(moment, name)

    def rows(self, moment: Moment, name: str) -> list[AnsweredQuestion]:
        """The saved solutions to the questions of a set; empty where there are none."""
        return scores.read_rows(self.directory.evaluation(moment) / f"{name}.jsonl")


def _each_step(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the lines of a log in which each is of a step."""
    for number, line in enumerate(each_jsonl(path), 1):
        if not isinstance(line.get("step"), int):
            raise DamagedFileError(f"{path}: is damaged: line {number} is of no step")
        yield line


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
