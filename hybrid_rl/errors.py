"""What a user can fix: errors whose message says what was found and what to type, and the exit code they end with."""

from collections.abc import Sequence

USER_ERROR = 2
"""Exit code, in status.json and of the command, for what the user can fix."""


class UsedDirectoryError(ValueError):
    """The directory holds something already; the message says what to do."""


class SettingsError(ValueError):
    """The user can fix it: every line names a setting, the value found, the rule, and what to type."""


MOST_LINES = 20


class DataError(ValueError):
    """The user can fix it in the data or the data settings: one problem a line, the first 20 of them and the total."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = list(problems)
        shown = self.problems[:MOST_LINES]
        if len(self.problems) > MOST_LINES:
            shown.append(
                f"... and {len(self.problems) - MOST_LINES} more; {len(self.problems)} problems in all"
            )
        super().__init__("\n".join(shown))
