"""From a dotted path to a method and the class of its settings."""

from typing import ClassVar, Generic, TypeVar

import pytest

from hybrid_rl.methods.alternate import Alternate, AlternateSettings
from hybrid_rl.methods.base import Method, MethodSettings, S_co
from hybrid_rl.methods.grpo import GrpoSettings
from hybrid_rl.methods.lookup import TargetError, method_class, settings_class
from hybrid_rl.types import Update


class Unsaid(Method):  # type: ignore[type-arg]
    """Does not say which settings it takes."""


class Derived(Alternate):
    """Takes the settings of the method that it builds on."""


class Old(Method[GrpoSettings]):
    """Written before methods were told how much of the run is over."""

    def next_update(self, step: int) -> Update:  # type: ignore[override]
        return Update("rl")


class Half(Method[S_co], Generic[S_co]):
    """Leaves it to others which settings it takes."""


class Whole(Half[GrpoSettings]):
    needs_traces: ClassVar[bool] = True


T = TypeVar("T")


class Tagged(Generic[T]):
    """Has nothing to do with methods."""


class Mixed(Tagged[int], Alternate):
    """Takes the settings of a method, after another base with a type."""


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        (Alternate, AlternateSettings),
        (Derived, AlternateSettings),
        (Whole, GrpoSettings),
        (Mixed, AlternateSettings),
    ],
)
def test_the_settings_are_those_of_the_nearest_base_that_names_some(
    method: type[Method[MethodSettings]], settings: type[MethodSettings]
) -> None:
    assert settings_class(method) is settings


def test_a_class_is_found_by_its_path() -> None:
    assert method_class("hybrid_rl.methods.alternate.Alternate") is Alternate


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("pathlib.Path", "must be a subclass of hybrid_rl.methods.base.Method"),
        (
            "hybrid_rl.methods.nothing.X",
            "cannot be imported (No module named 'hybrid_rl.methods.nothing'); give the dotted path of a class",
        ),
        ("Grpo", "cannot be imported (Empty module name); give the dotted path of a class"),
        *(
            (
                f"{__name__}.{name}",
                "does not say which settings it takes; derive it from Method[SETTINGS], with a class SETTINGS that"
                " derives from hybrid_rl.methods.base.MethodSettings",
            )
            for name in ("Unsaid", "Half")
        ),
        (
            f"{__name__}.Old",
            "its next_update cannot be called as next_update(step, progress) (too many positional arguments); write"
            " `def next_update(self, step, progress)`, where progress is the share of the run that is over",
        ),
    ],
)
def test_what_is_no_method_with_settings_is_refused(target: str, message: str) -> None:
    with pytest.raises(TargetError) as refused:
        method_class(target)
    assert str(refused.value) == f"method._target_ = {target}: {message}"
