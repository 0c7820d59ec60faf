"""What a study that adds seeds until it is decided has settled, after how many seeds, and at what cost."""

from collections.abc import Iterator
from dataclasses import dataclass

from hybrid_rl.recording import looks
from hybrid_rl.recording.looks import Decision
from hybrid_rl.reporting.comparison.arms import Arm, Arms, Sequential, spent
from hybrid_rl.reporting.comparison.outcomes import Outcome
from hybrid_rl.reporting.markdown import amount

COLUMNS = (
    *("arm", "decision", "seeds at the last look", "runs", "FLOPs"),
    *("runs of a fixed design", "FLOPs of a fixed design"),
)
_WORDS: dict[Decision, str] = {
    "better": "better",
    "worse": "worse",
    "within margin": "within the margin",
    "undecided": "undecided with the most seeds",
    "open": "open: its last runs failed, or the study was stopped",
}


@dataclass(frozen=True)
class Verdict:
    """What is settled about one arm, and what it took."""

    arm: str
    decision: Decision | None
    """None for the reference."""
    seeds: int | None
    """Those of its last look; None where there was none."""
    runs: int
    flops: float | None
    """The sum over its runs; None where none recorded it."""
    fixed_runs: int
    """The runs of a design in which every arm has the most seeds."""

    @property
    def fixed_flops(self) -> float | None:
        """The cost of the fixed design, at the mean cost of the runs that there are."""
        return None if self.flops is None else self.flops / self.runs * self.fixed_runs


def verdicts(arms: Arms) -> list[Verdict]:
    """A verdict per arm, the reference first; none for a study whose seeds were fixed."""
    sequential = arms.sequential
    if sequential is None or not sequential.looks:
        return []
    found = []
    for arm in arms.arms:
        last = sequential.looks.get(arm.name)
        decision: Decision | None = last.decision if last is not None else "open"
        found.append(
            Verdict(
                arm.name,
                None if arm.name == arms.reference else decision,
                None if last is None else len(last.seeds),
                len(arm.evaluated),
                _flops(arm),
                sequential.most_seeds,
            )
        )
    return found


def rows(found: list[Verdict]) -> list[list[str]]:
    """The cells of the table of verdicts, with a last row for all arms together."""
    made = [
        [
            one.arm,
            "reference" if one.decision is None else _WORDS[one.decision],
            "-" if one.seeds is None else str(one.seeds),
            *_costs(one.runs, one.flops, one.fixed_runs, one.fixed_flops),
        ]
        for one in found
    ]
    runs, fixed_runs = sum(one.runs for one in found), sum(one.fixed_runs for one in found)
    flops, fixed_flops = (
        _sum([one.flops for one in found]), _sum([one.fixed_flops for one in found])
    )  # fmt: skip
    return [*made, ["all", "-", "-", *_costs(runs, flops, fixed_runs, fixed_flops)]]


def note(arms: Arms) -> str:
    """How the study decided, and what that means for its figures."""
    assert arms.sequential is not None
    margin = arms.sequential.margin
    within = "" if margin is None else f", or surely within {margin:g} of it"
    return (
        "Seeds were added, with a look after each, until an arm was better or worse than the reference"
        f"{within}, or had {arms.sequential.most_seeds} seeds. The error level of 0.05 is shared by all arms"
        " (Bonferroni) and spent over their looks (Lan and DeMets, O'Brien and Fleming's function). The difference, p"
        " and range of the primary outcome are those of the last look, over the seeds that both had then; the ranges of"
        " all looks hold together. A study stops early where a difference happens to be large, so the difference at an"
        " early stop is on the mean larger than the truth. Other outcomes were not looked at; where they go along with"
        " the primary one, their p-values are too small as well. A fixed design gives every arm the most seeds, at the"
        " mean cost of its runs here."
    )


def notes(arms: Arms, primary: Outcome) -> Iterator[str]:
    """Yields what is wrong with the looks, or with taking them for this comparison."""
    if arms.sequential is None:
        return
    if not arms.sequential.looks:
        yield _without_looks(arms.sequential)
    for figure in primary.figures:
        if figure.together is None or figure.contrast is None:
            continue
        looked, now = figure.together.difference.value, figure.contrast.difference.value
        if abs(looked - now) > 1e-9:
            yield (
                f"At the last look, {figure.arm} differed from the reference by {looked:+.3f}; by its files it now"
                f" differs by {now:+.3f}. Runs were changed or graded again since; the decision is that of the look."
            )


def table_note(arms: Arms) -> str | None:
    """What the short table takes account of; None for a study whose seeds were fixed."""
    if arms.sequential is None:
        return None
    if not arms.sequential.looks:
        return _without_looks(arms.sequential)
    return (
        "Seeds were added by looks: difference, p and decision are those of the last look at each arm, corrected for"
        " all looks and arms. The other ranges are of each arm alone and take no account of the looks."
    )


def _without_looks(study: Sequential) -> str:
    return (
        "The study added seeds by looks at its primary outcome beside its reference. This comparison is about some of"
        " its runs, another outcome or reference, or no look was made yet: it takes no account of the looks, and is too"
        f" sure. The study's own decisions are in {study.directory / looks.FILE}, and hybrid-rl-report"
        f" {study.directory} shows them."
    )


def _flops(arm: Arm) -> float | None:
    return _sum([spent(record, "flops") for record in arm.evaluated])


def _sum(values: list[float | None]) -> float | None:
    """The sum; None where one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if known and len(known) == len(values) else None


def _costs(runs: int, flops: float | None, fixed_runs: int, fixed_flops: float | None) -> list[str]:
    shown = ["-" if one is None else amount(one) for one in (flops, fixed_flops)]
    return [str(runs), shown[0], str(fixed_runs), shown[1]]
