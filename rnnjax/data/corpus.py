"""Documents decoded, split, given a vocabulary and encoded."""

import contextlib
import hashlib
import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from rnnjax.data.documents import Document, texts
from rnnjax.data.streams import Stream
from rnnjax.data.vocabulary import LEVELS, NUM_CODE_POINTS, Level, Vocabulary, code_points
from rnnjax.errors import UserError, check_known

BLOCK = 1 << 20
"""Symbols encoded at a time."""

MEMORY_LIMIT = 1 << 28
"""Bytes an array may take in memory; larger ones are memory-mapped files."""

Segment = tuple[int, int]
"""Symbols [start, end) of a corpus, from one document."""


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
        """One line: the origin, and the sizes of the vocabulary and of every split.

        Symbols that the vocabulary does not know are told.
        """
        unit = "characters" if self.vocabulary.level == "char" else "bytes"
        sizes = ", ".join(
            f"{name} {len(stream.ids):,} {unit} in {len(stream.document_starts):,} "
            f"document{'s' if len(stream.document_starts) != 1 else ''}"
            + told_unknown(self.num_unknown(name))
            for name, stream in self.splits.items()
        )
        origin = self.origin and f"{self.origin}; "
        return f"{origin}vocabulary of {len(self.vocabulary)}; {sizes}"

    def num_unknown(self, split: str) -> int:
        """How many symbols of a split the vocabulary does not know."""
        if self.vocabulary.level == "byte":
            return 0
        return int(np.count_nonzero(self.splits[split].ids == 0))

    def digest(self) -> str:
        """The same for the same splits in the same vocabulary only."""
        found = hashlib.sha256(self.vocabulary.to_json().encode())
        for name, stream in self.splits.items():
            found.update(f"{name} {len(stream.ids)} {len(stream.document_starts)}".encode())
            found.update(np.ascontiguousarray(stream.ids).data)
            found.update(stream.document_starts.data)
        return found.hexdigest()


def told_unknown(count: int) -> str:
    """A phrase about symbols that a vocabulary lacks; empty if there are none."""
    return f" ({count:,} of them unknown to the vocabulary)" if count else ""


def build(
    documents: Mapping[str, Iterable[Document]],
    valid_fraction: float,
    name: str,
    level: Level,
    vocabulary: Vocabulary | None = None,
) -> Corpus:
    """Decodes documents, takes the validation split from "train" if it is missing, and encodes.

    Args:
        documents: {split name: its documents}, with "train" at least.
        valid_fraction: share of "train" that becomes "validation" if that has no documents.
        vocabulary: to use, with its own level; None: that of the training split.

    Raises:
        UserError: a document cannot be decoded, a split is empty, the disk is full.
    """
    level = vocabulary.level if vocabulary else level
    check_known("level", level, LEVELS)
    if not 0 <= valid_fraction < 1:
        raise UserError(f"valid_fraction must lie in [0, 1), got {valid_fraction}")
    if "train" not in documents:
        raise UserError(f"{name} has no training split, only {', '.join(documents)}")
    decoded: dict[str, np.ndarray] = {}
    segments: dict[str, list[Segment]] = {}
    for part, its_documents in documents.items():
        ends: list[int] = []
        decoding = _decode(its_documents, level, ends)
        values = joined_array(decoding, np.uint8 if level == "byte" else np.uint32)
        if not values.size:
            raise UserError(f"{name} is empty: there is no text in its {part} split")
        cut = part == "train" and valid_fraction > 0 and "validation" not in documents
        kept, held_out = split(np.array(ends), valid_fraction if cut else 0)
        pieces = {part: kept, "validation": held_out} if cut else {part: kept}
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
        blocks = _blocks(decoded[part], pieces_of_part)
        if level != "byte":
            blocks = (vocabulary.id_of_code_point[block] for block in blocks)
        lengths = [end - start for start, end in pieces_of_part]
        starts = np.cumsum([0, *lengths[:-1]])
        streams[part] = Stream(joined_array(blocks, vocabulary.dtype), starts)
    return Corpus(vocabulary, streams)


