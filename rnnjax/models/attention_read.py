"""A look at a memory: what a query reads there."""

import jax
from flax import nnx

from rnnjax.heads.attention import additive, expected, masked
from rnnjax.models.memory import Memory
from rnnjax.typing import Array


class AttentionRead(nnx.Module):
    """Additive attention of a query over a memory.

    ::

        alpha_i = softmax_i(w . tanh(W_m m_i + W_q u + b))
        r       = sum_i alpha_i m_i
    """

    def __init__(self, size: int, attention_size: int, *, rngs: nnx.Rngs):
        """Draws the parameters.

        Args:
            size: H, of a position of the memory and of a query.
            attention_size: A, of the hidden layer.
            rngs: for the initial parameters.
        """
        self.scorer = additive(attention_size)
        self.attention = nnx.Param(self.scorer.init(rngs.params(), size, size))

    def read(self, memory: Memory, query: Array) -> tuple[Array, Array]:
        """What each query reads, `[N, H]`, and alpha, `[N, S]`.

        Args:
            memory: of B examples, features `[B, S, H]`.
            query: `[N, H]`, N a multiple of B; see `rnnjax.heads.attention`.
        """
        params = self.attention.get_value()
        prepared = self.scorer.prepare(params, memory.features)
        scores = masked(self.scorer.scores(params, prepared, query)[0], memory.mask)
        weights = jax.nn.softmax(scores)
        return expected(weights, memory.features), weights
