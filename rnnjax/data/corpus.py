"""Documents decoded, split, given a vocabulary and encoded."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data.documents import Document, symbols
from rnnjax.data.growing_array import GrowingArray
from rnnjax.data.splits import Segment, check_fractions, split
from rnnjax.data.streams import Stream
from rnnjax.data.vocabulary import NUM_CODE_POINTS, Level, Vocabulary, check_level
from rnnjax.errors import UserError

BLOCK = 1 << 20
"""Symbols encoded at a time."""

SECONDS_BETWEEN_NEWS = 5.0

_log = logging.getLogger(__name__)


class Corpus(NamedTuple):
    """An encoded text.

    Attributes:
        vocabulary: of the training split, unless one was given.
        splits: "train", and "validation" and "test" where there are such; a source's own further
            splits under their own names.
        origin: which files the splits come from, where there are several files.
    """

    vocabulary: Vocabulary
    splits: dict[str, Stream]
    origin: str = ""

    def describe(self) -> str:
        """One line: the origin, and the sizes of the vocabulary and of every split."""
        unit = "characters" if self.vocabulary.level == "char" else "bytes"
        sizes = ", ".join(
            f"{name} {len(stream.ids):,} {unit} in {len(stream.document_starts):,} "
            f"document{'s' if len(stream.document_starts) != 1 else ''}"
            for name, stream in self.splits.items()
        )
        origin = self.origin and f"{self.origin}; "
        return f"{origin}vocabulary of {len(self.vocabulary)}; {sizes}"


def build(
    documents: Mapping[str, Iterable[Document]],
    fractions: Mapping[str, float],
    name: str,
    level: Level,
    vocabulary: Vocabulary | None = None,
    new_array: Callable[[Any], GrowingArray] = GrowingArray,
) -> Corpus:
    """Decodes documents, takes the missing splits from "train", and encodes.

    Args:
        documents: {split name: its documents}, with "train" at least.
        fractions: {"validation", "test": share of "train" that becomes this split if it has no
            documents}.
        name: of the source, for messages.
        level: "char" or "byte".
        vocabulary: to use, with its own level; None: that of the training split.
        new_array: makes an array of a dtype.

    Raises:
        UserError: a document cannot be decoded, a split is empty, the disk is full.
    """
    level = vocabulary.level if vocabulary else level
    check_level(level)
    check_fractions(fractions["validation"], fractions["test"])
    if "train" not in documents:
        raise UserError(f"{name} has no training split, only {', '.join(documents)}")
    fractions = {k: f for k, f in fractions.items() if f > 0 and k not in documents}
    decoded: dict[str, np.ndarray] = {}
    segments: dict[str, list[Segment]] = {}
    for part, its_documents in documents.items():
        with new_array(np.uint8 if level == "byte" else np.uint32) as array:
            ends = _decode(its_documents, level, array)
            values = array.finish()
        if not values.size:
            raise UserError(f"{name} is empty: there is no text in its {part} split")
        pieces = split(ends, fractions if part == "train" else {})
        pieces = {part if key == "train" else key: pieces[key] for key in pieces}
        decoded |= dict.fromkeys(pieces, values)
        segments |= pieces
    for part in segments:
        if not segments[part]:
            raise UserError(
                f"{name} has {len(decoded[part])} symbols in all: too few for its splits, "
                f"{', '.join(segments)}"
            )

    if vocabulary is None and level == "byte":
        vocabulary = Vocabulary.of_bytes()
    elif vocabulary is None:
        seen = np.zeros(NUM_CODE_POINTS, bool)
        for block in _blocks(decoded["train"], segments["train"]):
            seen[block] = True
        vocabulary = Vocabulary.of_text(map(chr, np.flatnonzero(seen).tolist()))
    streams: dict[str, Stream] = {}
    for part, pieces_of_part in segments.items():
        with new_array(vocabulary.dtype) as array:
            for block in _blocks(decoded[part], pieces_of_part):
                array.append(block if level == "byte" else vocabulary.id_of_code_point[block])
            lengths = [segment.end - segment.start for segment in pieces_of_part]
            streams[part] = Stream(array.finish(), np.cumsum([0, *lengths[:-1]]))
    return Corpus(vocabulary, streams)


def _decode(documents: Iterable[Document], level: Level, array: GrowingArray) -> np.ndarray:
    """Writes the documents to `array`; returns where each that is not empty ends."""
    ends = []
    news = time.monotonic() + SECONDS_BETWEEN_NEWS
    for document in documents:
        start = len(array)
        for piece in symbols(document, level):
            array.append(piece)
            if time.monotonic() > news:
                _log.info(
                    "reading %s: %.0f million symbols so far", document.name, len(array) / 1e6
                )
                news = time.monotonic() + SECONDS_BETWEEN_NEWS
        if len(array) > start:
            ends.append(len(array))
    return np.array(ends, np.int64)


def _blocks(values: np.ndarray, segments: list[Segment]) -> Iterator[np.ndarray]:
    for start, end in segments:
        for at in range(start, end, BLOCK):
            yield values[at : min(at + BLOCK, end)]
