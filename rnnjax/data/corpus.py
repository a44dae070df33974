"""Documents decoded, split, given a vocabulary and encoded."""

import functools
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.data.documents import Document, symbols
from rnnjax.data.growing_array import GrowingArray
from rnnjax.data.splits import Segment, check_fractions, split
from rnnjax.data.streams import Stream
from rnnjax.data.vocabulary import NUM_CODE_POINTS, Level, Vocabulary
from rnnjax.errors import UserError

MEMORY_LIMIT = 1 << 28
"""Bytes an array of symbols may take in memory; larger ones are memory-mapped files."""

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
    *,
    name: str,
    level: Level,
    valid_fraction: float,
    test_fraction: float,
    vocabulary: Vocabulary | None = None,
    memory_limit: int = MEMORY_LIMIT,
    temporary_folder: Path | None = None,
) -> Corpus:
    """Decodes documents, takes the missing splits from "train", and encodes.

    Args:
        documents: {split name: its documents}, with "train" at least.
        name: of the source, for messages.
        level: "char" or "byte".
        valid_fraction: this and the other arguments: see `rnnjax.data.load`.
        test_fraction: part of the text.
        vocabulary: to use.
        memory_limit: bytes.
        temporary_folder: for memory-mapped files.

    Raises:
        UserError: a document cannot be decoded, a split is empty, the disk is full.
    """
    check_fractions(valid_fraction, test_fraction)
    if "train" not in documents:
        raise UserError(f"{name} has no training split, only {', '.join(documents)}")
    fractions = {"validation": valid_fraction, "test": test_fraction}
    fractions = {k: f for k, f in fractions.items() if f > 0 and k not in documents}

    new_array = functools.partial(GrowingArray, memory_limit=memory_limit, folder=temporary_folder)
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
