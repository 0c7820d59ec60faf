"""`_target_`: a method's class by its dotted path. There is no registry; a user's own class is found the same way."""

import importlib

from hybrid_rl.methods.base import Method


class TargetError(ValueError):
    """Nothing usable is at the dotted path."""


def method_class(target: str) -> type[Method]:
    """The class at a dotted path; raises TargetError when there is none, or it is not a Method."""
    module, _, name = target.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise TargetError(
            f"method._target_ = {target}: cannot be imported ({error}); give the dotted path of a class"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise TargetError(
            f"method._target_ = {target}: must be a subclass of hybrid_rl.methods.base.Method"
        )
    return found
