"""Corpora of tagged sentences by name, and the files that people write them in."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rnnjax.data.files import read_text
from rnnjax.data.named_splits import SPLITS, split_files
from rnnjax.data.tfds import TfdsDataset
from rnnjax.data.tokens import tokenize
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.tagging.config import TaggingConfig
from rnnjax.tasks.tagging.conll import read_conll
from rnnjax.tasks.tagging.schemes import (
    Scheme,
    Span,
    faults,
    is_tag,
    prefix_and_type,
    scheme_of,
    spans_of,
    tags_of,
)
from rnnjax.tasks.tagging.sentences import Sentence, TaggedCorpus, types_of

EMBEDDED = Path(__file__).parent / "embedded"

_ENTITY = re.compile(r"\[([^\[\]|]*[^\[\]|\s][^\[\]|]*)\|([^\[\]|\s]+)\]")


def load_tagged(config: TaggingConfig) -> TaggedCorpus:
    """Loads a corpus of tagged sentences, with its tags converted to BIO.

    `config.data` is `embedded`; `tfds:NAME` or `tfds:NAME:FEATURE`; a folder whose files say in
    their names which split they hold; or `train=PATH,validation=PATH,test=PATH` (see
    `rnnjax.data.named_splits`). A file that ends in .inline is read by `read_inline`, any other by
    `read_conll`.

    With `config.strict` a tag that the scheme does not allow in its place is an error; otherwise it
    is repaired as conlleval reads it, and counted.

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
        found = _of_tfds(source.removeprefix("tfds:"))
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


def _of_tfds(spec: str) -> dict[str, list[Sentence]]:
    """The splits of `NAME` or `NAME:FEATURE`, tags as they are written there.

    The feature holds the tags: a sequence of class labels such as B-PER. Without one it is `ner`,
    or the only such sequence. The tokens are `tokens`, or the only sequence of texts.
    """
    dataset = TfdsDataset(spec)
    tokens = dataset.choose("sequence of texts", _holds_texts, usual="tokens", by_user=False)
    tags = dataset.choose("sequence of class labels such as B-PER", _holds_tags, usual="ner")
    names = dataset.features[tags].feature.names

    def sentence(example: Any, place: str) -> Sentence:
        words = tuple(bytes(word).decode() for word in example[tokens])
        labels = [int(label) for label in example[tags]]
        if not words or len(words) != len(labels):
            raise UserError(
                f"{place}: {len(words)} tokens in {tokens!r} and {len(labels)} tags in {tags!r}: "
                f"expected as many, and at least one"
            )
        if min(labels) < 0:
            raise UserError(f"{place} has a token without a tag (class {min(labels)})")
        return Sentence(words, tuple(names[n] for n in labels), place)

    return dataset.read(sentence)


def _holds_texts(feature: Any) -> bool:
    from tensorflow_datasets.core.features import Text

    return isinstance(getattr(feature, "feature", None), Text)


def _holds_tags(feature: Any) -> bool:
    from tensorflow_datasets.core.features import ClassLabel

    inner = getattr(feature, "feature", None)
    return isinstance(inner, ClassLabel) and all(map(is_tag, inner.names))


def read_inline(path: str, *, encoding: str = "utf-8") -> list[Sentence]:
    """The tagged sentences of a file, plain or .gz, at least one; tags as BIO.

    People read and write them: `[Marie Curie|PER] was born in [Warsaw|LOC].` There is a sentence a
    line. Blank lines are skipped, and a line that begins with `# ` is a comment.

    Raises:
        UserError: there is no such file, it is not text, an entity is not written as it should be,
            or there is no sentence. Names file and line.
    """
    sentences = []
    for n, line in enumerate(read_text(path, encoding=encoding).split("\n"), 1):
        if line.strip() and not line.startswith("# "):
            sentences.append(parse(line, f"{path}:{n}"))
    if not sentences:
        raise UserError(f"{path} has no sentence: all its lines are blank or comments")
    return sentences


def parse(line: str, source: str) -> Sentence:
    """The sentence of a line with its entities marked; each is split into tokens by itself.

    Raises:
        UserError: an entity is not written as it should be; begins with `source`.
    """
    tokens: list[str] = []
    spans = []
    start = 0
    for n, part in enumerate(_ENTITY.split(line)):  # text, entity, type, text, entity, ...
        if n % 3 == 2:
            spans.append(Span(start, len(tokens), part))
        elif mark := re.search(r"[\[\]|]", part):
            raise UserError(
                f"{source}: {part[mark.start() :][:20]!r} is no entity: expected [WORDS|TYPE], and "
                "no [, ] or | besides"
            )
        else:
            start = len(tokens)
            tokens += [token.text for token in tokenize(part)]
    return Sentence(tuple(tokens), tuple(tags_of(spans, len(tokens), "BIO")), source)
