"""A look at a memory, and the query of the next one; the answers after the last one."""

from typing import Literal

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.heads.attention import additive, expected, masked
from rnnjax.models.memory import Memory
from rnnjax.typing import Array, DType

Update = Literal["layer", "sum"]


class Hop(nnx.Module):
    """One look at a memory, as that of the attentive reader or of stacked attention.

    ::

        alpha = softmax(w . tanh(W_m m_i + W_q u + b)) over the positions i
        r     = sum_i alpha_i m_i
        u'    = tanh(W_r r + W_u u + b')               update "layer"
        u'    = r + u                                  update "sum"

    References:
        Hermann et al. 2015, "Teaching machines to read and comprehend", section 3.2 (layer); Yang
        et al. 2016, "Stacked attention networks for image question answering", section 3.3 (sum).
    """

    def __init__(
        self,
        size: int,
        attention_size: int,
        *,
        update: Update = "layer",
        compute_dtype: DType | None = None,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            size: H, of a position of the memory and of a query.
            attention_size: A, of the hidden layer of the attention.
            compute_dtype: of the matmul operands of the layer.
        """
        self.scorer = additive(attention_size)
        self.attention = nnx.Param(self.scorer.init(rngs.params(), size, size))
        layer = update == "layer"
        self.update = nnx.Linear(2 * size, size, dtype=compute_dtype, rngs=rngs) if layer else None

    def __call__(self, memory: Memory, query: Array) -> tuple[Array, Array]:
        """The next query `[N, H]`, and alpha `[N, S]`.

        Args:
            memory: of B examples, features `[B, S, H]`.
            query: `[N, H]`, N a multiple of B; see `rnnjax.heads.attention`.
        """
        params = self.attention.get_value()
        prepared = self.scorer.prepare(params, memory.features)
        scores = masked(self.scorer.scores(params, prepared, query)[0], memory.mask)
        weights = jax.nn.softmax(scores)
        read = expected(weights, memory.features)
        if self.update is None:
            return query + read, weights
        updated = jnp.tanh(self.update(jnp.concatenate([read, query], axis=-1)))
        return updated.astype(query.dtype), weights


def likeliest(logits: Array) -> tuple[Array, Array]:
    """The likeliest answers and their probabilities, `[...]` of logits `[..., K]`.

    The answer 0 is OTHER, which is none, and left out.
    """
    answers = logits[..., 1:].argmax(axis=-1) + 1
    chosen = jnp.take_along_axis(jax.nn.softmax(logits), answers[..., None], axis=-1)
    return answers, chosen[..., 0]
