"""Column files like those of CoNLL: a token a line, a blank line between sentences."""

import re
from collections.abc import Iterator, Sequence

from rnnjax.data.files import read_text
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.schemes import prefix_and_type
from rnnjax.tasks.tagging.sentences import Sentence

DOCUMENT_START = "-DOCSTART-"

_Rows = list[list[str]]

_NOT_IN_COLUMNS = re.compile(rf"[\t\r\n]|^ *$|^ | $|^{DOCUMENT_START}")


def read_conll(
    path: str, *, token_column: int = 0, tag_column: int = -1, encoding: str = "utf-8"
) -> list[Sentence]:
    """The tagged sentences of a column file, tags as they are written there.

    Columns are separated by tabs in a line that has one, by spaces in any other; every line has as
    many columns as the first. Lines of white space end a sentence, and lines that begin with
    `-DOCSTART-` begin a document. Line ends may be LF, CR LF or CR; a byte order mark is skipped.

    A line that begins with `#` is a comment only if it has no tab, is before the first token of its
    sentence and cannot be a token: in a file with tabs because it has none, in a file with spaces
    because it has another number of columns. So `# text = Hello` is a comment, and `#` and
    `#hashtag` with a tag behind them are tokens anywhere.

    Args:
        path: of the file; plain or .gz.
        token_column: which column holds tokens, from 0; a negative number counts from the last.
        tag_column: which holds tags, likewise.
        encoding: of the file.

    Raises:
        UserError: there is no such file, it is not text, a line has the wrong number of columns, a
            tag is none, or there is no sentence. Names file and line.
    """
    sentences = []
    known_tags: set[str] = set()
    for rows, line, document in _sentences(path, (token_column, tag_column), encoding):
        tokens = _tokens(path, rows, line, token_column)
        tags = tuple(row[tag_column] for row in rows)
        for n, tag in enumerate(tags):
            if tag not in known_tags:
                try:
                    prefix_and_type(tag)
                except UserError as error:
                    raise UserError(f"{path}:{line + n}: {error}") from error
                known_tags.add(tag)
        sentences.append(Sentence(tokens, tags, f"{path}:{line}", document))
    return sentences


def read_tokens(path: str, *, token_column: int = 0, encoding: str = "utf-8") -> list[Sentence]:
    """The sentences of a column file, with empty `tags`, as input for prediction.

    Args:
        path: of a file as in `read_conll`, with or without a column of tags.
        token_column: as there.
        encoding: of the file.

    Raises:
        UserError: as in `read_conll`, but for tags.
    """
    return [
        Sentence(_tokens(path, rows, line, token_column), (), f"{path}:{line}", document)
        for rows, line, document in _sentences(path, (token_column,), encoding)
    ]


def write_conll(sentences: Sequence[Sentence], columns: Sequence[Sequence[Sequence[str]]]) -> str:
    """A column file of tokens and whatever belongs to each, separated by tabs.

    Args:
        sentences: give tokens and documents; between documents stands a `-DOCSTART-` line.
        columns: at least one: the columns after the token, such as `[tags]` or
            `[tags, predicted]`; a column has for each sentence a string a token.

    Returns:
        The text, which `read_conll` reads back.

    Raises:
        UserError: a token or another string cannot stand in a column.
    """
    parts = []
    for n, sentence in enumerate(sentences):
        if n and sentence.document != sentences[n - 1].document:
            parts.append("\t".join([DOCUMENT_START, *["O"] * len(columns)]) + "\n\n")
        for row in zip(sentence.tokens, *(column[n] for column in columns), strict=True):
            if (wrong := next(filter(_NOT_IN_COLUMNS.search, row), None)) is not None:
                raise UserError(
                    f"{sentence.source}: {wrong!r} cannot stand in a column file: expected "
                    f"text without tabs, line ends or spaces around it, and no {DOCUMENT_START}"
                )
            parts.append("\t".join(row) + "\n")
        parts.append("\n")
    return "".join(parts)


def _sentences(path: str, needed: Sequence[int], encoding: str) -> Iterator[tuple[_Rows, int, int]]:
    """Yields the rows of each sentence, the number of its first line, and that of its document."""
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
    document = following = 0
    for line, text in enumerate([*lines, ""], 1):
        row = _split(text)
        boundary = text.startswith(DOCUMENT_START)
        if not row or boundary:
            if rows:
                yield rows, line - len(rows), document
                rows, following = [], document + 1
            document = following if boundary else document
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


def _tokens(path: str, rows: _Rows, line: int, token_column: int) -> tuple[str, ...]:
    tokens = tuple(row[token_column] for row in rows)
    for n, token in enumerate(tokens):
        if not token.strip(" "):
            raise UserError(f"{path}:{line + n} has no token in column {token_column}")
    return tokens


def _columns(count: int) -> str:
    return f"{count} column{'s' * (count != 1)}"
