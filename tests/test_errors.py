"""Errors that a user can fix: one base, and a readable number of lines."""

import pytest

from hybrid_rl.errors import DataError, SettingsError, UsedDirectoryError, UserError


@pytest.mark.parametrize("kind", [DataError, SettingsError, UsedDirectoryError])
def test_all_have_one_base_that_is_a_value_error(kind: type[UserError]) -> None:
    assert issubclass(kind, UserError)
    assert issubclass(kind, ValueError)


def test_of_many_problems_twenty_are_shown_with_their_number() -> None:
    lines = str(DataError(*(f"row {i}" for i in range(25)))).splitlines()
    assert lines[:20] == [f"row {i}" for i in range(20)]
    assert lines[20:] == ["... and 5 more; 25 problems in all"]
    assert str(DataError("row 0")) == "row 0"
