"""How likely texts are to a language model."""

import math
import sys
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np


def perplexity(nats: float) -> float:
    """``exp(nats)`` of a mean loss; infinite where that is beyond all numbers."""
    return math.exp(nats) if nats < math.log(sys.float_info.max) else math.inf


class TextScore(NamedTuple):
    """How likely a text is to a language model.

    Attributes:
        text: the text.
        log_probability: of each character after all before it, nats `[len(text)]`; nan where
            nothing was before it.
        rank: 1 where the character was the likeliest, 2 where it was the second `[len(text)]`; of
            a character of several symbols, that of its worst; 0 where nothing was before it.
    """

    text: str
    log_probability: np.ndarray
    rank: np.ndarray

    @classmethod
    def of_symbols(
        cls, text: str, lengths: Sequence[int], log_probability: np.ndarray, rank: np.ndarray
    ) -> Self:
        """The scores of characters by those of their symbols, of which each has so many."""
        starts = np.cumsum([0, *lengths[:-1]])
        found, worst = np.add.reduceat(log_probability, starts), np.maximum.reduceat(rank, starts)
        return cls(text, found, np.where(np.isnan(found), 0, worst))

    @property
    def num_scored(self) -> int:
        """Characters that have a score."""
        return int(np.isfinite(self.log_probability).sum())

    @property
    def total(self) -> float:
        """Log-probability of the text in nats: the sum over its characters."""
        return float(np.nansum(self.log_probability))

    @property
    def bits_per_character(self) -> float:
        """``-total / (num_scored log 2)``; nan for a text without scores."""
        return -self.total / math.log(2) / self.num_scored if self.num_scored else math.nan

    @property
    def perplexity(self) -> float:
        """``exp(-total / num_scored)``, per character; nan for a text without scores."""
        return perplexity(-self.total / self.num_scored) if self.num_scored else math.nan
