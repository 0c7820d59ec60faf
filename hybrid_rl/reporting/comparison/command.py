"""hybrid-rl-report compares runs and writes one HTML page, and the same figures in Markdown."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hybrid_rl.config import packages
from hybrid_rl.config.study import PrimarySettings
from hybrid_rl.errors import USER_ERROR, UserError
from hybrid_rl.recording import console
from hybrid_rl.recording.files import write_text
from hybrid_rl.recording.run_directory import RunDir
from hybrid_rl.reporting.comparison import arms, html_page, markdown_page, summary
from hybrid_rl.reporting.comparison.compare import MEASURES, Comparison, compare
from hybrid_rl.reporting.comparison.conclusion import conclusion

ROLLOUTS = 20_000
_OUT = "the page; default: report.html in the first PATH, or comparison.html here if that is a run"
_EPILOG = """\
examples:
  hybrid-rl-report runs/studies/smoke
  hybrid-rl-report runs/studies/methods --table table.md --curves curves.svg
  hybrid-rl-report runs/sweeps/20260101-120000 --reference grpo --target 0.5
  hybrid-rl-report runs/grpo/* runs/bread/* --primary hard:avg --out comparison.html
  hybrid-rl-report runs/grpo/20260101-120000 --inspect logs && inspect view --log-dir logs
"""


def main() -> None:
    """The console script; its exit code is 2 for what the user can fix."""
    console.as_a_view()
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Writes the pages for a command line and tells where they are; returns the exit code."""
    typed = _parser().parse_args(arguments)
    html = typed.out or _default(typed.paths[0])
    try:
        if html.suffix not in (".html", ".htm"):
            advice = "the name must end with .html. The Markdown page is written beside it."
            raise UserError(f"--out {html}: {advice}")
        if typed.curves is not None and typed.curves.suffix not in (".svg", ".png"):
            raise UserError(f"--curves {typed.curves}: the name must end with .svg or .png")
        if typed.inspect is not None:
            sys.stdout.write("\n".join(export(typed.paths, typed.inspect)) + "\n")
            return 0
        if typed.table or typed.curves:
            found = compare(arms.read(typed.paths, typed.reference, typed.target, typed.primary))
            told = summary.write(found, typed.table, typed.curves)
            sys.stdout.write("\n".join(told) + "\n")
            return 0
        told = write(
            typed.paths, html, typed.reference, typed.target, typed.rollouts, typed.primary
        )
    except (UserError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return USER_ERROR
    sys.stdout.write("\n".join([*told, str(html), str(html.with_suffix(".md"))]) + "\n")
    return 0


def write(
    paths: Sequence[Path],
    html: Path,
    reference: str | None = None,
    target: float | None = None,
    rollouts: int = ROLLOUTS,
    primary: PrimarySettings | None = None,
) -> list[str]:
    """Writes `html`, and the same name with .md; returns the conclusion, then the notes. Raises ComparisonError.

    `target` is a greedy accuracy on dev. At most `rollouts` rollouts are put into the page.
    """
    comparison = compare(arms.read(paths, reference, target, primary))
    return write_pages(comparison, html, rollouts)


def export(paths: Sequence[Path], out: Path) -> list[str]:
    """Writes all evaluations of the runs as Inspect's logs into a directory; returns lines that tell of them.

    Raises ComparisonError where there is no run, and UserError without Inspect or without an evaluation.
    """
    try:
        from hybrid_rl.reporting import inspect_logs  # noqa: PLC0415 - needs an optional package
    except ImportError as error:
        raise UserError(
            f"--inspect {out}: inspect_ai cannot be imported ({error}); {packages.install('inspect')}"
        ) from error
    found = arms.read(paths)
    logs = [log for record in found.records for log in inspect_logs.write(record, out)]
    if not logs:
        raise UserError(f"--inspect {out}: these runs have no evaluation; task=evaluate makes one")
    return [*found.damaged, f"{len(logs)} logs; inspect view --log-dir {out}"]


def write_pages(comparison: Comparison, html: Path, rollouts: int = ROLLOUTS) -> list[str]:
    """Writes the two pages of a comparison; returns its conclusion, then its notes."""
    write_text(html, html_page.render(comparison, rollouts))
    write_text(html.with_suffix(".md"), markdown_page.markdown(comparison))
    return [conclusion(comparison), *comparison.notes]


def _default(first: Path) -> Path:
    """The page's path: in the directory of a study or sweep, but not in that of a run, which has its own report.md."""
    return Path("comparison.html") if RunDir(first).settings.exists() else first / "report.html"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hybrid-rl-report",
        description="Compare runs: one HTML page that needs no network, and the same in Markdown.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="+", type=Path, help="a study, a sweep, or run directories")
    add("--out", type=Path, metavar="FILE.html", help=_OUT)
    default = "the arm to compare all others with; default: the study's, else sft_then_grpo or grpo"
    add("--reference", metavar="ARM", help=default)
    cost = "show the cost of this greedy accuracy on dev, e.g. 0.5"
    add("--target", type=accuracy, metavar="ACCURACY", help=cost)
    outcome = "what the conclusion is about, e.g. hard:avg; default: the study's, else greedy on the first set"
    add("--primary", type=outcome_name, metavar="SET:MEASURE", help=outcome)
    table = "write one short table in Markdown, a row per arm, in place of the page"
    add("--table", type=Path, metavar="FILE.md", help=table)
    curves = "draw the learning curves of all arms over FLOPs, in place of the page"
    add("--curves", type=Path, metavar="FILE.svg", help=curves)
    logs = (
        "write the evaluations as .eval logs of Inspect, in place of the page: hybrid-rl[inspect]"
    )
    add("--inspect", type=Path, metavar="DIR", help=logs)
    most = "most rollouts in the page; default: %(default)s"
    add("--rollouts", type=count, default=ROLLOUTS, metavar="N", help=most)
    return parser


def accuracy(text: str) -> float:
    """A share as it is typed; argparse shows this function's name where it is no number."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"{text}: the accuracy must be above 0 and at most 1")
    return value


def outcome_name(text: str) -> PrimarySettings:
    """A primary outcome as it is typed."""
    name, _, measure = text.partition(":")
    found = next((one for one in MEASURES if one == measure), None)
    if not name or found is None:
        advice = f"give a set and one of {', '.join(MEASURES)}, e.g. hard:greedy"
        raise argparse.ArgumentTypeError(f"{text}: {advice}")
    return PrimarySettings(set=name, measure=found)


def count(text: str) -> int:
    """A number of rollouts as it is typed."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text}: the number must not be negative")
    return value


if __name__ == "__main__":
    main()
