"""A comparison as one HTML page that needs nothing else: no network, no file beside it.

Text of runs reaches the page as data alone: as JSON that Jinja2 escapes, and as rollouts in base64 of gzip, a block per
run that is unpacked when it is looked at. The page's scripts make text nodes of it, and its content security policy
lets no other script run. The charts are drawn by `webpage/charts.js`, written by hand; `docs/code.md` has what
libraries would weigh.
"""

import base64
import gzip
import hashlib
import json
import logging
from collections.abc import Iterator
from importlib import resources
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import jinja2

from hybrid_rl.recording.files import DamagedFileError, read_jsonl
from hybrid_rl.reporting import decisions, glossary, terms
from hybrid_rl.reporting.comparison import (
    compare,
    cut_solutions,
    pass_at,
    preparation_table,
    training_curves,
    tuning_table,
    verdicts,
    wording,
)
from hybrid_rl.reporting.comparison.arms import (
    Arm,
    Arms,
    environment_table,
    seed_of,
    setting_table,
    spent,
)
from hybrid_rl.reporting.comparison.compare import BUDGETS, CURVE_MEASURES, Comparison
from hybrid_rl.reporting.comparison.conclusion import conclusion
from hybrid_rl.reporting.comparison.outcomes import Outcome
from hybrid_rl.reporting.markdown import between
from hybrid_rl.reporting.record import RunRecord

_SCRIPTS = (
    *("elements.js", "exports.js", "charts.js", "sections.js", "training.js", "rollouts.js"),
    "page.js",
)
log = logging.getLogger(__name__)
_FIELDS = ("completion", "outcome", "reward", "advantage", "trained")


def render(comparison: Comparison, most_rollouts: int) -> str:
    """The page with at most `most_rollouts` rollouts over all runs, in whole steps that are evenly spread."""
    parts = resources.files("hybrid_rl.reporting.comparison") / "webpage"
    page, style, *scripts = (
        (parts / name).read_text("utf-8") for name in ("page.html", "page.css", *_SCRIPTS)
    )
    script = "\n".join(scripts)
    jinja = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    # `tojson` escapes all that could end the script element; keys keep their order, in which the page shows them.
    jinja.policies["json.dumps_kwargs"] = {"ensure_ascii": False, "allow_nan": False}
    return jinja.from_string(page).render(
        title=comparison.arms.title,
        facts=wording.facts(comparison.arms),
        conclusion=conclusion(comparison),
        policy=f"default-src 'none'; img-src data:; script-src {_hash(script)}; style-src {_hash(style)}",
        style=style,
        script=script,
        data=_data(comparison),
        rollouts=_rollout_blocks(comparison, most_rollouts),
    )


def _hash(text: str) -> str:
    """The source expression by which a content security policy lets this one script or style in."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _data(comparison: Comparison) -> dict[str, Any]:
    """The JSON values from which the page's scripts make its tables and charts."""
    arms = comparison.arms
    return {
        "title": arms.title,
        "reference": arms.reference,
        "words": glossary.COMPARISON,
        "axes": BUDGETS,
        "arms": [_arm(arm) for arm in arms.arms],
        "sets": [_outcome(one) for one in comparison.outcomes],
        "exploratory": wording.exploratory(comparison),
        "models": wording.MODELS,
        "pName": wording.p_name(comparison),
        "verdicts": _verdicts(comparison),
        # Its value, an interval, gives way to the numbers in it.
        "levels": [{**vars(figure), **vars(figure.value)} for figure in comparison.levels],
        "target": arms.target and vars(arms.target),
        "costNote": wording.COST_NOTE,
        "costs": {
            axis: {
                arm: {"text": wording.cost_text(c), "reached": c.reached, "runs": c.runs}
                for arm, c in by_arm.items()
            }
            for axis, by_arm in comparison.costs.items()
        },
        "areas": {
            axis: {arm: wording.area_cells(area) for arm, area in areas.items()}
            for axis, areas in comparison.areas.items()
        },
        "areaNote": wording.AREA_NOTE,
        "passAt": _pass_at(comparison),
        "passNote": pass_at.NOTE,
        "tuning": {
            "title": tuning_table.TITLE,
            "note": tuning_table.NOTE,
            "columns": tuning_table.COLUMNS,
            "rows": tuning_table.rows(arms.tuning),
        },
        **_preparation(arms),
        "settings": setting_table(arms),
        "environment": environment_table(arms),
        "notes": comparison.notes,
    }


def _preparation(arms: Arms) -> dict[str, Any]:
    """What the run that all arms started from has spent; nothing where there was none."""
    rows = preparation_table.rows(arms.preparation)
    if not rows:
        return {}
    shown = {"title": preparation_table.TITLE, "note": preparation_table.NOTE}
    return {"preparation": {**shown, "columns": preparation_table.COLUMNS, "rows": rows}}


