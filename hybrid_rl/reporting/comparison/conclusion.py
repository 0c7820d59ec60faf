"""The conclusion of a comparison in a few sentences: what can be concluded, what cannot, and why not."""

from collections.abc import Sequence

from hybrid_rl.reporting.comparison.compare import Comparison, Figure
from hybrid_rl.reporting.comparison.contrasts import LEVEL

HOW = (
    "Brackets are 95 % intervals. Means: bootstrap over seeds and questions (of S seeds it sees (S - 1) / S of the"
    " variance between them). Differences: paired over the same seeds and questions, both taken as samples of more of"
    " their kind (quasi F of the analysis of variance, and never surer than a t-test over seeds); p-values are Holm's"
    " over all arms of a table. Detectable: the smallest true difference that a study like this finds with 80 % power,"
    " at the error level divided by the number of comparisons; none: there is no such difference below 1."
)


def conclusion(comparison: Comparison) -> str:
    """What follows from the greedy accuracies on the first set, in plain words."""
    main, reference = comparison.main, comparison.arms.reference
    others = [f for f in main.figures if f.contrast is not None]
    own = next((f for f in main.figures if f.arm == reference), None)
    if own is None:
        return f"Nothing can be concluded: the reference, {reference}, has not been evaluated."
    if not others:
        return (
            f"Nothing can be compared: no other arm shares a seed with {reference}, whose greedy accuracy on"
            f" {main.set} is {own.value.value:.3f}."
        )
    where = f"On {main.set} ({main.questions:,} questions, {_seeds(others)}), greedy"
    better = [f for f in others if _gain(f) > 0 and _concluded(f)]
    worse = [f for f in others if _gain(f) < 0 and _concluded(f)]
    open_ = [f for f in others if not _concluded(f)]
    told = []
    if better:
        told.append(
            f"{_list(better)} {_is(better)} better than {reference} ({own.value.value:.3f})"
        )
    if worse:
        told.append(f"{_list(worse)} {_is(worse)} worse than {reference} ({own.value.value:.3f})")
    sentences = [f"{where}: {'; '.join(told)}."] if told else []
    if open_:
        sentences.append(_open(open_, reference, None if told else where))
    return " ".join(sentences)


def _open(figures: Sequence[Figure], reference: str, where: str | None) -> str:
    """Why nothing is concluded. `where`: what the sentence is about, if no other has said so."""
    about = ", ".join(f"{f.arm} ({_gain(f):+.3f})" for f in figures)
    start = f"Nothing can be concluded about {about}"
    if where is not None:
        start = f"{where}: nothing can be concluded about {about} against {reference}"
    contrasts = [f.contrast for f in figures if f.contrast is not None]
    if all(contrast.seeds == 1 for contrast in contrasts):
        return f"{start}: one seed says nothing of how another would end.{_these_runs(figures)}"
    found = [contrast.detectable for contrast in contrasts if contrast.detectable is not None]
    if not found:
        return f"{start}: no difference was seen on any question."
    likely = [value for value in found if value <= 1]
    if not likely:
        return (
            f"{start}: p > {LEVEL}; the seeds are so few, or so far apart, that this study could not be sure to find"
            " any difference."
        )
    some = " where seeds agree, and else none" if len(likely) < len(found) else ""
    return f"{start}: p > {LEVEL}; this study is likely to find differences from {_span(likely)} on{some}."


def _span(values: Sequence[float]) -> str:
    low, high = f"{min(values):.2f}", f"{max(values):.2f}"
    return low if low == high else f"{low} to {high}"


def _these_runs(figures: Sequence[Figure]) -> str:
    """What the questions say of runs that stand alone."""
    apart = [f for f in figures if f.contrast and f.contrast.p_corrected <= LEVEL]
    return f" Of these runs alone, over questions, clearly apart: {_list(apart)}." if apart else ""


def _concluded(figure: Figure) -> bool:
    return figure.contrast is not None and figure.contrast.concluded


def _gain(figure: Figure) -> float:
    return figure.contrast.difference.value if figure.contrast else 0.0


def _list(figures: Sequence[Figure]) -> str:
    """Largest difference first."""
    ordered = sorted(figures, key=lambda figure: -abs(_gain(figure)))
    return ", ".join(
        f"{f.arm} ({f.value.value:.3f}, {_gain(f):+.3f}, p {p_text(f.contrast.p_corrected)})"
        for f in ordered
        if f.contrast
    )


def p_text(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.3f}"


def _is(figures: Sequence[Figure]) -> str:
    return "is" if len(figures) == 1 else "are"


def _seeds(figures: Sequence[Figure]) -> str:
    counts = sorted({f.contrast.seeds for f in figures if f.contrast})
    shown = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return f"{shown} seed{'' if counts == [1] else 's'}"
