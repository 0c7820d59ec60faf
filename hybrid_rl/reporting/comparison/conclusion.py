"""The conclusion of a comparison in a few sentences: what can be concluded, what cannot, and why not."""

from collections.abc import Iterable, Sequence

from hybrid_rl.reporting.comparison import wording
from hybrid_rl.reporting.comparison.compare import Comparison
from hybrid_rl.reporting.comparison.contrasts import LEVEL
from hybrid_rl.reporting.comparison.outcomes import Figure


def conclusion(comparison: Comparison) -> str:
    """What follows from the primary outcome, in plain words: what is better or worse, and what is not decided."""
    main, reference = comparison.primary, comparison.arms.reference
    others = [f for f in main.figures if f.together is not None]
    own = next((f for f in main.figures if f.arm == reference), None)
    measure = wording.measured(main.about)
    if own is None:
        return f"Nothing can be concluded: the reference, {reference}, has not been evaluated."
    if not others:
        start = f"Nothing can be compared: {reference} is the only arm that has been evaluated."
        return f"{start} Its {measure} on {main.about.set} is {own.value.value:.3f}."
    sentences = []
    for word, sign in (("better", 1), ("worse", -1)):
        if found := _sorted(f for f in others if f.decided and sign * _gain(f) > 0):
            first, *more = (f"{f.arm} {{}}by {_by(f, sign)}" for f in found)
            parts = [
                first.format(f"is {word} than {reference} "),
                *(one.format("") for one in more),
            ]
            sentences.append(f"{_and(parts)}.")
    if within := [f for f in others if f.within_margin and not f.decided]:
        sequential = comparison.arms.sequential
        assert sequential is not None
        differ = "differs" if len(within) == 1 else "differ"
        less = f"by less than {sequential.margin:g}, if at all"
        sentences.append(f"{_and([f.arm for f in within])} {differ} from {reference} {less}.")
    if left := _sorted(f for f in others if not f.decided and not f.within_margin):
        listed = _and([f"{f.arm} ({_by(f, signed=True)})" for f in left])
        sentences.append(f"Not decided: {listed}, since {_why(left)}")
    about = f"{measure} on {main.about.set}, {main.about.questions:,} questions, {_seeds(others)}"
    sentences.append(f"All of this is about {about}.")
    return " ".join(sentences)


def _why(figures: Sequence[Figure]) -> str:
    """Why nothing is concluded about these arms, and what could have been found."""
    contrasts = [f.contrast for f in figures if f.contrast is not None]
    if all(contrast.seeds == 1 for contrast in contrasts):
        return f"one seed tells nothing about how another would end.{_within_these_runs(figures)}"
    found = [contrast.detectable for contrast in contrasts if contrast.detectable is not None]
    if not found:
        return "no difference was seen on any question."
    chance = f"the difference{'s' if len(figures) > 1 else ''} may be chance (p > {LEVEL})."
    likely = [value for value in found if value <= 1]
    if not likely:
        unsure = "this study could not be sure to find any difference"
        return f"{chance} The seeds are so few, or differ so much, that {unsure}."
    low, high = f"{min(likely):.2f}", f"{max(likely):.2f}"
    least = low if low == high else f"{low} to {high}"
    some = "; for some arms it would find none" if len(likely) < len(found) else ""
    return f"{chance} This study is likely to find differences of {least} or more{some}."


def _within_these_runs(figures: Sequence[Figure]) -> str:
    """What the questions say about runs that stand alone."""
    apart = [f for f in figures if f.together and f.together.p <= LEVEL]
    if not apart:
        return ""
    named = _and([f.arm for f in apart])
    return f" Over the questions of these runs alone, the difference is clear for {named}."


def _gain(figure: Figure) -> float:
    return figure.contrast.difference.value if figure.contrast else 0.0


def _by(figure: Figure, sign: int = 1, signed: bool = False) -> str:
    """The difference with its interval; `sign` -1 tells how much less an arm has."""
    told = figure.told
    assert told is not None
    one = told.difference
    # A bound that an interval ends at is 0.00 and not -0.00.
    low, high = (round(value, 2) + 0.0 for value in sorted((sign * one.low, sign * one.high)))
    return f"{sign * one.value:{'+' if signed else ''}.2f} [{low:.2f}, {high:.2f}]"


def _sorted(figures: Iterable[Figure]) -> list[Figure]:
    """The arms with the largest difference first."""
    return sorted(figures, key=lambda figure: -abs(_gain(figure)))


def _and(parts: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(parts[:-1]), parts[-1]) if part)


def _seeds(figures: Sequence[Figure]) -> str:
    counts = sorted({f.contrast.seeds for f in figures if f.contrast})
    shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{shown} seed{'' if counts == [1] else 's'}"
