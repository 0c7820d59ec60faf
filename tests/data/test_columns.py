"""Templates over the columns of a row: what they give, and what they refuse."""

from pathlib import Path
from typing import Any

import pytest

from hybrid_rl.data.columns import BadRow, Template
from hybrid_rl.errors import DataError
from tests.fakes.rows import BASE, jsonl, load, refusal, settings

ROW = {
    "q": "two",
    "m": [{"text": "a"}, {"text": "b"}],
    "lines": ["x", "y"],
    "nothing": None,
    "meta": {"items": 3, "_id": 7},
    "odd name": 1,
    "number": 0.5,
}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{ q }}", "two"),
        ("{{ m[0].text }} then {{ m[-1].text }}", "a then b"),
        ("{{ lines }}", "x\ny"),
        ("{{ m | map(attribute='text') }}", "a\nb"),
        ("{{ lines | join(' and ') }}", "x and y"),
        ("{{ nothing or 'none' }}", "none"),
        ("{{ q | upper }} {{ q.split('w')[-1] }}", "TWO o"),
        ("{% for one in m %}{{ loop.index }}{{ one.text }} {% endfor %}", "1a 2b"),
        ("{% if nothing %}{{ nothing }}\n{% endif %}{{ q }}", "two"),
        (r"{{ q }} in \boxed{}", r"two in \boxed{}"),
        (r"{{ q }} in \boxed{answer}", r"two in \boxed{answer}"),
        (r"\boxed{ {{ number }} q }", r"\boxed{ 0.5 q }"),
        ("{{ meta.items }} {{ meta._id }}", "3 7"),
        ('{{ row["odd name"] }}', "1"),
        ("{{ number }}", "0.5"),
    ],
)
def test_a_template_reads_columns_keys_places_and_filters(text: str, filled: str) -> None:
    assert Template(text, list(ROW)).fill(ROW)[0] == filled


def test_a_value_with_braces_is_not_read_as_a_template() -> None:
    assert Template("{{ q }}!", ["q"]).fill({"q": "{a} {} {{ b }}"})[0] == "{a} {} {{ b }}!"


@pytest.mark.parametrize("nothing", [None, []])
def test_a_key_of_nothing_is_nothing(nothing: Any) -> None:
    assert Template("{{ t[0].text }}", ["t"]).fill({"t": nothing}) == ("", [""])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{q}", "{q} is plain text in a Jinja2 template; write {{ q }}"),
        ("Solve: { q }", "{q} is plain text in a Jinja2 template; write {{ q }}"),
        (
            "{{ q }} {m.-1.text}",
            "{m.-1.text} is plain text in a Jinja2 template; write {{ m[-1].text }}",
        ),
        ("{other}", "{other} is plain text in a Jinja2 template; write {{ other }}"),
        (
            "{odd name}",
            '{odd name} is plain text in a Jinja2 template; write {{ row["odd name"] }}',
        ),
        (
            "Solve it.",
            "Solve it. names no column, so every row would give the same text; write, for example, {{ q }}",
        ),
        ("{{ lnies }}", "there is no column lnies; did you mean lines?"),
        ("{{ range(9) | list }}{{ q }}", "there is no column range; choose from {NAMES}"),
    ],
)
def test_a_template_that_cannot_be_meant_is_refused(text: str, problem: str) -> None:
    problem = problem.replace("{NAMES}", ", ".join(sorted(ROW)))

    with pytest.raises(DataError) as raised:
        Template(text, list(ROW))

    assert raised.value.problems == [problem]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{{ q", "unexpected end of template, expected 'end of print statement'."),
        ("{% if q %}{{ q }}", None),
        ("{{ q | uper }}", "No filter named 'uper'."),
        ("{{ messages.-1.content }}", "expected name or number"),
    ],
)
def test_a_template_that_does_not_parse_is_refused(text: str, reason: str | None) -> None:
    with pytest.raises(DataError) as raised:
        Template(text, list(ROW))

    message = str(raised.value)
    assert message.startswith(f"{text} is no Jinja2 template (")
    assert message.endswith("); write, for example, {{ question }}")
    assert reason is None or f"({reason})" in message


