"""Corpora of tagged sentences by name, and the files that people write them in."""

import itertools
import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from rnnjax.data.files import read_text
from rnnjax.data.named_splits import SPLITS, split_files
from rnnjax.data.tokens import Token, tokenize
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.tagging.config import TaggingConfig
from rnnjax.tasks.tagging.conll import read_conll
from rnnjax.tasks.tagging.schemes import (
    Scheme,
    Span,
    faults,
    prefix_and_type,
    scheme_of,
    spans_of,
    tags_of,
)
from rnnjax.tasks.tagging.sentences import Sentence, TaggedCorpus, types_of
from rnnjax.tasks.tagging.tfds_sentences import tagged_sentences

EMBEDDED = Path(__file__).parent / "embedded"

_PLAIN = re.compile(r"(?:[^\\\[\]|]|\\[\\\[\]|])*")
_TYPE = re.compile(r"[^\s\\\[\]|]+")
_ENTITY = re.compile(rf"\[({_PLAIN.pattern})\|({_TYPE.pattern})\]")
_ESCAPE = re.compile(r"\\(.)")


def load_tagged(config: TaggingConfig) -> TaggedCorpus:
    """Loads a corpus of tagged sentences, with its tags converted to BIO.

    `config.data` is `embedded`; `tfds:NAME` or `tfds:NAME:FEATURE`; a folder whose files say in
    their names which split they hold; or `train=PATH,validation=PATH,test=PATH` (see
    `rnnjax.data.named_splits`). A file that ends in .inline is read by `read_inline`, any other by
    `read_conll`.

    With `config.strict` a tag that the scheme does not allow in its place is an error; otherwise it
    is repaired as conlleval reads it, and counted.

    Args:
        config: which source, and how its files are read.

    Raises:
        UserError: there is no such source, it cannot be read, a split is missing, there is no
            entity in the training split, or one of a type there that others have.
    """

    def read(path: Path) -> list[Sentence]:
        if _is_inline(str(path)):
            return read_inline(str(path), encoding=config.encoding)
        columns = {"token_column": config.token_column, "tag_column": config.tag_column}
        return read_conll(str(path), **columns, encoding=config.encoding)

    source = config.data
    notes: Sequence[str] = ()
    if source.startswith("tfds:"):
        found = tagged_sentences(source.removeprefix("tfds:"))
        splits = {split: found[split] for split in SPLITS if split in found}
        for split in ("train", "validation"):
            if not splits.get(split):
                raise UserError(f"{source} has no {split} split with sentences in it")
    else:
        named = split_files(str(EMBEDDED) if source == "embedded" else source)
        notes = named.note_of_others()
        splits = named.read(read)
    scheme = scheme_of(sentence.tags for sentence in itertools.chain(*splits.values()))
    types = types_of(tag for sentence in splits["train"] for tag in sentence.tags)
    if not types:
        raise UserError(
            f"{source} has no entity in its training split: all its tags are O. "
            "--config.tag_column chooses the column of the tags, --config.token_column that of the "
            "tokens"
        )
    repaired = 0
    for sentence in itertools.chain(*splits.values()):
        out_of_place = faults(sentence.tags, scheme)
        if config.strict and out_of_place:
            raise _out_of_place(sentence, out_of_place[0], scheme)
        repaired += len(out_of_place)
        for n, tag in enumerate(sentence.tags):
            kind = prefix_and_type(tag)[1]
            if kind and kind not in types:
                raise UserError(
                    f"{_place(sentence, n)}: unknown tag {tag!r}, the training split has no entity "
                    f"of type {kind!r}: {did_you_mean(kind, types)}"
                )
    converted = {split: [_to_bio(s) for s in part] for split, part in splits.items()}
    return TaggedCorpus(converted, scheme, types, repaired, tuple(notes))


def _is_inline(path: str) -> bool:
    return path.removesuffix(".gz").endswith(".inline")


def _to_bio(sentence: Sentence) -> Sentence:
    tags = tags_of(spans_of(sentence.tags), len(sentence.tags), "BIO")
    return replace(sentence, tags=tuple(tags))


def _out_of_place(sentence: Sentence, n: int, scheme: Scheme) -> UserError:
    tags = ("the beginning", *map(repr, sentence.tags), "the end")
    return UserError(
        f"{_place(sentence, n)}: {tags[n + 1]} may not follow {tags[n]} in {scheme} tags. "
        f"Without strict reading it is repaired as conlleval does."
    )


def _place(sentence: Sentence, n: int) -> str:
    """The place of token `n`; only in column files is each on its own line."""
    n = min(n, len(sentence.tokens) - 1)
    path, _, line = sentence.source.rpartition(":")
    if not line.isdecimal() or _is_inline(path):
        return f"{sentence.source}, token {n + 1} ({sentence.tokens[n]!r})"
    return f"{path}:{int(line) + n}"


def read_inline(path: str, *, encoding: str = "utf-8") -> list[Sentence]:
    r"""The tagged sentences of a file, plain or .gz, at least one; tags as BIO.

    People read and write them: `[Marie Curie|PER] was born in [Warsaw|LOC].` There is a sentence a
    line. Blank lines are skipped, and a line that begins with `# ` is a comment. `\[`, `\]`, `\|`
    and `\\` are the characters themselves.

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
        for start, end in itertools.pairwise([token.start, *inner, token.end]):
            piece = token.text[start - token.start : end - token.start]
            for text, a, b in tokenize(piece) if inner else [Token(piece, 0, end - start)]:
                yield Token(text, start + a, start + b)
