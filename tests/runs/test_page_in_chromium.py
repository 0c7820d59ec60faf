"""The HTML page in a browser: nothing on the console, everything reached by keyboard, thousands of rollouts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from hybrid_rl.reporting.comparison import command
from tests.fakes import recorded, studies
from tests.fakes.browser import Browser, needs_chromium
from tests.fakes.tunings import write_tuning

pytestmark = needs_chromium

HOSTILE = "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=1>"
ROWS = 10_240


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three arms, two seeds; one run with ten thousand rollouts, all of hostile text."""
    directory = tmp_path_factory.mktemp("study")
    arms = {"sft_then_grpo": 0.2, "bread": 0.8, "grpo": 0.3}
    studies.write_study(directory, arms, seeds=(0, 1))
    run = recorded.RunDir(directory / "sft_then_grpo" / "seed_0")
    studies.write_rollouts(run, 20, 32, 16, HOSTILE)
    studies.write_rollouts(recorded.RunDir(directory / "bread" / "seed_1"), 2, 4, 4)
    write_tuning(directory, "bread", "grpo")
    options = [str(directory), "--rollouts", str(6 * ROWS)]
    assert command.run(options) == 0
    return directory / "report.html"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.complaints.clear()
    browser.open(page)
    browser.until("document.querySelector('#accuracy svg')")
    return browser


def _rollouts(browser: Browser) -> None:
    browser.run("document.getElementById('rollouts').scrollIntoView()")
    browser.until("document.querySelector('.rollout')")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_its_window_and_complains_of_nothing(
    browser: Browser, page: Path, width: int, theme: str
) -> None:
    browser.complaints.clear()
    browser.open(page, width, 844, theme)
    browser.until("document.querySelectorAll('.chart svg').length > 5")
    assert browser.run("document.documentElement.scrollWidth") == width
    ground = browser.run("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(251, 250, 248)", "dark": "rgb(20, 23, 26)"}[theme]
    _rollouts(browser)
    assert browser.complaints == []


