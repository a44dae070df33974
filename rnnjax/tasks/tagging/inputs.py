"""Sentences to be tagged: texts and files."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rnnjax.data.examples import suffix_of
from rnnjax.data.files import read_text
from rnnjax.data.tokens import tokenize
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.conll import read_tokens
from rnnjax.tasks.tagging.predictions import TaggedSentence
from rnnjax.tasks.tagging.sentences import Sentence

COLUMN_SUFFIXES = (".bio", ".conll", ".iob", ".tsv")


class Inputs(NamedTuple):
    """Sentences and the texts that they come from.

    Attributes:
        sentences: at least one.
        texts: the text of each; None where the sentences came as tokens.
    """

    sentences: Sequence[Sentence]
    texts: Sequence[str] | None = None

    def with_texts(self, tagged: Iterable[TaggedSentence]) -> list[TaggedSentence]:
        """Adds to each tagged sentence its text and the places of its tokens in the text."""
        if self.texts is None:
            return list(tagged)
        return [
            one._replace(text=text, offsets=tuple((t.start, t.end) for t in tokenize(text)))
            for one, text in zip(tagged, self.texts, strict=True)
        ]


def sentences_of_texts(texts: Iterable[str], source: str = "--text") -> Inputs:
    """A sentence of each text; those without any token are left out.

    Args:
        texts: of any length.
        source: where they come from.

    Raises:
        UserError: nothing is left.
    """
    kept = {
        f"{source}:{n}": (text, tuple(token.text for token in tokenize(text)))
        for n, text in enumerate(texts, 1)
        if text.strip()
    }
    if not kept:
        raise UserError(f"nothing to tag: {source} has no word")
    sentences = [Sentence(tokens, (), at, 0) for at, (_, tokens) in kept.items()]
    return Inputs(sentences, [text for text, _ in kept.values()])


def sentences_of_file(path: str, *, token_column: int = 0, encoding: str = "utf-8") -> Inputs:
    """The sentences of a file.

    Files that end in .conll, .tsv, .bio or .iob (and .gz behind it) are column files, of which
    only the tokens are read; any other is text with a sentence a line.

    Args:
        path: of the file.
        token_column: of column files.
        encoding: of the file.

    Raises:
        UserError: it cannot be read, or has no sentence.
    """
    if suffix_of(path) in COLUMN_SUFFIXES:
        return Inputs(read_tokens(path, token_column=token_column, encoding=encoding))
    return sentences_of_texts(read_text(path, encoding=encoding).split("\n"), path)
