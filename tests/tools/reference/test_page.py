"""The settings reference is the one that the code gives, and leaves no setting unexplained."""

import re
from pathlib import Path

from hybrid_rl.tools.reference import page
from tests.fakes.places import ROOT

DOCS = ROOT / "docs"


def test_the_reference_and_the_tables_of_methods_are_up_to_date() -> None:
    for path, text in page.pages(DOCS).items():
        found = path.read_text(encoding="utf-8") if path.is_file() else ""
        assert found == text, (
            f"{path.name} is not what the code says; run make docs, and read the diff"
        )


def test_every_setting_says_what_it_is() -> None:
    for path in page.pages(DOCS):
        text = path.read_text(encoding="utf-8")
        rows = re.findall(
            r"^\| `([\w.]+)` \| .*? \| .*? \| (.*?) \|(?: .* \|)?$", text, re.MULTILINE
        )
        assert rows or path.name != "settings.md"
        assert [name for name, meaning in rows if not meaning.strip()] == []


def test_a_table_says_type_limits_default_and_meaning_and_why_the_default_is_what_it_is() -> None:
    lines = page.method_table("relift").splitlines()
    assert lines[:2] == [
        "| setting | type and limits | default | meaning | about the default |",
        "| --- | --- | --- | --- | --- |",
    ]
    assert (
        "| `method.batch_size` | whole number, at least 1 | `${batch_within:16,${train.steps}}` | M: questions in the"
        " buffer that trigger an SFT update, and its size. | M. Our choice: 16, for small pools, or a quarter of the"
        " steps; code: 128. |" in lines
    )


def test_a_page_has_the_table_of_its_method_where_it_has_a_place_for_it(tmp_path: Path) -> None:
    (tmp_path / "methods").mkdir()
    mine = tmp_path / "methods" / "sft.md"
    mine.write_text("# SFT\n\n<!-- settings of sft -->\nold\n<!-- end of settings -->\n\nMore.\n")
    found = page.pages(tmp_path)
    table = page.method_table("sft")
    assert found[mine] == (
        f"# SFT\n\n<!-- settings of sft -->\n\n{table}\n<!-- end of settings -->\n\nMore.\n"
    )
    reference = found[tmp_path / "settings.md"]
    assert "Its settings are on [its page](methods/sft.md#settings)." in reference
    assert table not in reference
    assert page.method_table("grpo") in reference
