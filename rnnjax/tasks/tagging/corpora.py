"""Corpora of tagged sentences by name."""

import itertools
from dataclasses import replace
from pathlib import Path

from rnnjax.data.named_splits import split_files
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.tagging.conll import read_conll
from rnnjax.tasks.tagging.inline import read_inline
from rnnjax.tasks.tagging.schemes import faults, prefix_and_type, scheme_of, spans_of, tags_of
from rnnjax.tasks.tagging.sentences import Sentence, TaggedCorpus, types_of

EMBEDDED = Path(__file__).parent / "embedded"


def load_tagged(
    source: str,
    *,
    token_column: int = 0,
    tag_column: int = -1,
    encoding: str = "utf-8",
) -> TaggedCorpus:
    """Loads a corpus of tagged sentences, with its tags converted to BIO.

    Tags that the scheme does not allow in their place are repaired as conlleval reads them, and
    counted.

    Args:
        source: `embedded`; a folder whose files say in their names which split they hold; or
            `train=PATH,validation=PATH,test=PATH` (see `rnnjax.data.named_splits`). A file that
            ends in .inline is read by `read_inline`, any other by `read_conll`.
        token_column: of column files; see `read_conll`.
        tag_column: likewise.
        encoding: of files.

    Raises:
        UserError: there is no such source, it cannot be read, a split is missing, there is no
            entity in the training split, or one of a type there that others have.
    """

    def read(path: str) -> list[Sentence]:
        if _is_inline(path):
            return read_inline(path, encoding=encoding)
        columns = {"token_column": token_column, "tag_column": tag_column}
        return read_conll(path, **columns, encoding=encoding)

    named = split_files(str(EMBEDDED) if source == "embedded" else source)
    splits = {
        split: [sentence for path in paths for sentence in read(str(path))]
        for split, paths in named.files.items()
    }
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
        repaired += len(faults(sentence.tags, scheme))
        for n, tag in enumerate(sentence.tags):
            kind = prefix_and_type(tag)[1]
            if kind and kind not in types:
                raise UserError(
                    f"{_place(sentence, n)}: unknown tag {tag!r}, the training split has no entity "
                    f"of type {kind!r}: {did_you_mean(kind, types)}"
                )
    converted = {split: [_to_bio(s) for s in part] for split, part in splits.items()}
    return TaggedCorpus(converted, scheme, types, repaired, tuple(named.note_of_others()))


def _is_inline(path: str) -> bool:
    return path.removesuffix(".gz").endswith(".inline")


def _to_bio(sentence: Sentence) -> Sentence:
    tags = tags_of(spans_of(sentence.tags), len(sentence.tags), "BIO")
    return replace(sentence, tags=tuple(tags))


def _place(sentence: Sentence, n: int) -> str:
    """The place of token `n`; only in column files is each on its own line."""
    path, _, line = sentence.source.rpartition(":")
    if not line.isdecimal() or _is_inline(path):
        return f"{sentence.source}, token {n + 1} ({sentence.tokens[n]!r})"
    return f"{path}:{int(line) + n}"
