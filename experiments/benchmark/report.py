"""The results as a table, as JSON and as a plot."""

import functools
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rnnjax.training.reporting.progress import aligned

Row = dict[str, Any]

UPRIGHT = 8
"""Bars side by side whose labels have room."""

QUARTILES = {"first quartile": 0.25, "median": 0.5, "third quartile": 0.75}


def table(rows: Sequence[Row], size: str = "T,B,D,H") -> str:
    """A line a row, a column a number; `size` says what a row's size consists of."""
    columns = _columns(rows)
    body = [[row["what"], _size(row), *(_cell(row.get(key)) for key in columns)] for row in rows]
    return aligned([["", size, *columns], *body], range(2 + len(columns)))


def with_spread(rows: Sequence[Row]) -> list[Row]:
    """The rows, each group followed by its least, its quartiles and its geometric mean."""
    spread: dict[str, Callable[[Sequence[float]], float]] = {
        "least": min,
        **{name: functools.partial(np.quantile, q=q) for name, q in QUARTILES.items()},
        "geometric mean": statistics.geometric_mean,
    }
    result = []
    for what, group in _groups(rows).items():
        result += group
        for name, over in spread.items():
            numbers = {key: float(over([row[key] for row in group])) for key in _columns(group[:1])}
            result.append({"what": what, "size": [name], **numbers})
    return result


def save(
    rows: Sequence[Row], suite: str, title: str, workdir: Path, *, contest: bool = False
) -> None:
    """Writes `SUITE.json` and, under the title, `SUITE.png` (see `draw`) into the workdir."""
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / f"{suite}.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    figure = draw(rows, contest=contest)
    figure.suptitle(title, fontsize=10)
    figure.savefig(workdir / f"{suite}.png", dpi=120)


def draw(rows: Sequence[Row], *, contest: bool) -> Figure:
    """Draws the numbers as bars.

    In a contest the columns are contenders in one thing: a panel for each thing that was measured
    has a group of bars for each size. Else each column has a panel, with a bar for each row.
    """
    names = _columns(rows)
    panels: list[tuple[str, Sequence[Row], list[str]]]
    if contest:
        panels = [(what, group, names) for what, group in _groups(rows).items()]
    else:
        panels = [(name, rows, [name]) for name in names]
    ticks: dict[str, Any] = {"fontsize": 8}
    if max(len(group) for _, group, _ in panels) > UPRIGHT or not contest:
        ticks = {"fontsize": 7, "rotation": 90}
    figure = Figure(figsize=(10, 1 + 2 * len(panels)), layout="constrained")
    axes = figure.subplots(len(panels), 1, sharex=not contest, squeeze=False)[:, 0]
    for panel, (title, group, shown) in zip(axes, panels, strict=True):
        width = 0.8 / len(shown)
        for n, name in enumerate(shown):
            places = [at + (n - (len(shown) - 1) / 2) * width for at in range(len(group))]
            heights = [row.get(name, 0.0) for row in group]
            panel.bar(places, heights, width, color=f"C{n}", label=name)
        panel.axhline(1, color="black", linewidth=0.8)
        panel.set_title(title, loc="left", fontsize=9)
        labels = [_size(row) if contest else f"{row['what']} {_size(row)}" for row in group]
        panel.set_xticks(range(len(group)), labels, **ticks)
    if contest:
        axes[0].legend(fontsize=7, ncols=len(names), loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _groups(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows by what was measured."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["what"], []).append(row)
    return groups


def _columns(rows: Sequence[Row]) -> list[str]:
    """The names of the numbers."""
    return list(dict.fromkeys(k for row in rows for k, v in row.items() if isinstance(v, float)))


def _size(row: Row) -> str:
    return ",".join(map(str, row["size"]))


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