def split(document_ends: np.ndarray, fraction: float) -> tuple[list[Segment], list[Segment]]:
    """Divides a corpus of documents; the same documents always give the same splits.

    Whole documents are held out, from the longest to the shortest: each adds its share to what is
    owed to the held-out split, and goes there if at least half of its length is owed. So both
    splits have documents of all lengths. If the size of the held-out split is off by more than half
    (there are few documents), the corpus is cut by position instead, training first.

    Args:
        document_ends: int [number of documents], where each document ends, in symbols; ascending,
            no document empty.
        fraction: of the symbols, held out.

    Returns:
        The segments of the training split and of the held-out one, in order.
    """
    lengths = np.diff(document_ends, prepend=0)
    held_out = np.zeros(len(lengths), bool)
    owed = 0.0
    for n in np.argsort(-lengths, kind="stable"):
        owed += fraction * lengths[n]
        if owed >= lengths[n] / 2:
            owed -= lengths[n]
            held_out[n] = True
    borders = [0, *document_ends.tolist()]
    wanted = fraction * borders[-1]
    if abs(lengths[held_out].sum() - wanted) > wanted / 2:
        # Rounded so that 0.9 * 100 is 90 whatever 1 - 0.1 is in binary.
        cut = int(round((1 - fraction) * borders[-1], 6))
        borders = sorted({cut, *borders})
        held_out = np.array(borders[1:]) > cut
    segments = list(zip(itertools.pairwise(borders), held_out.tolist(), strict=True))
    return [one for one, held in segments if not held], [one for one, held in segments if held]


def _decode(documents: Iterable[Document], level: Level, ends: list[int]) -> Iterator[np.ndarray]:
    """Yields pieces of the documents; adds to `ends` where each that is not empty ends.

    Level "byte": bytes as they are; "char": code points as of `texts`, so that a text gives the
    same corpus wherever it was saved.
    """
    size = 0
    for document in documents:
        start = size
        pieces: Iterable[np.ndarray] = map(code_points, texts(document, or_bytes=True))
        if level == "byte":
            pieces = (np.frombuffer(chunk, np.uint8) for chunk in document.chunks)
        for piece in pieces:
            size += piece.size
            yield piece
        if size > start:
            ends.append(size)


def _blocks(values: np.ndarray, segments: list[Segment]) -> Iterator[np.ndarray]:
    for start, end in segments:
        for at in range(start, end, BLOCK):
            yield values[at : min(at + BLOCK, end)]


def joined_array(pieces: Iterable[np.ndarray], dtype: Any) -> np.ndarray:
    """All the values of some arrays [N], as one read-only array.

    Up to `MEMORY_LIMIT` bytes stay in memory. Larger arrays are written to an unnamed temporary
    file, which the operating system removes when the array is no longer used, even if the process
    is killed. Characters take 4 bytes there until they are encoded, and 1 or 2 from then on.

    Raises:
        UserError: the disk is full or cannot be written.
    """
    file = tempfile.SpooledTemporaryFile(MEMORY_LIMIT)  # noqa: SIM115
    try:
        for piece in pieces:
            file.write(piece.astype(dtype, copy=False).tobytes())
        file.flush()
        if file.tell() > MEMORY_LIMIT:
            return np.memmap(file, dtype, mode="r")  # type: ignore[call-overload]
        file.seek(0)
        return np.frombuffer(file.read(), dtype)
    except OSError as error:
        raise UserError(
            f"cannot keep the encoded text in {tempfile.gettempdir()}: {error.strerror}. It is "
            f"too large for memory, so it needs a folder with free space (set TMPDIR)"
        ) from error
    finally:
        # Closing a file on a full disk fails again; the first failure is the one to report.
        with contextlib.suppress(OSError):
            file.close()
