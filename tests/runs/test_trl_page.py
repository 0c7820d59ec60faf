"""The table of TRL's options says of each what `config.trl_options` says, and names settings that are there."""

import re

from hybrid_rl.config.trl_options import ALLOWED, OWNERS
from tests.fakes.documents import PAGES

ROWS = [
    [cell.strip() for cell in row.split("|")]
    for row in re.findall(r"^\| (`.*) \|$", PAGES["docs/trl.md"], re.MULTILINE)
]
HERE = {name: here for options, here, *_ in ROWS for name in re.findall(r"`(\w+)`", options)}
"""Option of TRL -> the cell that says what it is here."""
SETTINGS = set(re.findall(r"^\| `([\w.]+)` \|", "\n".join(PAGES.values()), re.MULTILINE))
"""The settings that the reference and the pages of methods have."""


def test_the_table_has_every_option_that_settings_of_ours_decide() -> None:
    for name, owner in OWNERS.items():
        assert HERE.get(name) == f"`{owner}`", name


def test_the_table_has_every_field_that_is_passed_on() -> None:
    for name in ALLOWED:
        assert HERE.get(name) == f"`trl.{name}`", name


def test_an_option_that_is_passed_on_or_decided_by_us_is_called_so_nowhere_else() -> None:
    assert len([name for options, *_ in ROWS for name in re.findall(r"`(\w+)`", options)]) == len(
        HERE
    )
    for name, here in HERE.items():
        if here.startswith("`trl."):
            assert name in ALLOWED, name


def test_every_setting_that_it_names_is_there() -> None:
    groups = {name.partition(".")[0] for name in SETTINGS}
    for _, here, *rest in ROWS:
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)*)`", here):
            assert name in SETTINGS or name in groups, name
        for name in re.findall(r"`([a-z_]+(?:\.[a-z_]+)+)`", " ".join(rest)):
            assert name in SETTINGS, name
