"""The results as a table, as JSON and as a plot."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

Row = dict[str, Any]


def table(rows: Sequence[Row], size: str = "T,B,D,H") -> str:
    """A line a row, a column a number; `size` says what a row's size consists of."""
    columns = list(dict.fromkeys(key for row in rows for key in _numbers(row)))
    head = ["", size, *columns]
    body = [[row["what"], _size(row), *(_cell(row.get(key)) for key in columns)] for row in rows]
    lines = [head, *body]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def with_means(rows: Sequence[Row]) -> list[Row]:
    """The rows, each group followed by its geometric mean over the sizes."""
    result = []
    for what in dict.fromkeys(row["what"] for row in rows):
        group = [row for row in rows if row["what"] == what]
        names = _numbers(group[0])
        means = {
            name: math.exp(sum(math.log(row[name]) for row in group) / len(group)) for name in names
        }
        result += [*group, {"what": what, "size": ["geometric mean"], **means}]
    return result


def save(
    rows: Sequence[Row], suite: str, title: str, workdir: Path, *, contest: bool = False
) -> None:
    """Writes `SUITE.json` and, under the title, `SUITE.png` into the workdir.

    Args:
        rows: the results.
        suite: names the files.
        title: of the plot.
        workdir: a folder; it is made if there is none.
        contest: whether the columns are contenders in one thing, which the plot then shows side by
            side; else each column has a panel of its own.
    """
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / f"{suite}.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    names = list(dict.fromkeys(name for row in rows for name in _numbers(row)))
    figure = (_contest if contest else _columns)(rows, names)
    figure.suptitle(title, fontsize=10)
    figure.savefig(workdir / f"{suite}.png", dpi=120)
    plt.close(figure)


def _contest(rows: Sequence[Row], names: Sequence[str]) -> Figure:
    """A panel for each thing that was measured, a group of bars for each size."""
    whats = list(dict.fromkeys(row["what"] for row in rows))
    figure, panels = plt.subplots(
        len(whats), 1, figsize=(10, 1 + 2.2 * len(whats)), squeeze=False, layout="constrained"
    )
    width = 0.8 / len(names)
    for panel, what in zip(panels[:, 0], whats, strict=True):
        group = [row for row in rows if row["what"] == what]
        for n, name in enumerate(names):
            places = [at + (n - (len(names) - 1) / 2) * width for at in range(len(group))]
            heights = [row.get(name, 0.0) for row in group]
            panel.bar(places, heights, width, color=f"C{n}", label=name)
        panel.axhline(1, color="black", linewidth=0.8)
        panel.set_title(what, loc="left", fontsize=9)
        panel.set_xticks(range(len(group)), [_size(row) for row in group], fontsize=8)
    panels[0, 0].legend(fontsize=7, ncols=len(names), loc="lower right", bbox_to_anchor=(1, 1))
    return figure


def _columns(rows: Sequence[Row], names: Sequence[str]) -> Figure:
    """A panel for each column, a bar for each row."""
    figure, panels = plt.subplots(
        len(names),
        1,
        figsize=(10, 1 + 1.6 * len(names)),
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    labels = [f"{row['what']} {_size(row)}" for row in rows]
    for panel, name in zip(panels[:, 0], names, strict=True):
        panel.bar(range(len(rows)), [row.get(name, 0.0) for row in rows], color="tab:blue")
        panel.axhline(1, color="black", linewidth=0.8)
        panel.set_title(name, loc="left", fontsize=9)
    panels[-1, 0].set_xticks(range(len(rows)), labels, rotation=90, fontsize=7)
    return figure


def _size(row: Row) -> str:
    return ",".join(map(str, row["size"]))


def _numbers(row: Row) -> dict[str, float]:
    return {key: value for key, value in row.items() if isinstance(value, float)}


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
