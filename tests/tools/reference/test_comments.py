"""The comments of YAML files as the reference reads them."""

from pathlib import Path

import pytest

from hybrid_rl.tools.reference.comments import beside_values, head

TEXT = """\
# A head.
alone: 1
with: 2      # what it is
quoted: '# no'   # a comment
long: 3      # it begins
             # and goes on
group:
  inner: a   # below
  # in between
  other: b
last: c      # back at the top
"""


def test_a_comment_belongs_to_the_value_before_it_and_may_go_on_below() -> None:
    assert beside_values(TEXT) == {
        "with": "what it is",
        "quoted": "a comment",
        "long": "it begins and goes on",
        "group.inner": "below",
        "last": "back at the top",
    }


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("# One sentence (arXiv 2506.1). Another one.\nname: x\n", "One sentence (arXiv 2506.1)."),
        ("# @package _global_\n# Over two\n# lines. More.\n", "Over two lines."),
        ("# A preset: hybrid-rl experiment=x\n", "A preset"),
        ("name: x\n", ""),
    ],
)
def test_the_first_sentence_of_a_file(tmp_path: Path, text: str, first: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    assert head(file) == first
