"""Column files like those of CoNLL: a token a line, a blank line between sentences."""

import re
from collections.abc import Iterator, Sequence

from rnnjax.data.files import read_text
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.schemes import OUTSIDE, prefix_and_type
from rnnjax.tasks.tagging.sentences import Sentence

DOCUMENT_START = "-DOCSTART-"

_Rows = list[list[str]]


def read_conll(
    path: str, *, token_column: int = 0, tag_column: int | None = -1, encoding: str = "utf-8"
) -> list[Sentence]:
    """The sentences of a column file, tags as they are written there.

    Columns are separated by tabs in a line that has one, by spaces in any other; every line has as
    many columns as the first. Lines of white space end a sentence, and lines that begin with
    `-DOCSTART-` are skipped. Line ends may be LF, CR LF or CR; a byte order mark is skipped.

    A line that begins with `#` is a comment only if it has no tab, is before the first token of its
    sentence and cannot be a token: in a file with tabs because it has none, in a file with spaces
    because it has another number of columns. So `# text = Hello` is a comment, and `#` and
    `#hashtag` with a tag behind them are tokens anywhere.

    Args:
        path: of the file; plain or .gz.
        token_column: which column holds tokens, from 0; a negative number counts from the last.
        tag_column: which holds tags, likewise; None: the sentences have no tags.
        encoding: of the file.

    Raises:
        UserError: there is no such file, it is not text, a line has the wrong number of columns, a
            tag is none, or there is no sentence. Names file and line.
    """
    sentences = []
    needed = [token_column] if tag_column is None else [token_column, tag_column]
    for rows, line in _sentences(path, needed, encoding):
        for n, row in enumerate(rows):
            if not row[token_column].strip(" "):
                raise UserError(f"{path}:{line + n} has no token in column {token_column}")
            try:
                prefix_and_type(OUTSIDE if tag_column is None else row[tag_column])
            except UserError as error:
                raise UserError(f"{path}:{line + n}: {error}") from error
        columns = [tuple(row[column] for row in rows) for column in needed]
        tokens, tags = (*columns, ())[:2]
        sentences.append(Sentence(tokens, tags, f"{path}:{line}"))
    return sentences


def _sentences(path: str, needed: Sequence[int], encoding: str) -> Iterator[tuple[_Rows, int]]:
    """Yields the rows of each sentence, and the number of its first line."""
    lines = read_text(path, encoding=encoding).split("\n")
    for first, text in enumerate(lines, 1):  # noqa: B007
        if _split(text) and not (_is_like_comment(text) or text.startswith(DOCUMENT_START)):
            break
    else:
        raise UserError(f"{path} has no sentence: no line holds a token")
    num_columns = len(_split(text))
    _check_columns(f"{path}:{first}", num_columns, needed)
    with_tabs = "\t" in lines[first - 1].rstrip(" \t")
    rows: list[list[str]] = []
    for line, text in enumerate([*lines, ""], 1):
        row = _split(text)
        if not row or text.startswith(DOCUMENT_START):
            if rows:
                yield rows, line - len(rows)
                rows = []
        elif rows or not _is_like_comment(text) or (not with_tabs and len(row) == num_columns):
            if len(row) != num_columns:
                raise UserError(
                    f"{path}:{line} has {_columns(len(row))}, but {path}:{first}, where the first "
                    f"sentence begins, has {num_columns}: {text[:80]!r}"
                )
            rows.append(row)


def _is_like_comment(text: str) -> bool:
    return text.startswith("#") and "\t" not in text


def _split(text: str) -> list[str]:
    if not text.strip():
        return []
    text = text.rstrip(" \t")
    return text.split("\t") if "\t" in text else re.split(" +", text.lstrip(" "))


def _check_columns(place: str, num_columns: int, needed: Sequence[int]) -> None:
    indices = [n + num_columns if n < 0 else n for n in needed]
    if not all(0 <= n < num_columns for n in indices):
        raise UserError(
            f"{place} has too few columns, {num_columns}: expected one of number "
            f"{' and one of number '.join(map(str, needed))} (from 0, negative from the last)"
        )
    if len(set(indices)) < len(indices):
        raise UserError(
            f"{place} has {_columns(num_columns)}: expected a token and, in another column, "
            f"its tag, separated by tabs or spaces"
        )


def _columns(count: int) -> str:
    return f"{count} column{'s' * (count != 1)}"
