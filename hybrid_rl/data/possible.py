"""Refuses a training set with which the method could never do its part, once the questions are encoded.

Traces are lost on the way there: to `data.traces`, to `data.on_bad_row`, and to the limits on tokens.
"""

from hybrid_rl.config.settings import Settings
from hybrid_rl.data.encoding import Examples
from hybrid_rl.errors import DataError


def require_possible(settings: Settings, examples: Examples) -> None:
    """Raises DataError with every reason why training on these examples could not be what the method is."""
    if settings.task != "train":
        return
    train, limits = settings.train, settings.data.max_prompt_tokens
    problems = []
    if settings.method_class.needs_traces and not any(one.trace for one in examples.train):
        problems.append(
            f"data={settings.data.name}, train: method={settings.method.name} learns from expert traces, and every"
            f" question lost its own to train.max_completion_tokens = {train.max_completion_tokens} or"
            f" data.max_prompt_tokens = {limits}; raise them"
        )
    else:
        problems += settings.method.obstacles(examples.train, train.prompts_per_step)
    if problems:
        raise DataError(*problems)