def test_the_theme_can_be_switched(opened: Browser) -> None:
    opened.run("document.getElementById('theme').click()")
    assert opened.run("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 26)"
    assert opened.run("document.getElementById('theme').getAttribute('aria-pressed')") == "true"


def test_every_control_and_chart_has_a_name(opened: Browser) -> None:
    _rollouts(opened)
    tree = opened.send("Accessibility.getFullAXTree")["nodes"]
    roles = {"button", "combobox", "slider", "checkbox", "listbox", "option", "image", "region"}
    found = [node for node in tree if node.get("role", {}).get("value") in roles]
    assert len(found) > 30
    assert [node for node in found if not node.get("name", {}).get("value")] == []


def test_curves_can_be_drawn_against_any_budget(opened: Browser) -> None:
    label = "document.querySelector('#curves svg')?.getAttribute('aria-label')"
    assert opened.run(label) == "Accuracy on dev against optimizer steps, a line per arm"
    opened.run(
        "(() => { const select = document.querySelector('#curves select'); select.value = 'flops';"
        " select.dispatchEvent(new Event('change')); })()"
    )
    opened.until(f"({label} || '').includes('FLOPs')")
    assert opened.run("document.querySelectorAll('#curves path.line').length") == 3
    opened.run("document.querySelector('#curves .legend button').click()")
    opened.until("document.querySelectorAll('#curves path.line').length === 2")


def test_a_chart_is_read_with_the_arrow_keys(opened: Browser) -> None:
    opened.run("document.querySelector('#curves svg').focus()")
    opened.press("ArrowLeft", 37)
    told = opened.until("document.getElementById('tip').innerText")
    assert told.startswith("optimizer steps 8")
    assert "bread 0.640" in told


def test_hostile_text_is_shown_and_not_run(opened: Browser) -> None:
    _rollouts(opened)
    assert HOSTILE in opened.run("document.querySelector('.rollout pre').textContent")
    assert opened.run("document.querySelectorAll('.rollout img, .rollout script').length") == 0
    assert opened.run("typeof window.hacked") == "undefined"


def test_of_ten_thousand_rollouts_one_question_is_drawn(opened: Browser) -> None:
    """What makes it fluid: the elements of the page do not grow with the rollouts."""
    _rollouts(opened)
    assert opened.run("document.querySelectorAll('.rollout').length") == 16
    assert opened.run("document.querySelectorAll('#rollouts *').length") < 400
    text = "document.getElementById('rollouts-0-0').textContent.length"
    assert opened.run(text) > 10_000


def test_the_browser_of_rollouts_is_used_with_keys(opened: Browser) -> None:
    """Question by arrow, step by arrow; the prefix of every second question is marked."""
    _rollouts(opened)
    heading = "document.querySelector('#rollouts .view h3').textContent"
    assert opened.run(heading) == "Question q0, step 20"
    assert opened.run("document.querySelectorAll('.rollout mark').length") == 0
    opened.run("document.querySelector('#rollouts [role=listbox]').focus()")
    opened.press("ArrowDown", 40)
    assert opened.run(heading) == "Question q1, step 20"
    assert opened.run("document.querySelector('.rollout mark').textContent") == "the first line"
    opened.run("document.querySelector('#rollouts input[type=range]').focus()")
    opened.press("ArrowLeft", 37)
    assert opened.run(heading) == "Question q1, step 19"
    told = opened.run("[...document.querySelector('.badges').children].map((c) => c.textContent)")
    assert told == ["✓ correct", "reward 1", "advantage +0.500"]


def test_another_arm_has_its_own_seeds_and_rollouts(opened: Browser) -> None:
    _rollouts(opened)
    opened.run(
        "(() => { const select = document.querySelector('#rollouts select'); select.value = 'bread';"
        " select.dispatchEvent(new Event('change')); })()"
    )
    opened.until("document.querySelector('#rollouts .view h3').textContent.endsWith('step 2')")
    assert opened.run("document.querySelectorAll('#rollouts select')[1].value") == "1"
    assert opened.run("document.querySelectorAll('#rollouts [role=option]').length") == 4
    assert opened.complaints == []


def test_runs_that_were_evaluated_at_different_times_have_a_mean_curve(
    browser: Browser, page: Path
) -> None:
    """The numbers are those of `mean_curve` in the tests of cost_curves.py."""
    browser.open(page)
    browser.until("typeof meanCurve === 'function'")
    runs = """[{evaluated: true, curve: [{x: 50, m: 0}, {x: 150, m: 0.5}, {x: 300, m: 0.8}]},
               {evaluated: true, curve: [{x: 0, m: 0.2}, {x: 100, m: 0.2}, {x: 200, m: 0.6}]}]"""
    found = browser.run(
        f"JSON.stringify(meanCurve({runs}, 'x', 'm').points.map((p) => p.map((v) => +v.toFixed(6))))"
    )
    assert json.loads(found) == [
        [50, 0.1, 0, 0.2], [100, 0.225, 0.2, 0.25], [150, 0.45, 0.4, 0.5], [200, 0.6, 0.6, 0.6]
    ]  # fmt: skip


def test_the_tuning_has_a_section(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.until("document.querySelector('#tuning table')")
    cells = browser.run(
        "[...document.querySelectorAll('#tuning tbody tr')].map((r) => r.textContent).join('|')"
    )
    assert "4 T" in cells
    assert "as bread" in cells


def _catch_files(browser: Browser) -> None:
    browser.run("window.files = []; window.save = (name, blob) => files.push({ name, blob }); 0")


def test_every_table_can_be_saved_as_csv(opened: Browser) -> None:
    """An interval has columns of its own, and a unit is written out."""
    _catch_files(opened)
    tables = opened.run("document.querySelectorAll('table').length")
    opened.run(
        "document.querySelectorAll('[aria-label^=\"Save as CSV\"]').forEach((one) => one.click())"
    )
    assert opened.run("files.length") == tables > 5
    name, text = opened.run(
        "(async () => { const one = files.find((one) => one.name.includes('primary-outcome'));"
        " return [one.name, await one.blob.text()]; })()"
    )
    assert name.startswith("made-primary-outcome-greedy-on-hard-40-questions")
    head, base, first, *_ = text.splitlines()
    assert head.startswith('arm,seeds,greedy [95 %],"greedy [95 %], low","greedy [95 %], high",')
    assert base.startswith("base model,,0.025,0.004,0.129,")
    assert first.startswith("sft_then_grpo,2,0.")
    told = opened.run(
        "csv(['arm', 'cost'], [['=1+1', '24.4 M [>1,200, 3.5 k]'], ['a,b', '\\u22120.5'],"
        " ['c', {text: '1 k', exact: 1023}]])"
    )
    assert told.splitlines() == [
        'arm,cost,"cost, low","cost, high"',
        "'=1+1,24400000,>1200,3500",
        '"a,b",-0.5,,',
        "c,1023,,",
    ]


def test_every_chart_can_be_saved_as_a_drawing_and_as_a_picture(opened: Browser) -> None:
    _catch_files(opened)
    opened.run(
        "document.querySelectorAll('#curves .save').forEach((one) => one.hidden || one.click())"
    )
    opened.until("files.length === 2")
    drawing = opened.run("files.find((one) => one.name.endsWith('.svg')).blob.text()")
    assert drawing.startswith("<svg")
    for shown in ("Accuracy on dev against optimizer steps", ">bread<", "target 0.5", "rgb("):
        assert shown in drawing
    for alien in ("class=", "var(", "currentcolor"):
        assert alien not in drawing
    start = opened.run(
        "(async () => [...new Uint8Array(await files.find((one) => one.name.endsWith('.png')).blob.arrayBuffer())]"
        ".slice(0, 4))()"
    )
    assert bytes(start) == b"\x89PNG"
    charts = opened.run("document.querySelectorAll('.chart svg').length")
    assert opened.run("document.querySelectorAll('[aria-label^=\"Save as PNG\"]').length") == charts
    assert opened.complaints == []


def test_a_chart_is_zoomed_by_drawing_over_it_and_by_keys(opened: Browser) -> None:
    opened.run(
        "document.querySelector('#curves svg').scrollIntoView({ block: 'center', behavior: 'instant' })"
    )
    box = opened.run("document.querySelector('#curves svg').getBoundingClientRect().toJSON()")
    ends = "[...document.querySelectorAll('#curves .tick[text-anchor=middle]')].map((t) => t.textContent)"
    assert opened.run(ends) == ["0", "2", "4", "6", "8", "10", "12"]
    at = {"y": box["y"] + 100, "button": "left", "clickCount": 1}
    first, last = box["x"] + box["width"] / 2, box["x"] + box["width"] - 20
    for kind, x in (("mousePressed", first), ("mouseMoved", last), ("mouseReleased", last)):
        opened.send("Input.dispatchMouseEvent", type=kind, x=x, buttons=1, **at)
    shown = opened.run(ends)
    assert shown[0] != "0"
    assert all(float(one).is_integer() for one in shown)  # half a step is no step
    whole = "document.querySelector('#curves [aria-label^=\"Show the whole range\"]')"
    assert not opened.run(f"{whole}.hidden")
    opened.run(f"{whole}.click()")
    assert opened.run(ends) == ["0", "2", "4", "6", "8", "10", "12"]
    assert opened.run(f"{whole}.hidden")
    opened.run("document.querySelector('#curves svg').focus()")
    opened.press("+", 187)
    assert opened.run(ends)[0] != "0"
    opened.press("0", 48)
    assert opened.run(ends)[0] == "0"


def test_an_axis_of_counts_has_no_halves_and_labels_do_not_touch(opened: Browser) -> None:
    assert opened.run("ticks(0, 3, 8, true)") == [0, 1, 2, 3]
    assert opened.run("ticks(0, 3, 8).length") > 4
    touching = opened.run(
        "[...document.querySelectorAll('.chart svg')].flatMap((svg) => { const boxes = [...svg.querySelectorAll("
        "'.tick[text-anchor=middle]')].map((t) => t.getBoundingClientRect()); return boxes.filter((b, i) => i &&"
        " b.left < boxes[i - 1].right).map(() => svg.getAttribute('aria-label')); })"
    )
    assert touching == []


def test_the_axis_of_a_reward_fits_its_values(opened: Browser) -> None:
    assert opened.run("fitted([-0.2, 0.3], {})") == pytest.approx([-0.225, 0.325])
    assert opened.run("fitted([0.1, 0.3], {})") == pytest.approx([0, 0.315])
    assert opened.run("fitted([9, 10], {})") == pytest.approx([8.95, 10.05])
    assert opened.run("fitted([0.2, 0.99], { fromZero: true, most: 1 })") == [0, 1]


def test_the_course_of_training_has_a_chart_for_each_measure(opened: Browser) -> None:
    captions = opened.until(
        "document.querySelectorAll('#training svg').length === 4 &&"
        " [...document.querySelectorAll('#training figcaption')].map((one) => one.textContent)"
    )
    assert captions[0] == "reward, mean"
    assert "length of completions, tokens" in captions
    assert opened.run("document.querySelectorAll('#training path.line').length") == 12


def test_the_base_model_has_a_row_and_a_mark(opened: Browser) -> None:
    rows = "[...document.querySelectorAll('#accuracy tbody tr')].map((row) => row.cells[0].textContent)"
    assert opened.run(rows) == ["base model", "sft_then_grpo", "bread", "grpo"]
    assert opened.run("document.querySelectorAll('#accuracy circle.base').length") == 1
    assert opened.until("document.querySelectorAll('#pass path.line.base').length") == 1


def test_tables_fit_a_wide_window_and_say_on_a_phone_that_there_is_more(
    browser: Browser, page: Path
) -> None:
    hidden = (
        "[...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth)"
        ".map((one) => one.getAttribute('aria-label'))"
    )
    cues = "[...document.querySelectorAll('.cue')].filter((one) => !one.hidden).length"
    browser.open(page, 1400)
    browser.until("document.querySelectorAll('.chart svg').length > 5")
    assert browser.run(hidden) == []
    assert browser.run(cues) == 0
    browser.open(page, 390, 844)
    browser.until(f"document.querySelectorAll('.chart svg').length > 5 && {cues} > 0")
    assert browser.run(cues) == len(browser.run(hidden))


def test_the_table_of_accuracies_has_the_share_that_was_cut(
    browser: Browser, tmp_path: Path
) -> None:
    studies.write_study(tmp_path, {"grpo": 0.0, "bread": 0.0}, seeds=(0,), questions=4)
    run = recorded.RunDir(tmp_path / "bread" / "seed_0")
    cut = recorded.rows(["truncated", "wrong", "wrong", "wrong"], [["wrong", "wrong"]] * 4)
    recorded.write_evaluation(run, "after", "hard", cut)
    assert command.run([str(tmp_path)]) == 0
    browser.open(tmp_path / "report.html")
    browser.until("document.querySelector('#accuracy table')")
    rows = "[...document.querySelectorAll('#accuracy table tr')]"
    shown = browser.run(f"{rows}.map((row) => row.children[3].textContent)")
    assert shown == ["cut", "", "0 %", "8 %"]
    assert browser.run(f"new Set({rows}.map((row) => row.children.length)).size") == 1
