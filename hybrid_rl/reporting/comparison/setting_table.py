"""Settings in which arms differ, and where the runs of a comparison ran. Pure but for the records it is given."""

import json
from typing import Any

from hybrid_rl.reporting.comparison.arms import Arms, differing, recipe


def setting_table(arms: Arms) -> list[list[str]]:
    """A row per setting: its name, then its value in every arm, `-` where an arm's method has no such setting."""
    firsts = [arm.records[0] for arm in arms.arms]
    recipes = [recipe(record) for record in firsts]
    rows = []
    for key in differing(firsts):
        if key == "method_target":
            continue  # method.name says it
        rows.append([key, *(_shown(found[key]) if key in found else "-" for found in recipes)])
    return rows


def environment_table(arms: Arms) -> list[list[str]]:
    """What the runs ran on and read: name, value; several values where runs differ."""
    found: dict[str, dict[str, None]] = {}

    def add(key: str, value: Any) -> None:
        if value not in (None, [], {}):
            found.setdefault(key, {})[_shown(value)] = None

    for record in arms.records:
        environment = record.environment
        git = environment.get("git")
        if git:
            add("commit", git["commit"] + (" and uncommitted changes" if git["dirty"] else ""))
        for key in ("python", "platform", "cpu_count", "devices"):
            add(key, environment.get(key))
        for name, version in environment.get("packages", {}).items():
            add(name, version)
        for name, count in record.data.get("questions", {}).items():
            add(f"{name}: questions", f"{count:,}")
        add("train: expert traces", record.data.get("traces"))
        for name, digest in record.data.get("fingerprint", {}).items():
            add(f"{name}: sha256 of the questions", digest)
    return [[key, "; ".join(values)] for key, values in found.items()]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
