"""Sentences to be tagged: texts and files."""

from collections.abc import Iterable

from rnnjax.data.examples import suffix_of
from rnnjax.data.files import read_text
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.conll import read_conll
from rnnjax.tasks.tagging.sentence_splitter import split_sentences
from rnnjax.tasks.tagging.sentences import Sentence

COLUMN_SUFFIXES = (".bio", ".conll", ".iob", ".tsv")


def sentences_of_texts(texts: Iterable[str], source: str = "--text") -> list[Sentence]:
    """The sentences of each text; texts without any token are left out.

    Args:
        texts: of one or more sentences.
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

    Args:
        path: of the file.
        token_column: of column files.
        encoding: of the file.

    Raises:
        UserError: it cannot be read, or has no sentence.
    """
    if suffix_of(path) in COLUMN_SUFFIXES:
        return read_conll(path, token_column=token_column, tag_column=None, encoding=encoding)
    return sentences_of_texts(read_text(path, encoding=encoding).split("\n"), path)
