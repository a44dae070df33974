"""Sentences to be tagged: of texts, split at their punctuation, and of files."""

import re
from collections.abc import Iterable, Iterator, Sequence

from rnnjax.data.examples import suffix_of
from rnnjax.data.files import read_text
from rnnjax.data.tokens import Token, tokenize
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.conll import read_conll
from rnnjax.tasks.tagging.sentences import Sentence

COLUMN_SUFFIXES = (".bio", ".conll", ".iob", ".tsv")

_CLOSING = set("\"'”’»)]")
_OPENING = set("\"'“‘”„«([¿¡")
_BEFORE_NAMES = re.compile(
    "Adm|Capt|[Cc]f|Cmdr|Col|Cpl|Fr|Ft|Gen|Gov|Hon|Lt|Maj|Messrs|Mlle|Mme|Pres|Rep|Rev|Sen|Sgt"
)
"""Abbreviations besides those that `tokenize` knows."""
_BEFORE_NUMBERS = re.compile(
    "[Nn]os?|Art|Ch|Figs?|Nr|Op|Sec|Vols?|al|approx|b|ca?|d|pp?|pop"
    "|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec"
)


def sentences_of_texts(texts: Iterable[str], source: str = "--text") -> list[Sentence]:
    """The sentences of each text; texts without any token are left out.

    Args:
        source: where they come from.

    Raises:
        UserError: nothing is left.
    """
    sentences = []
    for n, text in enumerate(texts, 1):
        for part, tokens in split_sentences(text):
            words, *offsets = zip(*tokens, strict=True)
            places = tuple(zip(*offsets, strict=True))
            sentences.append(Sentence(words, (), f"{source}:{n}", text=part, offsets=places))
    if not sentences:
        raise UserError(f"nothing to tag: {source} has no word")
    return sentences


def sentences_of_file(
    path: str, *, token_column: int = 0, encoding: str = "utf-8"
) -> list[Sentence]:
    """The sentences of a file.

    Files that end in .conll, .tsv, .bio or .iob (and .gz behind it) are column files, of which
    only the tokens are read; any other is text with one or more sentences a line.

    Raises:
        UserError: it cannot be read, or has no sentence.
    """
    if suffix_of(path) in COLUMN_SUFFIXES:
        return read_conll(path, token_column=token_column, tag_column=None, encoding=encoding)
    return sentences_of_texts(read_text(path, encoding=encoding).split("\n"), path)


def split_sentences(text: str) -> Iterator[tuple[str, list[Token]]]:
    """Splits a text into sentences.

    A sentence ends at `.`, `!`, `?` or `…`, closing quotes and brackets included, if white space
    follows and then, perhaps behind opening quotes or brackets, a digit or a letter that is not
    lower case. A full stop after an abbreviation, an initial or a number that begins the sentence
    (`1. Ada`) does not end it.

    Yields:
        Each sentence and its tokens, at least one, with their places in the sentence. The sentences
        joined are the text with all its white space.
    """
    tokens = tokenize(text)
    first = start = 0
    for n in range(1, len(tokens) + 1):
        if n == len(tokens) or _is_border(tokens, first, n):
            end = tokens[n].start if n < len(tokens) else len(text)
            places = [(word, a - start, b - start) for word, a, b in tokens[first:n]]
            yield text[start:end], [Token(*place) for place in places]
            first, start = n, end


def _is_border(tokens: Sequence[Token], first: int, n: int) -> bool:
    """Whether the sentence that begins with token `first` ends before token `n`."""
    if tokens[n - 1].end == tokens[n].start:
        return False
    last = n - 1
    while tokens[last].text in _CLOSING and tokens[last - 1].end == tokens[last].start:
        last -= 1
    mark = tokens[last].text
    if mark not in "!?…" and set(mark) != {"."}:
        return False
    while n < len(tokens) - 1 and tokens[n].text in _OPENING:
        n += 1
    begin = tokens[n].text[0]
    if not begin.isalnum() or begin.islower():
        return False
    before = tokens[last - 1].text if mark == "." and last > first else ""
    if _BEFORE_NAMES.fullmatch(before):
        return False
    if _BEFORE_NUMBERS.fullmatch(before) and begin.isdigit():
        return False
    return not (last == first + 1 and before.isdigit())
