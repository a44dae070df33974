"""CSV files with a header: their cells as text and as numbers."""

import csv
import math
from typing import NamedTuple

import numpy as np

from rnnjax.data.examples import delimited_rows
from rnnjax.data.files import read_text
from rnnjax.errors import UserError, did_you_mean

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}
MISSING = {"", "nan", "na", "n/a", "null", "none"}
"""Cells that hold no value, in lower case."""


class Table(NamedTuple):
    """The rows of a CSV file.

    Attributes:
        names: of the columns, from the header.
        places: of the rows, `FILE:LINE`.
    """

    path: str
    names: list[str]
    rows: list[list[str]]
    places: list[str]
    delimiter: str

    def column(self, name: str) -> list[str]:
        """The cells of a column; UserError if there is none of that name."""
        if name not in self.names:
            raise UserError(f"{self.path} has no column {name!r}: {did_you_mean(name, self.names)}")
        at = self.names.index(name)
        return [row[at].strip() for row in self.rows]

    def filled_column(self, name: str) -> list[str]:
        """As `column`; UserError for a cell without a value."""
        cells = self.column(name)
        for place, cell in zip(self.places, cells, strict=True):
            if cell.lower() in MISSING:
                raise UserError(f"{place} has no value in the column {name!r}")
        return cells

    def numbers(self, name: str) -> np.ndarray:
        """A column as float64 `[rows]`, NaN where a cell has no value.

        Raises:
            UserError: there is no such column, or a cell is no finite number.
        """
        cells = self.column(name)
        values = np.array([number(cell) for cell in cells])
        for n in np.flatnonzero(~np.isfinite(values)).tolist():
            if cells[n].lower() not in MISSING:
                what = "infinite" if math.isinf(values[n]) else "not a number"
                hint = "; a number is written like 1234.5" if "," in cells[n] else ""
                raise UserError(f"{self.places[n]}, column {name!r}: {cells[n]!r} is {what}{hint}")
        return values

    def numeric(self) -> list[str]:
        """The columns whose first value is a number, or one but for commas, which is an error."""
        found = []
        for name in self.names:
            first = next((cell for cell in self.column(name) if cell.lower() not in MISSING), "")
            if not math.isnan(number(first.replace(",", ""))):
                found.append(name)
        return found


def read_table(path: str, *, encoding: str = "utf-8") -> Table:
    """Reads a CSV file whose first row names the columns.

    Cells are separated by commas, semicolons or tabs: by what divides the header into most. A
    column without a name is called `column N`, from 1.

    Raises:
        UserError: the file cannot be read or is empty, the first row holds numbers, two columns
            have one name, or a row has another number of cells than the header.
    """
    text = read_text(path, encoding=encoding)
    first = next((line for line in text.split("\n") if line.strip()), "")
    delimiter = max(DELIMITERS, key=lambda d: len(next(csv.reader([first], delimiter=d), [])))
    records = list(delimited_rows(text, path, delimiter))
    if not records:
        raise UserError(f"{path} is empty: expected a CSV file with a header")
    (top, header), *rows = records
    names = [cell.strip() or f"column {n}" for n, cell in enumerate(header, 1)]
    for n, name in enumerate(names):
        if not math.isnan(number(name)):
            raise UserError(f"{top} has no header: expected names of columns, got {name!r}")
        if name in names[:n]:
            raise UserError(f"{top} names two columns {name!r}: expected different names")
    for place, cells in rows:
        if len(cells) != len(names):
            raise UserError(f"{place} has {len(cells)} cells, and the header {len(names)}")
    if not rows:
        raise UserError(f"{path} has a header and no rows")
    return Table(path, names, [cells for _, cells in rows], [at for at, _ in rows], delimiter)


def number(cell: str) -> float:
    """The number in a cell; NaN where there is none."""
    try:
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan
