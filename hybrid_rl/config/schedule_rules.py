"""Rules of a run's length, and of how the learning rate goes over it."""

from collections.abc import Iterator

from hybrid_rl.config.settings import Settings


def problems(settings: Settings) -> Iterator[str]:
    """Every broken rule, as a line `setting = value: rule; remedy`."""
    yield from _warmup(settings)
    train = settings.train
    if settings.task == "train" and train.patience is not None and train.eval_every is None:
        yield (
            f"train.patience = {train.patience}: counts looks at dev, and there are none; give train.eval_every, such"
            " as 20 steps or 0.1 of the run, or train.patience=null"
        )


def _warmup(settings: Settings) -> Iterator[str]:
    """Refuses a rise that is as long as what it is to open, so that the rate would be reached at the end or never."""
    train, method = settings.train, settings.method
    try:
        plan = method.plan(train.steps)
    except ValueError:  # which another rule tells
        return
    steps_of_rl = 0 if method.group_size is None else train.steps - plan.opening
    steps_of_sft = plan.opening or (train.steps if plan.expected else 0)
    for kind, phase, steps in (("rl", train.rl, steps_of_rl), ("sft", train.sft, steps_of_sft)):
        if steps and phase.warmup >= steps:
            yield (
                f"train.{kind}.warmup = {phase.warmup}: a rise of so many steps leaves none of the {steps} steps of its"
                f" phase; give fewer, or a share of them below 1, such as train.{kind}.warmup=0.1"
            )
