"""The series of a source in splits: by name, else by time (forecast) or drawn (classes)."""

import itertools
import re
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.data.labelled import check_classes
from rnnjax.data.named_splits import SPLITS, drawn_by_label, split_files
from rnnjax.errors import UserError
from rnnjax.tasks.series.config import SeriesConfig
from rnnjax.tasks.series.tables import DELIMITERS, Table, number, read_table

_DATE = re.compile(r"\d{4}-\d\d-\d\d")

EMBEDDED = Path(__file__).parent / "embedded/sunspots.csv"
CUTS = (0.7, 0.85)
"""Where validation and test begin, as shares of a series or of the series of a class."""


class Series(NamedTuple):
    """A series and the rows of it that belong to a split.

    Attributes:
        name: from the column that tells series apart; else that of the file, without suffix.
        place: of its first row, `FILE:LINE`.
        values: float64 `[T, C]`, a column each, NaN where there is no value.
        first: the first row that belongs to the split; those before it are its past.
        end: the row after the last one.
        label: its class; empty: none.
    """

    name: str
    place: str
    values: np.ndarray
    first: int
    end: int
    label: str = ""


class Source(NamedTuple):
    """The data that a config names.

    Attributes:
        splits: the series of each split.
        inputs: the columns that the model reads.
        target: the column that it forecasts; empty: it classifies.
        note: which files and columns were read, in a line.
    """

    splits: dict[str, list[Series]]
    inputs: tuple[str, ...]
    target: str
    note: str


def columns_of(inputs: Sequence[str], target: str) -> list[str]:
    """The columns of `Series.values`: the inputs, and the target if it is none of them."""
    return [*inputs, *([target] if target and target not in inputs else [])]


def load_source(config: SeriesConfig, inputs: Sequence[str] = (), target: str = "") -> Source:
    """Reads the files of a config.

    Where no file name says a split, a series to forecast is cut by time: the first 70 % of its rows
    are for training, 15 % for validation, the last 15 % for the test. Of the series of each class,
    15 % are drawn for validation and 15 % for the test, the same in every run.

    Args:
        config: of the run.
        inputs: the columns to read where the config names none; empty: those of numbers.
        target: likewise, the column to forecast; empty: the last one of numbers.

    Raises:
        UserError: a file, a column, a cell or a label cannot be used.
    """
    source = str(EMBEDDED) if config.data == "embedded" else config.data
    named = split_files(source, pool=True)
    tables = named.read(lambda path: [read_table(str(path), encoding=config.encoding)])
    first = tables["train"][0]
    inputs, target, left_out = choose_columns(first, config, inputs, target)
    splits = {
        split: [
            series
            for table in its
            for series in series_of(table, columns_of(inputs, target), config.series, config.label)
        ]
        for split, its in tables.items()
    }
    if named.pooled:
        every = splits["train"]
        splits = drawn_by_label(every, 1 - CUTS[1]) if config.label else _cut_by_time(every)
        for split, its in splits.items():
            if not its:
                raise UserError(
                    f"{config.data} has too few series for a {split} split: expected 4 of some "
                    "class, or files whose names say train, valid and test"
                )
    if config.label:
        check_classes(splits, config.data, "sequence", attrgetter("label"))
    reads = f"reads {', '.join(inputs)}" + (f", forecasts {target}" if target else "")
    files = f"{config.data}, {named.describe()}" if named.pooled else named.describe()
    parts = [f"{files}; cells separated by {DELIMITERS[first.delimiter]}; {reads}"]
    return Source(splits, inputs, target, "; ".join([*parts, *left_out]))


