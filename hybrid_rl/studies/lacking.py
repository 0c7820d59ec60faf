"""Settings for all arms that the method of an arm lacks, such as the group size of one that samples nothing.

They are left out for that arm, so that study.common may speak of what most arms have. What no method has is refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hybrid_rl.config.overrides import key_of, quoted
from hybrid_rl.config.study import StudySettings
from hybrid_rl.errors import SettingsError
from hybrid_rl.methods.base import MethodSettings
from hybrid_rl.studies.jobs import Compose


def lacking(
    definition: StudySettings, extra: Sequence[str], directory: Path, compose: Compose
) -> dict[str, tuple[str, ...]]:
    """Arm -> the words for all arms that its method lacks, if that of another arm has them.

    An arm that does not compose without them lacks none, so that its own fault is told.
    """
    words = [word for word in (*definition.common, *extra) if key_of(word).startswith("method.")]
    if not words:
        return {}
    rest = [word for word in (*definition.common,) if word not in words]
    methods: dict[str, type[MethodSettings]] = {}
    for arm, own in definition.arms.items():
        chosen = [word for word in own if not key_of(word).startswith("method.")]
        last = [word for word in extra if word not in words]
        last += ["seed=0", f"run_dir={quoted(directory)}"]
        try:
            methods[arm] = type(compose((*rest, *chosen, *last)).method)
        except SettingsError:
            continue
    found = {
        arm: tuple(word for word in words if not _has(method, word))
        for arm, method in methods.items()
    }
    known = {word for word in words if any(_has(method, word) for method in methods.values())}
    kept = {arm: tuple(word for word in lacks if word in known) for arm, lacks in found.items()}
    return {arm: lacks for arm, lacks in kept.items() if lacks}


def in_words(lacks: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """A line for each word that is left out, with the arms that lack it."""
    for word in dict.fromkeys(word for words in lacks.values() for word in words):
        arms = ", ".join(arm for arm, words in lacks.items() if word in words)
        yield f"{word} is for all arms, and left out for {arms}, whose method has no such setting"


def _has(method: type[MethodSettings], word: str) -> bool:
    """Whether a method has the setting that an override names; one that must be null it has not."""
    field = method.model_fields.get(key_of(word).split(".")[1])
    return field is not None and field.annotation is not type(None)
