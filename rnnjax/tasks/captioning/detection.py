"""Words that are somewhere in an image, learned from captions that do not say where."""

import jax
import jax.numpy as jnp

from rnnjax.typing import Array

_LEAST = 1e-30
"""Probability that a word is thought to be in an image with at least, for a finite logarithm."""


def log_absence(scores: Array) -> Array:
    """How likely it is that no location shows a word.

    ::

        log P(w is nowhere) = sum_i log(1 - sigmoid(s_iw)) = -sum_i softplus(s_iw)

    Args:
        scores: `[B, S, V]`, of each word at each location.

    Returns:
        `[B, V]`, at most 0.

    References:
        The "noisy or" of Viola et al. 2006, "Multiple instance boosting for object detection", as
        Fang et al. 2015, "From captions to visual concepts and back", section 3, find words by it.
    """
    return -jax.nn.softplus(scores).sum(axis=1)


def nats(absence: Array, present: Array) -> Array:
    """The cross entropy of which words are in an image, summed over the words: `[B]`.

    ::

        -sum_(w present) log(1 - P(w is nowhere)) - sum_(w absent) log P(w is nowhere)

    Args:
        absence: `[B, V]`, see `log_absence`.
        present: bool `[B, V]`.
    """
    log_presence = jnp.log(-jnp.expm1(jnp.minimum(absence, -_LEAST)))
    return -jnp.where(present, log_presence, absence).sum(axis=-1)


def words_present(words: Array, mask: Array, vocab_size: int) -> Array:
    """Which words captions have.

    Args:
        words: int `[T, B]`.
        mask: bool `[T, B]`; what is not in it does not count.
        vocab_size: V.

    Returns:
        bool `[B, V]`.
    """
    rows = jnp.arange(words.shape[1])
    none = jnp.zeros((words.shape[1], vocab_size), bool)
    return none.at[rows, words].max(mask)
