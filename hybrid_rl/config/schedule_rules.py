"""Rules of a run's length, and of how the learning rate goes over it."""

from collections.abc import Iterator

from hybrid_rl.config.settings import Settings


def problems(settings: Settings) -> Iterator[str]:
    """Every broken rule, as a line `setting = value: rule; remedy`."""
    yield from _rise(settings)
    train = settings.train
    if settings.task == "train" and train.patience is not None and train.eval_every is None:
        yield (
            f"train.patience = {train.patience}: counts looks at dev, and there are none; give train.eval_every, such"
            " as 20 steps or 0.1 of the run, or train.patience=null"
        )


def _rise(settings: Settings) -> Iterator[str]:
    """Refuses a rise that leaves too little of its phase, or that a schedule cannot do without."""
    train, method = settings.train, settings.method
    try:
        plan = method.plan(train.steps)
    except ValueError:  # which another rule tells
        return
    steps_of_rl = 0 if method.group_size is None else train.steps - plan.opening
    steps_of_sft = plan.opening or (train.steps if plan.expected else 0)
    for kind, phase, steps in (("rl", train.rl, steps_of_rl), ("sft", train.sft, steps_of_sft)):
        if not steps:
            continue
        rise = phase.warmup if phase.warmup < 1 else phase.warmup / steps
        if phase.schedule == "inverse_sqrt" and not rise:
            yield (
                f"train.{kind}.schedule = inverse_sqrt: falls by the length of its rise, and train.{kind}.warmup ="
                f" {phase.warmup}; give one, as a share or in steps, such as train.{kind}.warmup=0.1"
            )
        if phase.schedule == "warmup_stable_decay" and rise + phase.decay > 1 > rise:
            yield (
                f"train.{kind}.decay = {phase.decay:g}: with a rise over {rise:.3g} of the phase less than that"
                f" is left for it; lower it or train.{kind}.warmup"
            )
        if phase.warmup >= steps:
            yield (
                f"train.{kind}.warmup = {phase.warmup}: a rise of so many steps leaves none of the {steps} steps of its"
                f" phase; give fewer, or a share of them below 1, such as train.{kind}.warmup=0.1"
            )
