"""Documents decoded, split, given a vocabulary and encoded."""

import functools
import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.data.decoding import Document, symbols
from rnnjax.data.growing_array import Tape
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
    """

    vocabulary: Vocabulary
    splits: dict[str, Stream]

    def describe(self) -> str:
        """One line: the sizes of the vocabulary and of every split."""
        unit = "characters" if self.vocabulary.level == "char" else "bytes"
        sizes = ", ".join(
            f"{name} {len(stream.ids):,} {unit} in {len(stream.document_starts):,} "
            f"document{'s' if len(stream.document_starts) != 1 else ''}"
            for name, stream in self.splits.items()
        )
        return f"vocabulary of {len(self.vocabulary)}; {sizes}"


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
    """Decodes documents, splits off what "train" must give up, and encodes.

    Args:
        documents: {split name: its documents}, with "train" at least.
        name: of the source, for messages.
        level: "char" or "byte".
        valid_fraction: see `rnnjax.data.load`.
        test_fraction: see `rnnjax.data.load`.
        vocabulary: see `rnnjax.data.load`.
        memory_limit: bytes.
        temporary_folder: see `rnnjax.data.load`.

    Returns:
        The corpus.

    Raises:
        UserError: a document cannot be decoded, a split is empty, the disk is full.
    """
    check_fractions(valid_fraction, test_fraction)
    if "train" not in documents:
        raise UserError(f"{name} has no training split, only {', '.join(documents)}")
    fractions = {"validation": valid_fraction, "test": test_fraction}
    fractions = {k: f for k, f in fractions.items() if f > 0 and k not in documents}

    new_tape = functools.partial(Tape, memory_limit=memory_limit, folder=temporary_folder)
    decoded: dict[str, np.ndarray] = {}
    segments: dict[str, list[Segment]] = {}
    for part, its_documents in documents.items():
        with new_tape(np.uint8 if level == "byte" else np.uint32) as tape:
            ends = _decode(its_documents, level, tape)
            values = tape.finish()
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
        vocabulary = _vocabulary(decoded["train"], segments["train"])
    streams: dict[str, Stream] = {}
    for part in segments:
        with new_tape(vocabulary.dtype) as tape:
            streams[part] = _encode(decoded[part], segments[part], vocabulary, tape)
    return Corpus(vocabulary, streams)


def _decode(documents: Iterable[Document], level: Level, tape: Tape) -> np.ndarray:
    """Writes the documents to `tape`; returns where each that is not empty ends."""
    ends = []
    news = time.monotonic() + SECONDS_BETWEEN_NEWS
    for document in documents:
        start = len(tape)
        for piece in symbols(document, level):
            tape.append(piece)
            if time.monotonic() > news:
                _log.info("reading %s: %.0f million symbols so far", document.name, len(tape) / 1e6)
                news = time.monotonic() + SECONDS_BETWEEN_NEWS
        if len(tape) > start:
            ends.append(len(tape))
    return np.array(ends, np.int64)


def _vocabulary(code_points: np.ndarray, segments: list[Segment]) -> Vocabulary:
    seen = np.zeros(NUM_CODE_POINTS, bool)
    for block in _blocks(code_points, segments):
        seen[block] = True
    return Vocabulary.of_text(map(chr, np.flatnonzero(seen).tolist()))


def _encode(
    decoded: np.ndarray, segments: list[Segment], vocabulary: Vocabulary, tape: Tape
) -> Stream:
    for block in _blocks(decoded, segments):
        tape.append(block if vocabulary.level == "byte" else vocabulary.id_of_code_point[block])
    lengths = [segment.end - segment.start for segment in segments]
    return Stream(tape.finish(), np.cumsum([0, *lengths[:-1]]))


def _blocks(values: np.ndarray, segments: list[Segment]) -> Iterator[np.ndarray]:
    for start, end in segments:
        for at in range(start, end, BLOCK):
            yield values[at : min(at + BLOCK, end)]
