"""Examples from files: columns of TSV, CSV and JSONL files, and the lines of parallel files.

read_examples("train.tsv", {"text": "sentence", "label": "sentiment"})
read_examples("names.csv", {"text": 0, "label": -1})
read_parallel({"source": "train.de", "target": "train.en.gz"})
"""

import csv
import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rnnjax.data.files import read_text
from rnnjax.errors import UserError, did_you_mean

SUFFIXES = (".tsv", ".csv", ".jsonl")

HALF_PAIR = re.compile("[\ud800-\udfff]")
"""Matches what UTF-8 cannot hold: JSON can escape it, and Python puts it for other bytes."""


class Example(NamedTuple):
    """An example of a file.

    Attributes:
        fields: {name: text}.
        place: where it is, `FILE:LINE`, for messages.
    """

    fields: dict[str, str]
    place: str


def read_examples(
    path: str,
    columns: Mapping[str, str | int],
    *,
    kind: str | None = None,
    encoding: str = "utf-8",
) -> list[Example]:
    """The examples of a file: a line, a CSV record or a JSON object each.

    Lines of white space are skipped. Cells of TSV files are taken as they are, without quotes;
    those of CSV files may be separated by semicolons.

    Args:
        path: of the file; plain or .gz.
        columns: {name of a field: its column in the file}. A column is a name in the header row or
            the JSON object, or in TSV and CSV a number, from 0; negative from the last. There is a
            header if a column is given by name.
        kind: ".tsv", ".csv" or ".jsonl"; None: as the file's name ends.

    Returns:
        The examples, at least one. In JSON a number, true or false becomes text.

    Raises:
        UserError: the file cannot be read, has no such column, two of that name or no example, or a
            row has another number of columns than the first. Names file and line.
    """
    kind = kind or suffix_of(path)
    if kind not in SUFFIXES:
        raise UserError(f"{path}: expected a name that ends in {', '.join(SUFFIXES)} (or .gz)")
    if kind == ".jsonl":
        lines = numbered_lines(path, encoding=encoding)
        examples = [_of_json(line, columns, place) for place, line in lines]
    else:
        rows = (csv_rows if kind == ".csv" else tsv_rows)(path, encoding=encoding)
        examples = list(_of_rows(rows, columns))
    if not examples:
        raise UserError(f"{path} has no examples")
    return examples


def read_parallel(paths: Mapping[str, str], *, encoding: str = "utf-8") -> list[Example]:
    """The examples of files whose lines belong together: line N of each file is example N.

    Args:
        paths: {name of a field: file}, plain or .gz.

    Returns:
        The examples, at least one; each has the place of its line in the first file.

    Raises:
        UserError: a file cannot be read or is empty, or one has more lines than another.
    """
    lines = {}
    for name, path in paths.items():
        text = read_text(path, encoding=encoding)
        lines[name] = text.removesuffix("\n").split("\n") if text else []
    counts = sorted((len(its), paths[name]) for name, its in lines.items())
    (fewest, short), (most, long) = counts[0], counts[-1]
    if most != fewest:
        raise UserError(
            f"{long} has {most:,} lines and {short} {fewest:,}: {long}:{fewest + 1} has no partner"
        )
    first = next(iter(paths.values()))
    if not most:
        raise UserError(f"{first} has no examples")
    return [
        Example(dict(zip(lines, row, strict=True)), f"{first}:{n}")
        for n, row in enumerate(zip(*lines.values(), strict=True), 1)
    ]


def suffix_of(path: str) -> str:
    """How the name of a file ends, in lower case and without .gz."""
    name = path.lower().removesuffix(".gz")
    return "." + name.rpartition(".")[2]


def numbered_lines(path: str, *, encoding: str) -> Iterator[tuple[str, str]]:
    """Yields the place, `FILE:LINE`, and the text of each line that is not white space."""
    for n, line in enumerate(read_text(path, encoding=encoding).split("\n"), 1):
        if line.strip():
            yield f"{path}:{n}", line


def tsv_rows(path: str, *, encoding: str) -> Iterator[tuple[str, list[str]]]:
    """Yields the place, `FILE:LINE`, and the cells of each line that is not white space."""
    return ((place, line.split("\t")) for place, line in numbered_lines(path, encoding=encoding))


def csv_rows(path: str, *, encoding: str) -> Iterator[tuple[str, list[str]]]:
    """Yields the place, `FILE:LINE`, and the cells of each record of a CSV file.

    Cells are separated by commas; by semicolons where the first line has these and no comma.
    """
    text = read_text(path, encoding=encoding)
    first = text.lstrip().partition("\n")[0]
    return delimited_rows(text, path, ";" if ";" in first and "," not in first else ",")


def delimited_rows(text: str, name: str, delimiter: str = ",") -> Iterator[tuple[str, list[str]]]:
    """Yields the place, `NAME:LINE`, and the cells of each record of a text in CSV."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            if row and not (len(row) == 1 and row[0].isspace()):
                yield f"{name}:{line}", row
            line = reader.line_num + 1
    except csv.Error as error:
        raise UserError(f"{name}:{line} is no CSV: {error}") from error


def _of_rows(
    rows: Iterator[tuple[str, list[str]]], columns: Mapping[str, str | int]
) -> Iterator[Example]:
    first, size, indices = "", 0, {}
    header = any(isinstance(column, str) for column in columns.values())
    for place, cells in rows:
        if not first:
            first, size = place, len(cells)
            indices = {field: _index(column, cells, place) for field, column in columns.items()}
            if header:
                continue
        if len(cells) != size:
            raise UserError(f"{place} has {len(cells)} columns, and {first} has {size}")
        yield Example({field: cells[n] for field, n in indices.items()}, place)


def _index(column: str | int, cells: list[str], place: str) -> int:
    if isinstance(column, int):
        if -len(cells) <= column < len(cells):
            return column
        raise UserError(f"{place} has {len(cells)} columns: there is no column {column} (from 0)")
    names = [cell.strip() for cell in cells]
    if column not in names:
        raise UserError(f"{place} has no column {column!r}: {did_you_mean(column, names)}")
    if names.count(column) > 1:
        raise UserError(f"{place} names two columns {column!r}: choose one by its number")
    return names.index(column)


def _of_json(line: str, columns: Mapping[str, str | int], place: str) -> Example:
    try:
        entry = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place} is no JSON: {error}") from error
    if not isinstance(entry, dict):
        raise UserError(f"{place} holds {type(entry).__name__}: expected a JSON object")
    fields = {}
    for field, column in columns.items():
        if str(column) not in entry:
            raise UserError(f"{place} has no {column!r}: {did_you_mean(str(column), entry)}")
        value = entry[str(column)]
        if not isinstance(value, str | int | float):
            raise UserError(f"{place}: expected text in {column!r}, got {json.dumps(value):.60}")
        fields[field] = value if isinstance(value, str) else json.dumps(value)
        if HALF_PAIR.search(fields[field]):
            raise UserError(f"{place} has half of a surrogate pair in {column!r}")
    return Example(fields, place)
