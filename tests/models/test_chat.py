"""Chat templates run for a limited time, and what goes wrong in them has one name."""

import jinja2
import pytest

from hybrid_rl.models import chat


class Endless:
    def apply_chat_template(self, *messages: object, **options: object) -> str:
        while True:
            pass


class Broken:
    def apply_chat_template(self, *messages: object, **options: object) -> str:
        raise TypeError("no sums")


def test_a_template_that_never_ends_is_stopped() -> None:
    with pytest.raises(chat.EndlessTemplateError, match="did not end in time"), chat.within(0.1):
        chat.render(Endless(), [], prompt=True)


def test_a_block_that_ends_in_time_is_left_alone() -> None:
    for _ in range(3):
        with chat.within(0.01):
            pass


def test_any_failure_within_a_template_is_one_of_templates() -> None:
    with pytest.raises(jinja2.TemplateError, match="TypeError: no sums"):
        chat.render(Broken(), [], prompt=True)
