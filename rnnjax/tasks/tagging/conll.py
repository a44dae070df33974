"""Column files like those of CoNLL: a token a line, a blank line between sentences."""

import re
from collections.abc import Iterator, Sequence

from rnnjax.data.files import read_text
from rnnjax.errors import UserError, counted
from rnnjax.tasks.tagging.schemes import OUTSIDE, is_tag, prefix_and_type
from rnnjax.tasks.tagging.sentences import Sentence

DOCUMENT_START = "-DOCSTART-"

_Rows = list[list[str]]


def read_conll(
    path: str, *, token_column: int = 0, tag_column: int | None = -1, encoding: str = "utf-8"
) -> list[Sentence]:
    """The sentences of a column file, plain or .gz, tags as they are written there.

    Columns are separated by tabs in a line that has one, by spaces in any other; every line has as
    many columns as the first. Lines of white space end a sentence, and lines that begin with
    `-DOCSTART-` are skipped. Line ends may be LF, CR LF or CR; a byte order mark is skipped.

    A line that begins with `#` is a comment if it is before the first token of its sentence and
    cannot be a token: it has another number of columns than the file, or no tab in a file with
    tabs, or is `#` with what is no tag. So `# text = Hello` and GermEval's `#<tab>source` are
    comments, and `#hashtag` with a tab and a tag behind it is a token anywhere.

    A file may also hold a sentence a line, `word|pos|tag` separated by spaces (WikiNER).

    Args:
        token_column: which column holds tokens, from 0; a negative number counts from the last.
        tag_column: which holds tags, likewise; None: the sentences have no tags.

    Raises:
        UserError: there is no such file, it is not text, a line has the wrong number of columns, a
            tag is none, or there is no sentence. Names file and line.
    """
    sentences: list[Sentence] = []
    needed = [token_column] if tag_column is None else [token_column, tag_column]
    for rows, line in _sentences(path, needed, encoding):
        for n, row in enumerate(rows):
            if not row[token_column].strip(" "):
                raise UserError(f"{path}:{line + n} has no token in column {token_column}")
            try:
                prefix_and_type(OUTSIDE if tag_column is None else row[tag_column])
            except UserError as error:
                told = columns_that_fit(rows, needed)
                raise UserError(f"{path}:{line + n}: {error}{told}") from error
        columns = [tuple(row[column] for row in rows) for column in needed]
        tokens, tags = (*columns, ())[:2]
        sentences.append(Sentence(tokens, tags, f"{path}:{line}"))
    return sentences


def columns_that_fit(rows: Sequence[Sequence[str]], needed: Sequence[int]) -> str:
    """Which flags would read the rows of a sentence, as the end of a message; "" if none would."""
    columns = list(enumerate(zip(*rows, strict=True)))
    tags = [n for n, column in columns if all(map(is_tag, column))]
    if not tags:
        return ""
    tag = max(tags, key=lambda n: sum(value != OUTSIDE for value in columns[n][1]))
    words = [n for n, column in columns if n != tag and not all(map(str.isdigit, column))]
    indices = [n + len(columns) if n < 0 else n for n in needed]
    if not words or indices == [words[0], tag]:
        return ""
    return f"; these would fit: --config.token_column={words[0]} --config.tag_column={tag}"


def _sentences(path: str, needed: Sequence[int], encoding: str) -> Iterator[tuple[_Rows, int]]:
    """Yields the rows of each sentence, and the number of its first line."""
    lines = read_text(path, encoding=encoding).split("\n")
    tokens = [
        (line, text)
        for line, text in enumerate(lines, 1)
        if text.strip() and not text.startswith(DOCUMENT_START)
    ]
    marked = [(line, text) for line, text in tokens if text.startswith("#") and "\t" in text]
    plain = [(line, text) for line, text in tokens if not text.startswith("#")]
    if not (plain or marked):
        raise UserError(f"{path} has no sentence: no line holds a token")
    first, text = (plain or marked)[0]
    if _pipes(text):
        yield from _piped_sentences(path, plain, needed)
        return
    num_columns = len(_split(text))
    _check_columns(f"{path}:{first}", num_columns, needed)
    with_tabs = "\t" in lines[first - 1].rstrip(" \t")

    def is_token(row: list[str], text: str) -> bool:
        if len(row) != num_columns or (with_tabs and "\t" not in text):
            return False
        return row[0] != "#" or all(is_tag(row[column]) for column in needed[1:])

    rows: list[list[str]] = []
    for line, text in enumerate([*lines, ""], 1):
        row = _split(text)
        if not row or text.startswith(DOCUMENT_START):
            if rows:
                yield rows, line - len(rows)
                rows = []
        elif rows or not text.startswith("#") or is_token(row, text):
            if len(row) != num_columns:
                raise UserError(
                    f"{path}:{line} has {counted(len(row), 'column')}, but {path}:{first}, where "
                    f"the first sentence begins, has {num_columns}: {text[:80]!r}"
                )
            rows.append(row)


def _pipes(text: str) -> int:
    """How many `|` each word of a line has; 0 where they have not as many, or the end is no tag."""
    words = text.split()
    counts = {word.count("|") for word in words}
    is_tagged = all(is_tag(word.rpartition("|")[2]) for word in words)
    return counts.pop() if len(counts) == 1 and is_tagged else 0


def _piped_sentences(
    path: str, lines: Sequence[tuple[int, str]], needed: Sequence[int]
) -> Iterator[tuple[_Rows, int]]:
    num_columns = _pipes(lines[0][1]) + 1
    _check_columns(f"{path}:{lines[0][0]}", num_columns, needed)
    for line, text in lines:
        rows = [word.rsplit("|", num_columns - 1) for word in text.split()]
        for row in rows:
            if len(row) != num_columns:
                raise UserError(
                    f"{path}:{line}: expected words of {counted(num_columns, 'column')} separated "
                    f"by |, as in the first sentence; got {row[0]!r}"
                )
        yield rows, line


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
            f"{place} has {counted(num_columns, 'column')}: expected a token and, in another "
            f"column, its tag, separated by tabs or spaces"
        )
