"""Attention that tells besides how many locations fit: an average alone does not."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.initializers import initializer
from rnnjax.heads import attention
from rnnjax.typing import Array, PRNGKey


class CountingParams(NamedTuple):
    """`AdditiveParams`, and `w_count [A, C]`."""

    w_location: Array
    w_query: Array
    b: Array
    w_score: Array
    w_count: Array


def counting(attention_size: int, num_counts: int) -> attention.Scorer:
    """Scorer `additive` with C counts of locations.

    ::

        v_ni = tanh(W_location a_i + W_query q_n + b)
        e_ni = w_score . v_ni
        m_nc = sum_i sigmoid(w_count_c . v_ni - log S)

    A softmax tells where the best are, not how many they are. At first each count is about 1.

    Args:
        attention_size: A.
        num_counts: C; 0: `additive` itself.
    """
    plain = attention.additive(attention_size)
    if not num_counts:
        return plain

    def init(key: PRNGKey, memory_size: int, query_size: int) -> CountingParams:
        draw = initializer("glorot_uniform")
        w_count = draw(jax.random.fold_in(key, 3), (attention_size, num_counts), float)
        w_location, w_query, b, w_score = plain.init(key, memory_size, query_size)
        return CountingParams(w_location, w_query, b, w_score, w_count)

    def scores(params: CountingParams, prepared: Array, query: Array) -> tuple[Array, Array]:
        weights = jnp.concatenate([params.w_score[:, None], params.w_count], axis=1)
        fit = attention.additive_fit(weights, prepared, query @ params.w_query)
        counts = jax.nn.sigmoid(fit[..., 1:] - jnp.log(prepared.shape[1])).sum(axis=1)
        return fit[..., 0], counts

    return attention.Scorer(init, plain.prepare, scores, extra_size=num_counts)
