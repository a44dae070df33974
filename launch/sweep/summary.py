"""Mean and standard deviation over the seeds of a sweep, as a table, CSV and picture."""

import csv
import io
import itertools
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from launch.sweep.plan import Planned
from rnnjax.training import atomic_files
from rnnjax.visuals.figures import as_png, new_figure


class Row(NamedTuple):
    """One setting of the grid, and the number of each finished seed by result."""

    setting: dict[str, str]
    values: dict[str, list[float]]


def summarise(runs: Sequence[Planned]) -> list[Row]:
    """Gathers the finished runs of a sweep by their setting, in the order of the plan."""
    rows: dict[tuple[str, ...], Row] = {}
    for run in runs:
        row = rows.setdefault(tuple(run.setting.values()), Row(run.setting, {}))
        for name, value in (run.results() or {}).items():
            row.values.setdefault(name, []).append(value)
    return list(rows.values())


def spread(values: Sequence[float]) -> str:
    """Mean ± sample standard deviation (divided by n - 1), to the digits that the latter allows."""
    if not values:
        return "-"
    mean = statistics.fmean(values)
    if len(values) == 1:
        return f"{int(mean):,}" if mean == int(mean) else f"{mean:.5g}"
    deviation = statistics.stdev(values)
    if deviation == 0 and mean == int(mean):
        return f"{int(mean):,}"
    digits = 4 if deviation == 0 else min(max(1 - math.floor(math.log10(deviation)), 0), 6)
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}"


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, columns aligned."""
    results = list(dict.fromkeys(name for row in rows for name in row.values))
    head = [*rows[0].setting, "seeds", *results]
    body = [
        [
            *row.setting.values(),
            str(max(map(len, row.values.values()), default=0)),
            *(spread(row.values.get(name, [])) for name in results),
        ]
        for row in rows
    ]
    widths = [max(len(line[i]) for line in [head, *body]) for i in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        f"| {' | '.join(cell.ljust(n) for cell, n in zip(line, widths, strict=True))} |"
        for line in [head, rule, *body]
    )


def as_csv(runs: Sequence[Planned]) -> str:
    """A line per finished run: its setting, seed and results."""
    rows = [
        {**run.setting, "seed": run.seed, **results}
        for run in runs
        if (results := run.results()) is not None
    ]
    names = dict.fromkeys(itertools.chain([*runs[0].setting, "seed"], *rows))
    text = io.StringIO()
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def draw(rows: Sequence[Row], result: str) -> bytes:
    """Draws one result: a dot a seed, the mean with its standard deviation beside; a PNG file."""
    figure = new_figure(8, 1.2 + 0.45 * len(rows))
    axes = figure.subplots()
    for n, row in enumerate(rows):
        if values := row.values.get(result):
            axes.plot(values, [n] * len(values), "o", color="#2b6cb0", alpha=0.5, ms=5)
            mean = statistics.fmean(values)
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            axes.errorbar(mean, n + 0.2, xerr=deviation, fmt="D", color="#dd6b20", ms=4, capsize=3)
    labels = ("\n".join(f"{name}={value}" for name, value in row.setting.items()) for row in rows)
    axes.set_yticks(range(len(rows)), [label or "all" for label in labels])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlabel(f"{result} (dots: seeds; diamond: mean ± standard deviation)")
    axes.grid(alpha=0.25, axis="x")
    axes.spines[["top", "right"]].set_visible(False)
    return as_png(figure)


def write(runs: Sequence[Planned], folder: Path) -> str:
    """Writes `results.csv`, `results.md` and `results.png`; gives the table for the terminal."""
    rows = summarise(runs)
    shown = table(rows)
    atomic_files.write_text(folder / "results.csv", as_csv(runs))
    atomic_files.write_text(folder / "results.md", shown + "\n")
    headline = next((name for row in rows for name in row.values), None)
    if headline is not None:
        atomic_files.write_bytes(folder / "results.png", draw(rows, headline))
    return shown
