"""What a reader of a comparison has to keep in mind, in a sentence or two each."""

import json
from collections.abc import Iterator

from hybrid_rl.reporting.comparison import cut_solutions, spending
from hybrid_rl.reporting.comparison.arms import Arms
from hybrid_rl.reporting.comparison.outcomes import Outcome

OTHER_DEV = (
    "The runs were evaluated on different dev questions during training, as the hashes in their environment.json show."
    " Their curves cannot be compared; areas and the cost of a target on dev are left out."
)


def notes(arms: Arms, primary: Outcome, one_dev: bool) -> Iterator[str]:
    """Yields what weakens a comparison: runs left out, lone or repeated seeds, other data, and others."""
    cut = cut_solutions.told(arms.arms, primary)
    yield from cut.values()
    yield from arms.damaged
    for record in arms.records:
        if not record.after:
            state = record.status.get("state", "unknown")
            yield f"{record.directory.path} has no evaluation after training (state: {state}) and is left out."
    if not one_dev:
        yield OTHER_DEV
    if alone := [arm.name for arm in arms.arms if len(arm.evaluated) == 1]:
        start = f"Only one run was evaluated of {', '.join(alone)}:"
        yield f"{start} an interval of one run does not include the spread between seeds."
    for arm in arms.arms:
        if len(set(arm.seeds)) < len(arm.seeds):
            shown = " ".join(map(str, arm.seeds))
            yield (
                f"{arm.name} has several runs with the same seed ({shown}). They are not independent, and only the last"
                " run of a seed counts in differences."
            )
    hashes = {json.dumps(record.data.get("fingerprint"), sort_keys=True) for record in arms.records}
    if len(hashes) > 1:
        yield "The runs did not see the same data: the hashes of their questions in environment.json differ."
    found = ((arm.name, record.directory) for arm in arms.arms for record in arm.records)
    old = dict.fromkeys(n for n, run in found if run.decisions.exists() and not run.notes.exists())
    if old:
        yield (
            f"What the method noted about its decisions is not shown in full of {', '.join(old)}: runs of an older"
            " version have no notes.json, which says what the notes mean."
        )
    for arm in arms.arms:
        steps = [record.silent_steps for record in arm.evaluated]
        silent, every = sum(one.silent for one in steps), sum(one.all for one in steps)
        if silent > every / 2:
            better = "solutions that are not cut" if arm.name in cut else "easier questions"
            yield (
                f"{arm.name} starved: {silent:,} of its {every:,} RL steps had no signal, since in each of their groups"
                f" all rewards were equal. What it shows is little of what its method could do with {better}."
            )
    yield from spending.notes(arms.arms)
