"""The tables in which the benchmark shows its figures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Column, Table

from hybrid_rl.reporting.markdown import amount
from hybrid_rl.tools.bench.relay import PARTS, PHASES


def show(found: Mapping[str, Any], console: Console) -> None:
    """Prints a table for every part that has figures; those of growth have no other part."""
    if "growth" in found:
        _show_growth(found["growth"], console)
        return
    names = {"none_zero": "every group has advantages", "half_zero": "half of the groups have none"}
    for part, name in names.items():
        ratio = found["grpo_step_ratio_to_trl" + ("" if part == "none_zero" else "_half_zero")]
        console.print(
            f"\n{name}: {ratio['median']:.2f} of plain TRL's step"
            f" (quartiles {ratio['low']:.2f} to {ratio['high']:.2f}, {len(ratio['pairs'])} pairs)"
        )
        trainers = {who: found[part][who] for who in ("plain", "ours")}
        console.print(_phases(trainers))
        console.print(_parts(trainers))
        console.print(_limits(found[part]["limits"]))
    if found["methods"]:
        console.print("\na step of each method, with the verifier's own verdicts")
        console.print(_phases(found["methods"]))
    if "savings" in found:
        rows = [[name, f"{one['median']:.2f}"] for name, one in found["savings"].items()]
        console.print(_table(["saving", "step without it / with it"], rows))
    if "bread_search" in found:
        columns = ["search", "sampled / trained tokens", "rows with advantage"]
        columns += ["step / our grpo's", "step / plain TRL's"]
        console.print(_table(columns, [_searched(*one) for one in found["bread_search"].items()]))
    if found["scaling"]:
        keys = ("plain_seconds", "ours_seconds", "ratio")
        rows = [[name, *(f"{one[k]:.3f}" for k in keys)] for name, one in found["scaling"].items()]
        console.print(_table(["varied", "plain, s", "ours, s", "ratio"], rows))
    others = {**found["memory"], **found["startup"]}
    console.print(_table(["", ""], [[name, f"{value:.2f}"] for name, value in others.items()]))


def _show_growth(found: Mapping[str, Any], console: Console) -> None:
    """Prints a row for each axis of growth: what each of its sizes took, and the exponent of the time."""
    rows = []
    for name, one in found.items():
        sizes = ", ".join(amount(size) for size in one["sizes"])
        took = zip(one["seconds"], one["megabytes"], strict=True)
        cells = (f"{seconds:.2f} s {megabytes:.0f} MB" for seconds, megabytes in took)
        exponent = f"{one['exponent']:.2f} (fits within {one['error']:.0%})"
        rows.append([f"{name}: {sizes}", *cells, exponent])
    most = max(len(row) for row in rows) - 2
    columns = [f"size {number}" for number in range(1, most + 1)]
    console.print(_table(["what grows", *columns, "exponent of the time"], rows))


def _searched(name: str, one: Mapping[str, Any]) -> list[str]:
    cost, rows = one["sampled_per_trained_token"], one["rows_with_advantage_per_step"]
    ratios = (f"{one[over]['median']:.2f}" for over in ("step_over_grpo", "step_over_plain"))
    return [name, "-" if cost is None else f"{cost:.1f}", f"{rows:.0f}", *ratios]


def _phases(parts: Mapping[str, Mapping[str, Any]]) -> Table:
    """The seconds and shares of each phase, a row for each trainer or method."""
    names = [*PHASES, "other"]
    rows = []
    for who, one in parts.items():
        seconds, shares = one["phases_seconds"], one["phases_share"]
        cells = [f"{seconds[name]:.3f} ({shares[name]:.0%})" for name in names]
        speed = f"{one['rollout_tokens_per_second'] or 0:,.0f}"
        rows.append([who, f"{one['seconds_per_step']:.3f}", *cells, speed])
    return _table(["seconds of", "step", *names, "rollout tokens/s"], rows)


def _parts(trainers: Mapping[str, Mapping[str, Any]]) -> Table:
    """The parts of `other`, for both in shares of plain TRL's step, so that they compare."""
    plain = trainers["plain"]["seconds_per_step"]
    rows = []
    for who, one in trainers.items():
        scale = one["seconds_per_step"] / plain
        shares = [one["phases_share"]["other"], *(one["other_parts_share"][n] for n in PARTS)]
        rows.append([who, *(f"{share * scale:.1%}" for share in shares)])
    return _table(["of plain TRL's step", "other", *PARTS], rows)


def _limits(limits: Mapping[str, Any]) -> str:
    """The limits of the device in a sentence."""
    can, least, share = limits["ceilings"], limits["floors"], limits["share_of_ceiling"]
    return (
        f"the device does {can['matmul_gflops']:.0f} GFLOP/s in {can['dtype']}, "
        f"{can['copy_gbytes_per_second']:.1f} GB/s,"
        f" so sampling takes {least['generate_seconds']:.3f} s at least"
        f" (its calls alone {least['generate_calls_seconds']:.3f} s), training {least['train_seconds']:.3f} s:"
        f" {share['generate']:.0%} and {share['train']:.0%} of the ceiling reached"
    )


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    first, *others = columns
    table = Table(first, *(Column(column, justify="right") for column in others))
    for row in rows:
        table.add_row(*row)
    return table
