"""The way from `_target_`, a dotted path, to a method's class and to the class of its settings.

There is no registry; a user's own class is found the same way.
"""

import importlib
import inspect
from typing import get_args

from hybrid_rl.errors import UserError
from hybrid_rl.methods.base import Method, MethodSettings


class TargetError(UserError):
    """Nothing usable is at the dotted path."""


def method_class(target: str) -> type[Method[MethodSettings]]:
    """The class at a dotted path; raises TargetError where there is none, or it is no method with settings."""
    module, _, name = target.rpartition(".")
    if not all(part.isidentifier() for part in target.split(".")):
        raise TargetError(f"method._target_ = {target}: is no dotted path of a class; give one")
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
    settings_class(found)
    try:
        inspect.signature(found.next_update).bind("self", 0, 0.0)
    except TypeError as error:
        raise TargetError(
            f"method._target_ = {target}: its next_update cannot be called as next_update(step, progress) ({error});"
            " write `def next_update(self, step, progress)`, where progress is the share of the run that is over"
        ) from error
    return found


def settings_class(method: type[Method[MethodSettings]]) -> type[MethodSettings]:
    """The class of a method's settings: X of the nearest `Method[X]` among its bases; TargetError without one."""
    bases = (base for cls in method.__mro__ for base in cls.__dict__.get("__orig_bases__", ()))
    for argument in (argument for base in bases for argument in get_args(base)):
        if isinstance(argument, type) and issubclass(argument, MethodSettings):
            return argument
    raise TargetError(
        f"method._target_ = {method.__module__}.{method.__qualname__}: does not say which settings it takes; derive it"
        " from Method[SETTINGS], with a class SETTINGS that derives from hybrid_rl.methods.base.MethodSettings"
    )
