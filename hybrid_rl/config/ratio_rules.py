"""The rules of several updates on a batch, and of what bounds the ratio of new to old probabilities in them."""

from collections.abc import Iterator

from hybrid_rl.config.settings import Settings

_OPTIONS = ("clip", "epsilon", "epsilon_high", "ratio")


def problems(settings: Settings) -> Iterator[str]:
    """Refuses settings that would do nothing, and bounds that are missing."""
    rl = settings.train.rl
    if rl.updates_per_batch > 1:
        yield from _repeated(settings)
        yield from _bounds(settings)
        return
    for name in _OPTIONS:
        value = getattr(rl, name)
        if value is not None:
            yield (
                f"train.rl.{name} = {value}: with train.rl.updates_per_batch = 1 the ratio of new to old probabilities"
                f" is 1, and nothing is clipped; set train.rl.updates_per_batch=2 or more, or train.rl.{name}=null"
            )


def _repeated(settings: Settings) -> Iterator[str]:
    """Refuses methods whose batch cannot be learned from several times, or is not sampled."""
    shown = f"train.rl.updates_per_batch = {settings.train.rl.updates_per_batch}"
    method = settings.method
    if method.group_size is None:
        yield (
            f"{shown}: method={method.name} has no RL update, and an SFT update is always one;"
            " set train.rl.updates_per_batch=1"
        )
    if method.needs_reference is not None:
        measured, remedy = method.needs_reference
        yield (
            f"{shown}: the loss is then computed as a sum of terms, and {measured} is measured beside TRL's;"
            f" set train.rl.updates_per_batch=1, or {remedy}"
        )


def _bounds(settings: Settings) -> Iterator[str]:
    rl = settings.train.rl
    if rl.clip == "cispo" and rl.epsilon_high is None:
        yield (
            "train.rl.clip = cispo: has no usual bound of the weight; set train.rl.epsilon_high,"
            " e.g. to 4.0 for weights of up to 5"
        )
    unused = {"cispo": ("epsilon",), "none": ("epsilon", "epsilon_high")}.get(rl.clip or "ppo", ())
    for name in unused:
        value = getattr(rl, name)
        if value is not None:
            yield (
                f"train.rl.{name} = {value}: bounds nothing with train.rl.clip = {rl.clip};"
                f" set train.rl.{name}=null, or train.rl.clip=ppo"
            )
