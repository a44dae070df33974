"""An n-gram model of symbols, smoothed by interpolation: what a recurrent model has to beat."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

BEGIN = -1
"""Stands before the first symbol of every sequence."""


class WittenBell:
    """An interpolated n-gram model.

    ::

        p(w | h) = (c(h w) + t(h) p(w | h')) / (c(h) + t(h))

    c(h w) counts w after the history h, c(h) is its sum over w, t(h) the number of different w
    after h, and h' is h without its oldest symbol. Below the empty history stands 1 / V.

    References:
        Witten & Bell 1991, "The zero-frequency problem", method C; Chen & Goodman 1999, "An
        empirical study of smoothing techniques for language modeling", section 2.5.
    """

    def __init__(self, sequences: Iterable[Sequence[int]], vocab_size: int, order: int = 5):
        """Counts.

        Args:
            sequences: symbols 0 .. V - 1, the end symbol last.
            vocab_size: V.
            order: n, symbols of an n-gram.
        """
        self._vocab_size, self._order = vocab_size, order
        self._counts: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
        for sequence in sequences:
            for history, symbol in self._steps(sequence):
                for size in range(len(history) + 1):
                    self._counts[history[len(history) - size :]][symbol] += 1
        self._totals = {history: c.total() for history, c in self._counts.items()}

    def log_probabilities(self, sequence: Sequence[int]) -> np.ndarray:
        """log p(symbol | those before it) of each symbol of a sequence, `[T]`."""
        return np.log([self.probability(*step) for step in self._steps(sequence)])

    def probability(self, history: tuple[int, ...], symbol: int) -> float:
        """p(symbol | history); the history begins with `BEGIN`, or has n - 1 symbols."""
        p = 1 / self._vocab_size
        for size in range(len(history) + 1):
            followers = self._counts.get(history[len(history) - size :])
            if followers is None:  # So is every longer history.
                break
            total, kinds = self._totals[history[len(history) - size :]], len(followers)
            p = (followers[symbol] + kinds * p) / (total + kinds)
        return p

    def _steps(self, sequence: Sequence[int]) -> Iterable[tuple[tuple[int, ...], int]]:
        symbols = (BEGIN, *sequence)
        for n in range(1, len(symbols)):
            yield symbols[max(0, n - self._order + 1) : n], symbols[n]
