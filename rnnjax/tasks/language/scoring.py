"""How likely texts are to a language model."""

import functools
import math
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax.losses import target_log_probability
from rnnjax.models.language_model import LanguageModel
from rnnjax.typing import Array, Carry

MAX_ROWS = 32
MAX_STEPS = 256


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


def score_of_text(
    text: str, lengths: Sequence[int], log_probability: np.ndarray, rank: np.ndarray
) -> TextScore:
    """Puts the scores of symbols together to scores of characters.

    Args:
        text: at least one character.
        lengths: of how many symbols each character is; 1, or its bytes.
        log_probability: of the symbols, nats `[sum(lengths)]`.
        rank: of the symbols `[sum(lengths)]`.
    """
    starts = np.cumsum([0, *lengths[:-1]])
    return TextScore(
        text, np.add.reduceat(log_probability, starts), np.maximum.reduceat(rank, starts)
    )


def score(
    model: LanguageModel, texts: Sequence[np.ndarray], prompt: np.ndarray
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Scores texts, each by itself, side by side.

    They are sorted by length and read in blocks of one shape, so that little is read in vain and
    one program is compiled, however long or many they are.

    Args:
        model: the language model.
        texts: int `[N]` each, N >= 1.
        prompt: int `[P]`, read before each text; if P = 0, the first symbol of a text has no score.

    Returns:
        In the order of the texts, the log-probability of each symbol after all before it, in nats
        `[N]`, nan where nothing was; and its rank, 1 for the likeliest symbol at its place, 2 for
        the next `[N]`; 0 where nothing was.
    """
    graph, params = nnx.split(model)
    sequences = [np.concatenate([prompt, text]).astype(np.int32) for text in texts]
    num_targets = [len(sequence) - 1 for sequence in sequences]
    num_steps = min(MAX_STEPS, 1 << (max(num_targets, default=1)).bit_length())
    num_rows = min(MAX_ROWS, len(sequences))
    unscored = np.full((1, num_rows), np.nan), np.zeros((1, num_rows), int)
    found = {}
    by_length = sorted(range(len(sequences)), key=lambda n: num_targets[n])
    for first in range(0, len(by_length), num_rows):
        chosen = by_length[first : first + num_rows]
        num_blocks = max(1, -(-num_targets[chosen[-1]] // num_steps))
        padded = np.zeros((num_blocks * num_steps + 1, num_rows), np.int32)
        for row, n in enumerate(chosen):
            padded[: len(sequences[n]), row] = sequences[n]
        carry = model.initial_carry(num_rows)
        blocks = []
        for start in range(0, num_blocks * num_steps, num_steps):
            inputs, targets = padded[start:][:num_steps], padded[start + 1 :][:num_steps]
            carry, scores = _read(graph, params, carry, inputs, targets)
            blocks.append(scores)
        read = zip(unscored, *jax.device_get(blocks), strict=True)
        log_probability, rank = map(np.concatenate, read)
        for row, n in enumerate(chosen):
            text = slice(len(prompt), len(sequences[n])), row
            found[n] = log_probability[text], rank[text]
    return [found[n] for n in range(len(texts))]


@functools.partial(jax.jit, static_argnums=0)
def _read(
    graph: nnx.GraphDef, params: Any, carry: Carry, inputs: Array, targets: Array
) -> tuple[Carry, tuple[Array, Array]]:
    logits, carry = nnx.merge(graph, params)(inputs, carry)
    log_probability = target_log_probability(logits, targets)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)
    return carry, (log_probability, 1 + jnp.sum(logits > chosen, axis=-1))