@pytest.mark.parametrize(
    "text",
    [
        "{{ q.__class__ }}",
        "{{ q.__init__.__globals__ }}",
        "{{ m[0].__class__ }}",
        "{{ m.__len__() }}",
        "{{ q | attr('__class__') }}",
        "{{ q['__class__'] }}",
        "{{ ''.__class__.__mro__ }}{{ q }}",
        "{{ lines.append(q) }}",
        "{{ q.split.__self__ }}",
    ],
)
def test_a_template_reaches_no_internals_and_changes_nothing(text: str) -> None:
    with pytest.raises(DataError, match=r"a template may read columns only$"):
        Template(text, list(ROW)).fill(ROW)


@pytest.mark.parametrize(
    ("text", "kind", "reason"),
    [
        (
            "{{ meta.itms }}",
            "a value that is not there",
            "there is no key itms; did you mean items?",
        ),
        (
            "{{ m[2].text }}",
            "a value that is not there",
            "list object has no element 2",
        ),
        (
            "{{ meta }}",
            "a value that its template cannot take",
            "it holds several values (items, _id); name one, as .items",
        ),
        (
            "{{ q.upper }}",
            "a value that its template cannot take",
            "it names a function and does not call it; put () after the name",
        ),
        (
            "{{ q + 1 }}",
            "a value that its template cannot take",
            'can only concatenate str (not "int") to str',
        ),
    ],
)
def test_a_row_that_does_not_fit_says_why(text: str, kind: str, reason: str) -> None:
    with pytest.raises(BadRow) as raised:
        Template(text, list(ROW)).fill(ROW)

    assert (raised.value.kind, str(raised.value)) == (kind, f"{text}: {reason}")


def test_a_misspelled_key_names_its_row_and_the_nearest(tmp_path: Path) -> None:
    source = jsonl(tmp_path / "a.jsonl", [{"q": "one", "r": {"truth": "1"}}])
    columns = {**BASE["columns"], "answer": "{{ r.thruth }}"}

    assert refusal(settings(train=source, columns=columns)) == [
        "data=mine, train row 1: {{ r.thruth }}: there is no key thruth; did you mean truth?;"
        " mend the row, or set data.on_bad_row=drop"
    ]


@pytest.mark.parametrize("policy", ["refuse", "drop"])
def test_templates_are_refused_once_and_not_row_by_row(tmp_path: Path, policy: str) -> None:
    source = jsonl(tmp_path / "a.jsonl", [{"q": f"question {i}", "a": "1"} for i in range(3)])
    lines = [
        refusal(settings(train=source, columns={**BASE["columns"], **own}, on_bad_row=policy))
        for own in (
            {"prompt": "{q}", "answer": "{{ a"},
            {"prompt": "{{ q.__class__ }}"},
        )
    ]

    place = f"data=mine, train: {source['path']}"
    assert lines == [
        [
            f"{place}: {{q}} is plain text in a Jinja2 template; write {{{{ q }}}} (data.columns.prompt)",
            f"{place}: {{{{ a is no Jinja2 template (unexpected end of template, expected 'end of print statement'.);"
            " write, for example, {{ question }} (data.columns.answer)",
        ],
        [
            "data=mine, train: {{ q.__class__ }}: access to attribute '__class__' of 'str' object is unsafe;"
            " a template may read columns only"
        ],
    ]


def test_a_column_that_one_row_leaves_out_is_empty_there(tmp_path: Path) -> None:
    rows = [{"q": "one", "a": "1", "hint": "add"}, {"q": "two", "a": "2"}]
    source = jsonl(tmp_path / "a.jsonl", rows)
    templates = ["{{ q }} {{ hint }}", "{{ q }} {{ hint or 'think' }}"]
    plain, defaulted = (
        settings(train=source, columns={**BASE["columns"], "prompt": prompt})
        for prompt in templates
    )

    assert refusal(plain) == [
        "data=mine, train row 2: column hint is empty; mend the row, or set data.on_bad_row=drop"
    ]
    assert [question.question for question in load(defaulted).train] == ["one add", "two think"]


def test_two_questions_are_the_same_by_their_columns_not_by_the_words_around_them(
    tmp_path: Path,
) -> None:
    train = jsonl(tmp_path / "a.jsonl", [{"q": "One?", "a": "1"}])
    test = jsonl(tmp_path / "b.jsonl", [{"text": "one", "a": "1"}])
    own = {**BASE["columns"], "prompt": "Now: {{ text }}"}

    assert refusal(settings(train=train, test={"held": test}, test_columns={"held": own})) == [
        "data=mine, train row 1: the same question as held row 1; mend the row, or set data.on_overlap=drop"
    ]
