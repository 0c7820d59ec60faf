"""Chat templates come with a model and are Jinja2 programs; here they run for a limited time. Loads nothing heavy."""

import ctypes
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import jinja2

SECONDS = 10.0
"""The time for the first prompt; a template that writes prompts takes less than a thousandth."""
# What a template raises on messages that it was not written for.
_FAILURES = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class EndlessTemplateError(jinja2.TemplateError):
    """A template took longer than any that writes prompts."""

    def __init__(self, message: str = "it did not end in time; give another template") -> None:
        super().__init__(message)


def render(tokenizer: Any, messages: Sequence[Mapping[str, str]], prompt: bool) -> str:
    """The messages as the tokenizer's template writes them, `prompt` with what the answer begins after.

    Raises jinja2.TemplateError, whatever went wrong in the template.
    """
    try:
        return str(
            tokenizer.apply_chat_template(
                list(messages), add_generation_prompt=prompt, tokenize=False
            )
        )
    except _FAILURES as error:
        raise jinja2.TemplateRuntimeError(f"{type(error).__name__}: {error}") from error


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise EndlessTemplateError in this thread if the block takes longer; of C code, once that comes back."""
    thread, lock, over = threading.get_ident(), threading.Lock(), threading.Event()

    def expire() -> None:
        with lock:
            if not over.is_set():
                raised = ctypes.py_object(EndlessTemplateError)
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), raised)

    timer = threading.Timer(seconds, expire)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        with lock:
            over.set()
        timer.cancel()
