"""The results as a table, as JSON and as a plot."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

Row = dict[str, Any]


def table(rows: Sequence[Row], size: str = "T,B,D,H") -> str:
    """A line a row, a column a number; `size` says what a row's size consists of."""
    columns = list(dict.fromkeys(key for row in rows for key in _numbers(row)))
    head = ["", size, *columns]
    body = [
        [row["what"], ",".join(map(str, row["size"])), *(_cell(row.get(key)) for key in columns)]
        for row in rows
    ]
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


def save(rows: Sequence[Row], suite: str, title: str, workdir: Path) -> None:
    """Writes `SUITE.json` and, under the title, `SUITE.png` into the workdir."""
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / f"{suite}.json").write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    names = list(dict.fromkeys(name for row in rows for name in _numbers(row)))
    figure, panels = plt.subplots(
        len(names), 1, figsize=(10, 1 + 1.6 * len(names)), sharex=True, layout="constrained"
    )
    figure.suptitle(title, fontsize=10)
    labels = [f"{row['what']} {','.join(map(str, row['size']))}" for row in rows]
    for panel, name in zip([panels] if len(names) == 1 else panels, names, strict=True):
        values = [row.get(name, 0.0) for row in rows]
        panel.bar(range(len(rows)), values, color="tab:blue")
        panel.axhline(1, color="black", linewidth=0.8)
        panel.set_title(name, loc="left", fontsize=9)
    panel.set_xticks(range(len(rows)), labels, rotation=90, fontsize=7)
    figure.savefig(workdir / f"{suite}.png", dpi=120)
    plt.close(figure)


def _numbers(row: Row) -> dict[str, float]:
    return {key: value for key, value in row.items() if isinstance(value, float)}


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
