"""Copying: the next symbol is generated, or is one that stands in the source.

With p_gen the probability of generating, P_vocab the softmax of the logits of V symbols, and a_i
the attention to position i of the source, which holds the symbol w_i::

    P(w) = p_gen P_vocab(w) + (1 - p_gen) sum_{i: w_i = w} a_i

The source may hold symbols outside of the vocabulary, V, V + 1, ...: those are copied only.

References:
    See, Liu & Manning 2017, "Get to the point: summarization with pointer-generator networks",
    equation 9.
"""

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import wide
from rnnjax.losses import IMPOSSIBLE, target_log_probability
from rnnjax.typing import Array


def log_probabilities(logits: Array, generate: Array, scores: Array, symbols: Array) -> Array:
    """`log P(w)` of every symbol of the extended vocabulary, `[N, V + S]`, -inf where P is 0.

    Args:
        logits: `[N, V]`.
        generate: `[N]`, ``p_gen = sigmoid(generate)``.
        scores: `[N, S]`, ``a = softmax(scores)``.
        symbols: w, int `[B, S]` in 0 .. V + S - 1, of B sources; N is a multiple of B, as in
            `heads.attention`.
    """
    rows, size = len(logits), logits.shape[-1] + scores.shape[-1]
    symbols = jnp.repeat(symbols, rows // len(symbols), axis=0)
    weights = jax.nn.softmax(wide(scores))
    copied = (
        jnp.zeros((rows, size), weights.dtype).at[jnp.arange(rows)[:, None], symbols].add(weights)
    )
    generate = wide(generate)[:, None]
    generated = jax.nn.log_softmax(wide(logits)) + jax.nn.log_sigmoid(generate)
    generated = jnp.pad(generated, ((0, 0), (0, scores.shape[-1])), constant_values=-jnp.inf)
    return jnp.logaddexp(generated, jnp.log(copied) + jax.nn.log_sigmoid(-generate))


def copied_log_probability(
    logits: Array, generate: Array, scores: Array, symbols: Array, targets: Array
) -> Array:
    """`log P(target)` in nats, `[T, B]`, without the probabilities of other symbols.

    Args:
        logits: `[T, B, V]`.
        generate: `[T, B]`.
        scores: `[T, B, S]`.
        symbols: int `[B, S]`; see `log_probabilities`.
        targets: int `[T, B]`, in 0 .. V + S - 1.
    """
    size, ids = logits.shape[-1], targets.astype(jnp.int32)  # which holds V
    generated = target_log_probability(logits, jnp.minimum(ids, size - 1))
    generated = jnp.where(ids < size, generated, IMPOSSIBLE)
    log_weights = jax.nn.log_softmax(wide(scores))
    matching = jnp.where(symbols == targets[..., None], log_weights, IMPOSSIBLE)
    copied = jax.nn.logsumexp(matching, axis=-1)
    generate = wide(generate)
    return jnp.logaddexp(
        generated + jax.nn.log_sigmoid(generate), copied + jax.nn.log_sigmoid(-generate)
    )
