"""Every link in README and docs/ leads to a file, and a heading in it; every page is in the navigation of the site."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fakes.documents import PAGES
from tests.fakes.places import ROOT


def anchors(text: str) -> set[str]:
    """The names by which GitHub and the site know the headings of a page: lower case, no marks, blanks as dashes."""
    bare = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", bare, re.MULTILINE)
    return {re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", title.lower())) for title in titles}


def links(text: str) -> list[str]:
    """The targets of links and pictures, without those in code."""
    bare = re.sub(r"^```.*?^```$|`[^`\n]*`", "`", text, flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"\]\(([^)\s]+)\)", bare)


def test_the_anchors_of_a_page() -> None:
    assert anchors("# A reward\n\n```\n# no\n```\n## train.rl\n### data.train with kind: hub\n") == {
        "a-reward", "trainrl", "datatrain-with-kind-hub",
    }  # fmt: skip


def test_links_in_code_are_none() -> None:
    assert links("[a](b.md) `[c](d.md)` ![e](f.svg)\n```\n[g](h.md)\n```\n") == ["b.md", "f.svg"]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    here = (ROOT / page).parent
    for link in links(PAGES[page]):
        if re.match(r"https://\S+$", link):
            continue
        path, _, anchor = link.partition("#")
        target = (here / path).resolve() if path else ROOT / page
        assert target.is_file(), link
        if page.startswith("docs/"):
            assert target.is_relative_to(ROOT / "docs"), f"{link}: the site has docs/ alone"
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_the_navigation_of_the_site_has_every_page_once() -> None:
    site: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))

    def pages(node: Any) -> list[str]:
        if isinstance(node, str):
            return [node]
        return [
            page
            for one in (node.values() if isinstance(node, dict) else node)
            for page in pages(one)
        ]

    named = pages(site["nav"])
    there = [str(Path(page).relative_to("docs")) for page in PAGES if page.startswith("docs/")]
    assert sorted(named) == sorted(there)


def test_the_first_page_of_the_documents_links_every_page_but_those_of_methods() -> None:
    linked = set(links(PAGES["docs/README.md"]))
    for page in PAGES:
        path = page.removeprefix("docs/")
        if (
            page.startswith("docs/")
            and path != "README.md"
            and not re.match(r"methods/(?!README)", path)
        ):
            assert path in linked, page
