"""The HTML page as a file: what is in it, and that text of runs stays text."""

import base64
import gzip
import hashlib
import html
import json
import re
from pathlib import Path
from typing import Any

from hybrid_rl.reporting.comparison import command, training_curves
from tests.fakes import recorded, studies

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>{{ 7 * 7 }}&amp;'\""


def _page(path: Path, *options: str) -> str:
    assert command.run([str(path), *options]) == 0
    return (path / "report.html").read_text(encoding="utf-8")


def _data(page: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _blocks(page: str) -> dict[str, Any]:
    found = re.findall(r'<script type="text/plain" id="(rollouts-\d+-\d+)">(.*?)</script>', page)
    return {name: json.loads(gzip.decompress(base64.b64decode(text))) for name, text in found}


def test_the_page_has_the_figures_of_the_twin(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9})
    data, text = _data(_page(tmp_path)), (tmp_path / "report.md").read_text()
    for on_set in data["sets"]:
        for row in on_set["rows"]:
            assert f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]" in text
    assert data["costs"]["step"]["bread"]["text"] in text
    own, reference, first, last = data["areas"]["step"]["bread"]
    assert (first, last) == ("4", "12")
    assert f"{own} against {reference}, 4 to 12" in text
    found = data["passAt"]["hard"]
    assert [row[0] for row in found["rows"]] == ["base model", "grpo", "bread"]
    for row in found["rows"]:
        assert f"| {' | '.join(row)} |" in text


def test_the_head_of_the_page_says_how_many_of_the_runs_count(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0, 1))
    facts = '<p id="facts">2 arms, {}, seeds 0, 1; reference: grpo</p>'
    assert facts.format("4 runs") in _page(tmp_path)
    (tmp_path / "bread" / "seed_1" / "eval" / "after" / "summary.json").unlink()
    assert facts.format("3 of 4 runs are evaluated") in _page(tmp_path)


def test_the_page_asks_for_nothing_from_elsewhere(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0,))
    page = _page(tmp_path)
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    sources = html.unescape(policy[1])
    style, script = (
        re.search(f"<{tag}>(.*?)</{tag}>", page, re.DOTALL) for tag in ("style", "script")
    )
    assert style is not None
    assert script is not None
    assert sources == (
        f"default-src 'none'; img-src data:; script-src {_hash(script[1])}; style-src {_hash(style[1])}"
    )
    assert re.findall(r"""(?:src|href)=["'](?!#|data:,)[^"']*""", page) == []
    assert set(re.findall(r"https?://[^\s\"']+", page)) == {"http://www.w3.org/2000/svg"}


def test_text_of_runs_cannot_become_markup(tmp_path: Path) -> None:
    """In rollouts, in settings, in the title and in an error."""
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0,))
    run = recorded.RunDir(tmp_path / "bread" / "seed_0")
    studies.write_rollouts(run, 1, 1, 3, HOSTILE)
    studies.change_settings(run, "method", note=HOSTILE)
    definition = json.loads((tmp_path / "study.json").read_text())
    (tmp_path / "study.json").write_text(json.dumps({**definition, "name": HOSTILE}))
    page = _page(tmp_path)
    assert "<img" not in page
    assert "window.hacked=1</script>" not in page
    assert page.count("</script>") == 3  # data, one block of rollouts, the page's own
    assert _data(page)["title"] == HOSTILE
    assert _blocks(page)["rollouts-1-0"]["steps"][0]["groups"][0]["rows"][0][0].startswith(HOSTILE)


def test_rollouts_beyond_the_limit_are_thinned_by_whole_steps(tmp_path: Path) -> None:
    """Two runs may show 12 rows each: of 8 steps of 4 rows every third, the last one among them."""
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0,))
    for arm in ("grpo", "bread"):
        studies.write_rollouts(recorded.RunDir(tmp_path / arm / "seed_0"), 8, 2, 2)
    found = _blocks(_page(tmp_path, "--rollouts", "24"))["rollouts-0-0"]
    assert [step["step"] for step in found["steps"]] == [2, 5, 8]
    assert found["recorded"] == 8
    assert len(found["steps"][0]["groups"]) == 2
    assert _blocks(_page(tmp_path, "--rollouts", "0")) == {}


def test_panels_come_from_the_notes_of_the_method(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0,))
    panels = {panel["title"]: panel for panel in _data(_page(tmp_path))["arms"][1]["panels"]}
    assert panels["share of SFT updates"]["values"][:4] == [0, 0, 0, 1]
    assert panels["probability of SFT"]["values"][:2] == [1, 0.5]
    assert panels["questions in the buffer"]["values"][-1] == 12
    heat = panels["share of the expert's trace given (anchor)"]
    assert heat["values"][0] == [0.5, 0, 0, 0, 0.5, *[0] * 6]  # none, and up to 40 %
    assert heat["values"][3] is None  # SFT


def test_panels_come_from_the_terms_of_the_loss_too(tmp_path: Path) -> None:
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0,))
    metrics = tmp_path / "bread" / "seed_0" / "metrics.jsonl"
    weights = {"term/rl/weight": 1.0, "term/hints/weight": 3.0}
    lines = [json.loads(line) | weights for line in metrics.read_text().splitlines()]
    metrics.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    of_grpo, of_bread = (
        {panel["title"]: panel for panel in arm["panels"]} for arm in _data(_page(tmp_path))["arms"]
    )
    assert set(of_bread["term hints: share of the step"]["values"]) == {0.75}
    assert not any(title.startswith("term") for title in of_grpo)


def test_the_course_of_training_is_thinned_to_means(tmp_path: Path) -> None:
    """Of 4 SFT and 8 RL steps the latter are shown; of 250 RL steps every third, with the mean of its neighbours."""
    studies.write_study(tmp_path, {"grpo": 0.1, "bread": 0.9}, seeds=(0,))
    run = _data(_page(tmp_path))["arms"][0]["runs"][0]["training"]
    assert run["step"] == [5, 6, 7, 8, 9, 10, 11, 12]
    assert run["reward_mean"][:2] == [0.3125, 0.375]
    assert "kl" not in run
    lines = [{"step": n, "kind": "rl", "reward_mean": float(n), "kl": None} for n in range(1, 251)]
    found = training_curves.columns([*lines, {"step": 251, "kind": "sft", "reward_mean": 9.0}])
    assert len(found["step"]) == 84
    assert (found["step"][0], found["reward_mean"][0]) == (3, 2)
    assert (found["step"][-1], found["reward_mean"][-1]) == (250, 250)
    assert list(found) == ["step", "reward_mean"]
