"""BLEU of a single sequence."""

import jax
import jax.numpy as jnp

from rnnjax.tasks.captioning.rewards.runs import ORDERS, common_runs
from rnnjax.typing import Array


@jax.named_scope("reward")
def sentence_bleu(
    words: Array, length: Array, references: Array, reference_lengths: Array
) -> Array:
    """BLEU-4 of a sequence against all its references, from 0 to 1.

    For a sequence of c words with c_n = max(0, c - n + 1) runs of n words, m_n of them in a
    reference, none more often than in the reference that has it most often, and r the length of
    the reference that is nearest to c, of equals the shorter::

        p_1 = m_1 / c,    p_n = (m_n + 1) / (c_n + 1)  for n = 2, 3, 4
        BLEU = min(1, exp(1 - r / c)) (p_1 p_2 p_3 p_4)^(1/4)

    Args:
        words: int `[T]`.
        length: c, int; 0 gives 0.
        references: int `[U, R]`.
        reference_lengths: int `[R]`; 0: there is none.

    Returns:
        float32.

    References:
        Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation";
        smoothed as in Lin & Och 2004, "ORANGE: a method for evaluating automatic evaluation
        metrics for machine translation", section 4.
    """
    own_runs = common_runs(words, length, words, length)
    given_runs = common_runs(words[:, None], length, references, reference_lengths)
    log_precision = jnp.zeros(())
    for n, own, given in zip(ORDERS, own_runs, given_runs, strict=True):
        earlier = jnp.tril(own).sum(axis=1)
        matches = jnp.sum(jnp.diagonal(own) & (earlier <= given.sum(axis=1).max(axis=1)))
        runs = jnp.maximum(length - n + 1, 0)
        smoothing = 0 if n == 1 else 1
        log_precision += jnp.log((matches + smoothing) / jnp.maximum(runs + smoothing, 1))
    distance = jnp.where(reference_lengths > 0, jnp.abs(reference_lengths - length), jnp.inf)
    nearest = jnp.where(distance == distance.min(), reference_lengths, jnp.inf).min()
    log_brevity = jnp.minimum(0, 1 - nearest / jnp.maximum(length, 1))
    return jnp.exp(log_brevity + log_precision / len(ORDERS))
