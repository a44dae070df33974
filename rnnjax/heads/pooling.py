"""One vector for a sequence: its last output, or the mean, maximum or weighted sum of all of them.

Outputs are `[T, B, H]` and a mask is bool `[T, B]`, True at real steps; None: all are real. Steps
that are not real have no influence and get a gradient of exactly 0, even where they hold NaN. A
row without a real step gives zeros.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.heads.attention import additive, masked
from rnnjax.typing import Array, PRNGKey


class AttentionPoolingParams(NamedTuple):
    """`w [H, A]`, `b [A]`, `w_score [A]`."""

    w: Array
    b: Array
    w_score: Array


def last(ys: Array, mask: Array | None = None, *, forward_size: int | None = None) -> Array:
    """The output after the last real step of each direction, `[B, H]`.

    Args:
        forward_size: how many of the H numbers a cell wrote that reads from left to right. The
            others are taken from the first real step, where the other direction ends. None: all.
    """
    if mask is None:
        first_BH, last_BH = ys[0], ys[-1]
    else:
        first_B, from_end_B = jnp.argmax(mask, axis=0), jnp.argmax(mask[::-1], axis=0)
        rows = jnp.arange(ys.shape[1])
        ys = _zero_where_masked(ys, mask)
        first_BH, last_BH = ys[first_B, rows], ys[ys.shape[0] - 1 - from_end_B, rows]
    if forward_size is None:
        return last_BH
    return jnp.concatenate([last_BH[:, :forward_size], first_BH[:, forward_size:]], axis=-1)


def mean(ys: Array, mask: Array | None = None, *, axis: int = 0) -> Array:
    """The mean over the real steps, `[B, H]`; `axis` is that of steps, in outputs and mask."""
    if mask is None:
        return ys.mean(axis=axis)
    count = jnp.maximum(mask.sum(axis=axis), 1).astype(ys.dtype)
    return _zero_where_masked(ys, mask).sum(axis=axis) / count[:, None]


def maximum(ys: Array, mask: Array | None = None) -> Array:
    """The maximum of each number over the real steps, `[B, H]`."""
    if mask is None:
        return ys.max(axis=0)
    largest = jnp.where(mask[..., None], ys, -jnp.inf).max(axis=0)
    return jnp.where(mask.any(axis=0)[:, None], largest, 0)


def init_attention(key: PRNGKey, size: int, attention_size: int) -> AttentionPoolingParams:
    """Glorot-uniform matrices and a zero bias, for H and A of these sizes."""
    params = additive(attention_size).init(key, size, 1)
    return AttentionPoolingParams(params.w_location, params.b, params.w_score)


def attention(
    params: AttentionPoolingParams, ys: Array, mask: Array | None = None
) -> tuple[Array, Array]:
    """The sum of the outputs weighted by a learned score.

    ::

        alpha = softmax(w_score . tanh(W y_t + b)) over the real steps
        sum_t alpha_t y_t

    Returns:
        The sum `[B, H]`, and the weights alpha `[T, B]`.

    References:
        Yang et al. 2016, "Hierarchical attention networks for document classification",
        section 2.2.
    """
    if mask is not None:
        ys = _zero_where_masked(ys, mask)
    scores_TB = masked(jnp.tanh(ys @ params.w + params.b) @ params.w_score, mask)
    weights_TB = jax.nn.softmax(scores_TB, axis=0)
    if mask is not None:
        weights_TB = jnp.where(mask, weights_TB, 0)
    return jnp.einsum("tb,tbh->bh", weights_TB, ys), weights_TB


def _zero_where_masked(ys: Array, mask: Array) -> Array:
    return jnp.where(mask[..., None], ys, 0)
