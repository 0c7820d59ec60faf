"""Whether two written expressions are equal, by math-verify and sympy, which may take any time and memory.

Only processes that can be killed import this file. math-verify's own timeouts use SIGALRM, which works in main threads
alone; they are off, and the pool's clock counts.
"""

import logging
import re
from functools import lru_cache
from itertools import product
from typing import Any

from math_verify import parse, verify
from sympy import Expr, Integral, Limit, Product, Sum, nan, oo, zoo  # type: ignore[import-untyped] # it has none

from hybrid_rl.verification import number_text

_SCIENTIFIC = re.compile(r"(?<![\w.\\])(-?[0-9]+(?:\.[0-9]+)?)[eE]([-+]?[0-9]{1,3})(?![\w.])")

_OPTIONS: Any = {"allow_set_relation_comp": True, "timeout_seconds": None, "raise_on_error": True}
# They warn of disabled timeouts, once per process.
logging.getLogger("math_verify").setLevel(logging.ERROR)
logging.getLogger("latex2sympy2_extended").setLevel(logging.ERROR)


@lru_cache(maxsize=1024)
def readings(text: str) -> tuple[Any, ...]:
    """The readings of an expression: a sympy object, and its text. Raises what the parser raises."""
    text = _SCIENTIFIC.sub(r"\1 \\times 10^{\2}", number_text.ascii_digits(text))
    found: list[Any] = parse(text, parsing_timeout=None, raise_on_error=True)
    return tuple(one for one in found if not (isinstance(one, str) and not one.strip()))


def is_text(text: str) -> bool:
    """Whether nothing mathematical is read from the text, such as from a word or the letter of a choice."""
    return all(isinstance(one, str) for one in readings(text))


# Many solutions of a question state the same expression.
@lru_cache(maxsize=1024)
def are_equal(gold: str, stated: str) -> bool:
    """Whether a reading of one equals one of the other. Raises what sympy raises where no comparison succeeds."""
    problem = None
    for one, other in product(readings(gold), readings(stated)):
        if _is_infinite(one) != _is_infinite(other):
            continue  # sympy simplifies 7 - oo**oo to 0 in one process of three
        try:
            if verify(one, other, **_OPTIONS):
                return True
        except Exception as error:  # noqa: BLE001 - sympy may fail on absurd input; another reading may still fit
            problem = error
    if problem is not None:
        raise problem
    return False


def _is_infinite(reading: Any) -> bool:
    """Whether a reading is a value with an infinity or nan in it; bounds of intervals, sums and limits are none."""
    if not isinstance(reading, Expr) or reading.has(Sum, Product, Integral, Limit):
        return False
    return bool(reading.has(oo, -oo, zoo, nan))
