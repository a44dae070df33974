"""Measures of attention: how widely it is spread, and whether it points at what a word names."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.errors import UserError

Box = tuple[int, int, int, int]
"""Top, left, bottom and right of a rectangle of pixels; bottom and right are not included."""

Region = Sequence[Box] | None
"""The boxes that a word refers to; None (or no box) where it refers to nothing."""

SUM_TOLERANCE = 0.01
"""How far from 1 a map may sum: the rounding of a bfloat16 softmax over hundreds of locations."""


class Pointing(NamedTuple):
    """How often attention pointed at what a word names.

    Attributes:
        hits: words whose most attended location lies in a box of their region.
        counted: words that have a region.
    """

    hits: int
    counted: int

    @property
    def accuracy(self) -> float:
        """Between 0 and 1; nan where no word has a region."""
        return self.hits / self.counted if self.counted else float("nan")


class WordEntropy(NamedTuple):
    """The mean entropy of the attention at a word, in nats, over its occurrences."""

    word: str
    mean: float
    occurrences: int


def entropy(maps: ArrayLike) -> np.ndarray:
    """How widely attention is spread, in nats: ``-sum_s a_s ln a_s``, where ``0 ln 0 = 0``.

    It is 0 where one location has it all, and ``ln S`` where all S have the same.

    Args:
        maps: `[..., S]`, the attention on each of S locations; not negative, sums to 1.

    Returns:
        float64 `[...]`.

    Raises:
        UserError: a number is negative or not finite, or a map does not sum to 1.
    """
    maps = np.asarray(maps, np.float64)
    sums = maps.sum(axis=-1)
    if (maps < 0).any() or not (np.abs(sums - 1) <= SUM_TOLERANCE).all():
        raise UserError(
            f"attention maps hold numbers of at least 0 and sum to 1; got numbers from "
            f"{maps.min():.4g}, sums from {sums.min():.4g} to {sums.max():.4g}"
        )
    return -(maps * np.log(np.where(maps > 0, maps, 1))).sum(axis=-1) + 0.0  # No -0.0.


def word_entropies(texts: Iterable[tuple[Sequence[str], ArrayLike]]) -> list[WordEntropy]:
    """The mean entropy of the attention at each word, the lowest first.

    Args:
        texts: the words of each text, and the attention at each word, `[T, ...]`.
    """
    found = defaultdict(list)
    for words, maps in texts:
        if len(words):
            for word, nats in zip(words, entropy(np.reshape(maps, (len(words), -1))), strict=True):
                found[word].append(float(nats))
    means = [WordEntropy(word, sum(all_) / len(all_), len(all_)) for word, all_ in found.items()]
    return sorted(means, key=lambda one: (one.mean, one.word))


def mean_maps(
    texts: Iterable[tuple[Sequence[str], ArrayLike]], words: Iterable[str]
) -> dict[str, np.ndarray]:
    """The mean attention over all words, and over all occurrences of some.

    Args:
        texts: the words of each text, and the attention at each word, `[T, rows, columns]`.
        words: each of them occurs.

    Returns:
        `[rows, columns]` by word, "all words" first; nothing where there are no words.
    """
    pairs = [(its, np.asarray(maps)) for its, maps in texts]
    every = np.array([word for its, _ in pairs for word in its])
    if not every.size:
        return {}
    maps = np.concatenate([maps for _, maps in pairs])
    return {"all words": maps.mean(axis=0)} | {
        word: maps[every == word].mean(axis=0) for word in words
    }


def pointing_accuracy(
    maps: ArrayLike, regions: Sequence[Region], size: tuple[int, int]
) -> Pointing:
    """Counts the words whose most attended location lies in what they name.

    The cells of a map divide the image evenly. The most attended location is the cell with the
    largest number, of several the first in reading order. It lies in a box if its centre does: in
    coordinates where pixel n reaches from n to n + 1,

    ::

        y = (row + 1/2) height / rows         top  <= y < bottom
        x = (column + 1/2) width / columns    left <= x < right

    Words without a region do not count. Counts of several texts may be added.

    Args:
        maps: `[T, rows, columns]`, one a word.
        regions: the T words' boxes, in pixels of the image; None where a word refers to nothing.
        size: height and width of the image, in pixels.
    """
    hits = counted = 0
    for map_, region in zip(np.asarray(maps), regions, strict=True):
        if region:
            cell = np.unravel_index(map_.argmax(), map_.shape)
            y, x = ((n + 0.5) * s / m for n, s, m in zip(cell, size, map_.shape, strict=True))
            counted += 1
            hits += any(
                top <= y < bottom and left <= x < right for top, left, bottom, right in region
            )
    return Pointing(hits, counted)
