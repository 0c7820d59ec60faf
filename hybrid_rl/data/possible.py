"""Refuses a training set with which the method could never do its part, once the questions are encoded.

Traces are lost on the way there: to `data.traces`, to `data.on_bad_row`, and to the limits on tokens.
"""

from collections.abc import Mapping

from hybrid_rl.config.settings import Settings
from hybrid_rl.data.encoding import Examples
from hybrid_rl.errors import DataError


def require_possible(settings: Settings, examples: Examples) -> None:
    """Raises DataError with every reason why training on these examples could not be what the method is."""
    if settings.task != "train":
        return
    problems = []
    if settings.method_class.needs_traces and not any(one.trace for one in examples.train):
        problems.append(
            f"data={settings.data.name}, train: method={settings.method.name} learns from expert traces, and every"
            f" question lost its own to {_lost_to(settings, examples.enough)}"
        )
    else:
        problems += settings.method.obstacles(examples.train, settings.train.prompts_per_step)
    if problems:
        raise DataError(*problems)


def _lost_to(settings: Settings, enough: Mapping[str, int]) -> str:
    """The limits on tokens that left traces out, and what to type instead."""
    limits = {
        "data.max_prompt_tokens": settings.data.max_prompt_tokens,
        "train.max_completion_tokens": settings.train.max_completion_tokens,
    }
    found = " and ".join(f"{key} = {limits[key]}" for key in enough)
    wanted = " ".join(f"{key}={number}" for key, number in enough.items())
    if "data.max_prompt_tokens" in enough:
        return (
            f"{found}; give at least {wanted}"  # traces of prompts that are left out may be longer
        )
    return f"{found}; {wanted} keeps all"
