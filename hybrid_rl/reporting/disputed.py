"""The rollouts of the highest reward whose verdict another verifier disputes: what a policy may exploit.

Only verifiers of mathematics have another that reads the same answers. Verification takes place in processes that can
be killed, as in training.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hybrid_rl.config.reward import BUILT_IN_VERIFIERS, RewardSettings
from hybrid_rl.recording.files import each_jsonl
from hybrid_rl.reporting.markdown import table
from hybrid_rl.reporting.record import RunRecord
from hybrid_rl.verification.grader import Grader, Solution

MOST_GRADED = 200
"""Rollouts of the highest reward that are verified again, the last of the run."""
_MOST_SHOWN = 5
_OTHER = {"numeric": "symbolic", "symbolic": "numeric"}


def summary(record: RunRecord) -> list[str]:
    """What another verifier says of the rollouts with the highest reward; nothing where no other can say."""
    reward = record.settings.get("reward", {})
    verifier = reward.get("verifier", "exact")
    other = _OTHER.get(verifier, None if verifier in BUILT_IN_VERIFIERS else "symbolic")
    rows = _highest(record) if other else []
    if other is None or not rows:
        return []
    # Runs of earlier versions have other settings beside these.
    kept = {key: one for key, one in reward.items() if key in RewardSettings.model_fields}
    own = {"name": other, "verifier": other, "as_messages": False, "terms": {}}
    settings = RewardSettings.model_validate(kept | own)
    with Grader(settings) as grader:
        problems = grader.check_golds([row["answer"] for row in rows])
        rows = [row for row, problem in zip(rows, problems, strict=True) if problem is None]
        outcomes = grader.outcomes([Solution(row["answer"], _text(row)) for row in rows])
    if not rows:
        return []
    # What a verifier of one's own reads need not be mathematics, and then the other one finds no answer.
    disputes = ("wrong", "unparseable") if verifier in _OTHER else ("wrong",)
    disputed = [
        (row, outcome) for row, outcome in zip(rows, outcomes, strict=True) if outcome in disputes
    ]
    said = f"`{other}` disputes {len(disputed):,} of {len(rows):,} recorded rollouts with the highest reward"
    if not disputed:
        return [f"{said}."]
    return [f"{said}, which `{verifier}` holds correct. Read some of them.", "", *_table(disputed)]


def _highest(record: RunRecord) -> list[dict[str, Any]]:
    """The last recorded rollouts that are correct and have the highest reward of the run, each text once."""
    best: dict[tuple[str, str], dict[str, Any]] = {}
    highest = 0.0
    for path in sorted((record.directory.path / "rollouts").glob("step_*.jsonl")):
        for row in each_jsonl(path):
            if row.get("outcome") != "correct" or "answer" not in row or row["reward"] < highest:
                continue
            if row["reward"] > highest:
                highest, best = row["reward"], {}
            best[row["answer"], _text(row)] = row
    return list(best.values())[-MOST_GRADED:]


def _text(row: Mapping[str, Any]) -> str:
    return f"{row.get('prefix', '')}{row['completion']}"


def _table(disputed: Sequence[tuple[Mapping[str, Any], str]]) -> list[str]:
    cells = [
        [
            str(row["step"]),
            row["example_id"],
            row["answer"],
            " ".join(_text(row)[-100:].split()),
            said,
        ]
        for row, said in disputed[-_MOST_SHOWN:]
    ]
    return table(["step", "question", "gold answer", "end of the solution", "it says"], cells)
