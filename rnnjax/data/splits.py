"""Parts of a corpus held out by their share of the text."""

import itertools
from typing import NamedTuple

import numpy as np

from rnnjax.errors import UserError


class Segment(NamedTuple):
    """Symbols [start, end) of a corpus, from one document."""

    start: int
    end: int


def check_fractions(valid_fraction: float, test_fraction: float) -> None:
    """Raises UserError unless both are in [0, 1) and leave something to train on."""
    for name, value in (("valid_fraction", valid_fraction), ("test_fraction", test_fraction)):
        if not 0 <= value < 1:
            raise UserError(f"{name} must lie in [0, 1), got {value}")
    if valid_fraction + test_fraction >= 1:
        raise UserError(
            f"valid_fraction={valid_fraction} and test_fraction={test_fraction} leave no text "
            f"for training: their sum must be below 1"
        )


def split(document_ends: np.ndarray, fractions: dict[str, float]) -> dict[str, list[Segment]]:
    """Divides a corpus of documents; the same documents always give the same splits.

    Whole documents are held out, from the longest to the shortest: each adds its share to what the
    splits are owed, and goes to the split that is owed the most if that is at least half of its
    length. So every split has documents of all lengths. If the size of a split is off by more than
    half (there are few documents), the corpus is cut by position instead, training first.

    Args:
        document_ends: int [number of documents], where each document ends, in symbols; ascending,
            no document empty.
        fractions: {split name: fraction of the symbols}, in order of position, without "train",
            which takes the rest.

    Returns:
        {split name: segments in order}, "train" first.
    """
    by_document = _by_document(document_ends, fractions)
    for name, fraction in fractions.items():
        wanted = fraction * document_ends[-1]
        size = sum(segment.end - segment.start for segment in by_document[name])
        if abs(size - wanted) > wanted / 2:
            return _by_position(document_ends, fractions)
    return by_document


def _by_document(
    document_ends: np.ndarray, fractions: dict[str, float]
) -> dict[str, list[Segment]]:
    segments: dict[str, list[Segment]] = {name: [] for name in ("train", *fractions)}
    owed = dict.fromkeys(fractions, 0.0)
    lengths = np.diff(document_ends, prepend=0)
    for n in np.argsort(-lengths, kind="stable"):
        end, length = int(document_ends[n]), int(lengths[n])
        owed = {name: owed[name] + fraction * length for name, fraction in fractions.items()}
        chosen = max(owed, key=lambda name: owed[name], default="train")
        if chosen != "train" and owed[chosen] >= length / 2:
            owed[chosen] -= length
        else:
            chosen = "train"
        segments[chosen].append(Segment(end - length, end))
    return {name: sorted(its_segments) for name, its_segments in segments.items()}


def _by_position(
    document_ends: np.ndarray, fractions: dict[str, float]
) -> dict[str, list[Segment]]:
    length = int(document_ends[-1])
    share = 1 - sum(fractions.values())
    segments = {}
    start = 0
    for name, next_share in zip(("train", *fractions), (*fractions.values(), 0.0), strict=True):
        # Rounded so that 0.9 * 100 is 90, however the fractions were added up.
        end = int(round(share * length, 6))
        inner = document_ends[(document_ends > start) & (document_ends < end)].tolist()
        borders = [start, *inner, end] if end > start else []
        segments[name] = [Segment(*pair) for pair in itertools.pairwise(borders)]
        start, share = end, share + next_share
    return segments