def _pass_at(comparison: Comparison) -> dict[str, Any]:
    """pass@k by set, as a table and as the points of a chart; without the sets on which nothing was sampled."""
    found = {}
    for name in pass_at.sets(comparison):
        if curves := pass_at.pass_curves(comparison, name):
            points = [
                {
                    "arm": one.arm,
                    "points": [[k, i.value, i.low, i.high] for k, i in one.by_k.items()],
                }
                for one in curves
            ]
            found[name] = {
                "columns": pass_at.columns(curves),
                "rows": pass_at.rows(curves),
                "curves": points,
            }
    return found


def _verdicts(comparison: Comparison) -> dict[str, Any] | None:
    """What a study that adds seeds has settled; None for other runs."""
    if not comparison.verdicts:
        return None
    rows = verdicts.rows(comparison.verdicts)
    return {"note": verdicts.note(comparison.arms), "columns": verdicts.COLUMNS, "rows": rows}


def _arm(arm: Arm) -> dict[str, Any]:
    runs = [record.directory for record in arm.records]
    notes = {name: note for run in runs for name, note in (decisions.read_notes(run) or {}).items()}
    return {
        "name": arm.name,
        "method": arm.records[0].method,
        "runs": [_run(record) for record in arm.records],
        "panels": [
            *decisions.panels([decisions.read(run) for run in runs], notes),
            *terms.panels([record.metrics for record in arm.records]),
        ],
    }


def _run(record: RunRecord) -> dict[str, Any]:
    keys = [*BUDGETS, *(f"{m}{end}" for m in CURVE_MEASURES for end in ("", "_low", "_high"))]
    lines = compare.evaluations(record)
    return {
        "seed": seed_of(record),
        "state": record.status.get("state", "unknown"),
        "evaluated": bool(record.after),
        "traces": record.traces,
        "spent": {axis: spent(record, axis) for axis in BUDGETS},
        "final": {
            name: {
                m: found.value for m in CURVE_MEASURES if (found := getattr(summary, m)) is not None
            }
            for name, summary in record.after.items()
        },
        "training": training_curves.columns(record.metrics),
        "curve": [{k: line[k] for k in keys if line.get(k) is not None} for line in lines],
    }


def _outcome(found: Outcome) -> dict[str, Any]:
    rows = []
    shares = cut_solutions.cells(found.figures)
    for figure, share in zip(found.figures, shares, strict=True):
        row: dict[str, Any] = {"arm": figure.arm, "seeds": figure.seeds, **vars(figure.value)}
        row["typical"] = between(figure.typical)
        if share:
            row["cut"] = share[0]
        if (contrast := figure.contrast) is not None and (told := figure.told) is not None:
            row["contrast"] = {
                **vars(told.difference),
                "p": told.p,
                "detectable": wording.detectable_text(contrast),
                "improvement": between(figure.improvement),
                "concluded": figure.decided,
                "within": figure.within_margin,
                "seeds": contrast.seeds,
            }
        rows.append(row)
    about = found.about
    return {
        "set": about.set,
        "measure": wording.measure_name(about),
        "moment": about.moment,
        "questions": about.questions,
        "primary": about.primary,
        "correlation": wording.correlation_text(found) if about.primary else None,
        "base": found.base and vars(found.base),
        "rows": rows,
    }


def _rollout_blocks(comparison: Comparison, most: int) -> Iterator[tuple[str, str]]:
    """Yields the name `<arm>-<run>`, by position, and the packed rollouts of every run that recorded some."""
    arms = comparison.arms
    numbered = ((i, *run) for i, arm in enumerate(arms.arms) for run in enumerate(arm.records))
    for i, j, record in numbered:
        files = sorted((record.directory.path / "rollouts").glob("step_*.jsonl"))
        shown = _thinned(files, most // len(arms.records))
        numbers = (int(path.stem.removeprefix("step_")) for path in shown)
        try:
            steps = [
                {"groups": list(_groups(p)), "step": n} for p, n in zip(shown, numbers, strict=True)
            ]
        except (DamagedFileError, LookupError) as error:
            log.warning("%s; the rollouts of this run are left out of the page", error)
            continue
        if steps:
            text = json.dumps({"recorded": len(files), "steps": steps}, ensure_ascii=False)
            packed = gzip.compress(text.encode(), 6, mtime=0)
            yield f"{i}-{j}", base64.b64encode(packed).decode()


def _thinned(files: list[Path], most: int) -> list[Path]:
    """Every n-th step, the last one among them, with the smallest n that leaves at most `most` rows."""
    counts = [path.read_bytes().count(b"\n") for path in files]
    for every in range(1, len(files) + 1):
        kept = range(len(files) - 1, -1, -every)
        if sum(counts[index] for index in kept) <= most:
            return [files[index] for index in reversed(kept)]
    return []


def _groups(path: Path) -> Iterator[dict[str, Any]]:
    """Yields the rollouts of one question behind one prefix, whether they were trained on or passed over."""
    key = itemgetter("group", "example_id", "prefix")
    for (_, example_id, prefix), found in groupby(read_jsonl(path), key=key):
        rows = list(found)
        yield {
            "id": example_id,
            "prompt": rows[0]["prompt"],
            "prefix": prefix,
            # `rollouts.js` reads them by position; the names would be a third of the page.
            "rows": [[row.get(field) for field in _FIELDS] for row in rows],
        }
