"""A network that reads a question and looks at an image, several times one after another."""

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.cells.cell import Cell, split_key
from rnnjax.cells.pointwise import drop
from rnnjax.models.hop import Hop, Update
from rnnjax.models.memory import Memory
from rnnjax.models.network import Network, float32_linear
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.models.small_cnn import SmallCNN
from rnnjax.typing import Array, DType, PRNGKey

CHANNELS = (16, 32, 64)
"""Of the layers that see form."""


class StackedAttention(Network):
    """Answers questions about images by stacked attention.

    ::

        v_i    = tanh(W_I f_i + b_I)                   f_i: what the CNN sees at location i
        u_0    = last output of the cell over the words of the question
        r_n    = sum_i alpha_ni v_i                    alpha_n: additive attention of u_(n-1)
        u_n    = u_(n-1) + r_n                         n = 1 .. N
        logits = head(dropout(u_N))

    The CNN sees an image once, however many questions are asked about it.

    References:
        Yang et al. 2016, "Stacked attention networks for image question answering", section 3.
    """

    def __init__(
        self,
        num_answers: int,
        cell: Cell,
        *,
        vocab_size: int,
        embed_size: int,
        image_size: int,
        feature_size: int,
        attention_size: int,
        hops: int,
        update: Update,
        dropout: float = 0.0,
        compute_dtype: DType | None = None,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            cell: any, over words; its H outputs are the width of a location too.
            vocab_size: V; the word 0 is padding.
            embed_size: D, the width of a word's vector.
            image_size: height and width of the images, a multiple of 4 pixels.
            feature_size: F, what the CNN tells of a location.
            attention_size: A, the hidden layer of each attention.
            hops: N; 0: the image is not seen, and the question alone is answered.
            update: how a hop makes u_n, see `Hop`.
            dropout: on words' vectors, one mask a question, and before the head.
            compute_dtype: of the matmul operands of W_I and head; the logits are float32.

        Raises:
            UserError: the images have another size.
        """
        self.words = SequenceEncoder(
            cell, input_size=embed_size, vocab_size=vocab_size, dropout=dropout, rngs=rngs
        )
        size, self.dropout, self.grid = self.words.output_size, dropout, (0, 0)
        if hops:
            self.cnn = SmallCNN(
                image_size, channels=CHANNELS, output_size=feature_size, any_ground=True, rngs=rngs
            )
            self.grid = self.cnn.grid
            self.project = nnx.Linear(feature_size, size, dtype=compute_dtype, rngs=rngs)
        self.hops = nnx.List(
            [
                Hop(size, attention_size, update=update, compute_dtype=compute_dtype, rngs=rngs)
                for _ in range(hops)
            ]
        )
        self.head = float32_linear(size, num_answers, compute_dtype, rngs=rngs)

    def __call__(
        self, image: Array, question: Array, key: PRNGKey | None = None
    ) -> tuple[Array, Array]:
        """Scores every answer, `[B, K, answers]`, and says where each hop looked, `[B, K, N, S]`.

        Args:
            image: `[B, side, side, 3]`, 0 to 255.
            question: words, int `[W, B, K]`, 0 behind the end.
            key: turns on dropout and the cell's noise.
        """
        key_question, key_head = split_key(key, 2)
        words = question.reshape(len(question), -1)
        mask = words != 0
        query = self.words.last(self.words(words, mask, key_question), mask)
        attention = []
        if self.hops:
            features = jnp.tanh(self.project(self.cnn(image)))
            memory = Memory(features.astype(query.dtype))
        for hop in self.hops:
            query, weights = hop(memory, query)
            attention.append(weights)
        with jax.named_scope("head"):
            logits = self.head(drop(query, self.dropout, key_head, query.shape))
        shape, size = question.shape[1:], self.grid[0] * self.grid[1]
        looks = jnp.stack(attention, axis=1) if attention else jnp.zeros((len(query), 0, 0))
        return logits.reshape(*shape, -1), looks.reshape(*shape, len(self.hops), size)
