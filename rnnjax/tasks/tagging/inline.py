r"""Tagged text that people read and write: `[Marie Curie|PER] was born in [Warsaw|LOC].`

There is a sentence a line. Blank lines are skipped, and a line that begins with `# ` is a comment.
`\[`, `\]`, `\|` and `\\` are the characters themselves.
"""

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import pairwise

from rnnjax.data.files import read_text
from rnnjax.data.tokens import Token, tokenize
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.schemes import Span, tags_of
from rnnjax.tasks.tagging.sentences import Sentence

_PLAIN = re.compile(r"(?:[^\\\[\]|]|\\[\\\[\]|])*")
_TYPE = re.compile(r"[^\s\\\[\]|]+")
_ENTITY = re.compile(rf"\[({_PLAIN.pattern})\|({_TYPE.pattern})\]")
_ESCAPE = re.compile(r"\\(.)")


def read_inline(path: str, *, encoding: str = "utf-8") -> list[Sentence]:
    """The tagged sentences of a file, plain or .gz, at least one; tags as BIO.

    Raises:
        UserError: there is no such file, it is not text, an entity is not written as it should be,
            or there is no sentence. Names file, line and column.
    """
    sentences = []
    for n, line in enumerate(read_text(path, encoding=encoding).split("\n"), 1):
        if line.strip() and not line.startswith("# "):
            sentences.append(parse(line, f"{path}:{n}"))
    if not sentences:
        raise UserError(f"{path} has no sentence: all its lines are blank or comments")
    return sentences


def parse(line: str, source: str) -> Sentence:
    """The sentence of a line.

    The text is tokenized without its marks; tokens that cross the border of an entity are cut.

    Args:
        line: with its entities marked.
        source: its place, for messages: `FILE:LINE`.

    Raises:
        UserError: an entity is not written as it should be; names the column, from 1.
    """
    text, entities = _text_and_entities(line, source)
    tokens = list(_cut(tokenize(text), {border for span in entities for border in span[:2]}))
    starts = [token.start for token in tokens]
    spans = [
        Span(bisect_left(starts, start), bisect_left(starts, end), kind)
        for start, end, kind in entities
    ]
    words = tuple(token.text for token in tokens)
    return Sentence(words, tuple(tags_of(spans, len(words), "BIO")), source)


def _text_and_entities(line: str, source: str) -> tuple[str, list[Span]]:
    """The text without its marks, and the entities in characters of it."""
    text = ""
    entities = []
    at = 0
    while at < len(line):
        plain = _PLAIN.match(line, at)
        assert plain is not None  # it matches the empty string
        text += _ESCAPE.sub(r"\1", plain[0])
        at = plain.end()
        if entity := _ENTITY.match(line, at):
            start = len(text)
            text += _ESCAPE.sub(r"\1", entity[1])
            if not text[start:].strip():
                raise UserError(f"{source}:{at + 1}: an entity without text, {entity[0]!r}")
            entities.append(Span(start, len(text), entity[2]))
            at = entity.end()
        elif at < len(line):
            raise UserError(
                f"{source}:{at + 1}: {line[at : at + 20]!r} is no entity: expected [WORDS|TYPE]; "
                r"elsewhere a \ stands before [, ], | and \, and before nothing else"
            )
    return text, entities


def _cut(tokens: Sequence[Token], borders: set[int]) -> Iterator[Token]:
    """The tokens, those that reach over a border in pieces."""
    for token in tokens:
        inner = sorted(border for border in borders if token.start < border < token.end)
        for start, end in pairwise([token.start, *inner, token.end]):
            piece = token.text[start - token.start : end - token.start]
            for text, a, b in tokenize(piece) if inner else [Token(piece, 0, end - start)]:
                yield Token(text, start + a, start + b)