def choose_columns(
    table: Table, config: SeriesConfig, inputs: Sequence[str] = (), target: str = ""
) -> tuple[tuple[str, ...], str, list[str]]:
    """The inputs, the target, and which columns are left out and why.

    A column that ascends by the same step in all rows of each series says no more than the number
    of the row. It counts as time and is an input only if it is named. See `load_source`.

    Raises:
        UserError: a column of the config is missing, there is none of numbers, or see
            `check_order`.
    """
    special = [name for name in (config.series, config.label) if name]
    for name in special:
        table.column(name)
    named = list(dict.fromkeys(filter(None, map(str.strip, config.inputs.split(",")))))
    inputs, target, notes = named or inputs, config.target or target, []
    check_order(table, config, target)
    if taken := [name for name in (*inputs, target) if name in special]:
        raise UserError(f"the column {taken[0]!r} names series or classes: it cannot be read too")
    if not inputs or not (target or config.label):
        numeric = [name for name in table.numeric() if name not in special]
        if not numeric:
            raise UserError(
                f"{table.path} has no column of numbers: its columns are {', '.join(table.names)}"
            )
        rows = list(grouped(table, config.series).values())
        clocks = [name for name in numeric if _is_clock(table.numbers(name), rows)]
        usable = [name for name in numeric if name not in clocks] or numeric
        target = target or ("" if config.label else usable[-1])
        inputs = inputs or list(dict.fromkeys([*usable, *([target] if target else [])]))
        left = [name for name in table.names if name not in {*special, *inputs, target}]
        why = {name: "evenly ascending" if name in numeric else "not numbers" for name in left}
        notes = [f"left out: {', '.join(f'{n} ({w})' for n, w in why.items())}"] if left else []
    return tuple(inputs), target, notes


def series_of(
    table: Table, columns: Sequence[str], series: str = "", label: str = ""
) -> list[Series]:
    """The series of a file.

    Args:
        series: the column that tells series apart; empty: the file is one.
        label: the column of the class; empty: none.

    Raises:
        UserError: a column is missing, a cell is no number, or the class changes within a series.
    """
    values = np.column_stack([table.numbers(name) for name in columns])
    labels = table.filled_column(label) if label else [""] * len(values)
    found = []
    for name, rows in grouped(table, series).items():
        of_series = labels[rows[0]]
        for row in rows:
            if labels[row] != of_series:
                raise UserError(
                    f"{table.places[row]}: the series {name!r} has the label {labels[row]!r} here "
                    f"and {of_series!r} at {table.places[rows[0]]}; expected one a series"
                )
        found.append(Series(name, table.places[rows[0]], values[rows], 0, len(rows), of_series))
    return found


def check_order(table: Table, config: SeriesConfig, target: str) -> None:
    """Raises UserError where the rows to forecast from seem to have the newest one first.

    That is where the config names no inputs and, in each series, dates such as 2024-12-31 descend,
    or the numbers of a column, other than the target, descend evenly.
    """
    if config.label or config.inputs:
        return
    rows = list(grouped(table, config.series).values())
    pairs = [pair for its in rows for pair in itertools.pairwise(its)]
    for name in table.names:
        cells = table.column(name)
        values = np.array([number(cell) for cell in cells])
        if all(map(_DATE.match, cells)):
            descends = bool(pairs) and all(cells[a] > cells[b] for a, b in pairs)
        else:
            descends = name != target and np.isfinite(values).all() and _is_clock(-values, rows)
        if descends:
            raise UserError(
                f"{table.path}: {name!r} descends: expected the rows in the order of time, the "
                "newest last (or --config.inputs=A,B, if it is no time)"
            )


def grouped(table: Table, series: str) -> dict[str, list[int]]:
    """The rows of each series, in the order of the file."""
    if not series:
        return {Path(table.path).stem: list(range(len(table.rows)))}
    groups: dict[str, list[int]] = {}
    for row, name in enumerate(table.filled_column(series)):
        groups.setdefault(name, []).append(row)
    return groups


def _is_clock(values: np.ndarray, groups: Sequence[Sequence[int]]) -> bool:
    steps = np.concatenate([np.diff(values[rows]) for rows in groups])
    return len(steps) > 0 and steps[0] > 0 and np.allclose(steps, steps[0], rtol=1e-6, atol=0)


def _cut_by_time(every: Sequence[Series]) -> dict[str, list[Series]]:
    splits: dict[str, list[Series]] = {split: [] for split in SPLITS}
    for series in every:
        ends = [0, *(int(share * series.end) for share in CUTS), series.end]
        for n, split in enumerate(SPLITS):
            splits[split].append(series._replace(first=ends[n], end=ends[n + 1]))
    return splits
