"""A network that reads a story and a question, and attends to sentences."""

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.cells.cell import Cell, split_key
from rnnjax.cells.pointwise import drop
from rnnjax.models.hop import Hop
from rnnjax.models.memory import Memory
from rnnjax.models.network import Network, float32_linear
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.typing import Array, DType, PRNGKey

AGES = 64
"""Sentences from the end of a story that have an age of their own; the older ones share one."""


class Reader(Network):
    """Memory hops over the sentences of a story; with one hop, an attentive reader of sentences.

    ::

        m_i = last output of the cell over the words of sentence i + t_(S - i)
        u_0 = last output of the same cell over the words of the question
        u_n = hop_n(m, u_(n-1))
        logits = head(dropout(u_N))

    The vectors t of age say in which order the sentences stand. Without hops, the cell reads story
    and question as one sequence, and the head its last output.

    References:
        Hermann et al. 2015, section 3.2, for the attention; Sukhbaatar et al. 2015, "End-to-end
        memory networks", sections 2.2 and 4.1, for the hops and the vectors of age.
    """

    def __init__(
        self,
        num_answers: int,
        cell: Cell,
        *,
        vocab_size: int,
        embed_size: int,
        hops: int,
        dropout: float = 0.0,
        compute_dtype: DType | None = None,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            num_answers: K.
            vocab_size: V; the word 0 is padding.
            embed_size: D, the width of a word's vector.
            hops: N, each with parameters of its own; 0: none.
            dropout: on words' vectors, one mask a sentence, and before the head.
            compute_dtype: of the matmul operands of hops and head; the logits are float32.
        """
        self.words = SequenceEncoder(
            cell, input_size=embed_size, vocab_size=vocab_size, dropout=dropout, rngs=rngs
        )
        size, self.dropout = self.words.output_size, dropout
        if hops:
            self.age = nnx.Embed(AGES, size, embedding_init=nnx.initializers.normal(0.1), rngs=rngs)
        self.hops = nnx.List(
            [Hop(size, size, compute_dtype=compute_dtype, rngs=rngs) for _ in range(hops)]
        )
        self.head = float32_linear(size, num_answers, compute_dtype, rngs=rngs)

    def __call__(
        self, story: Array, question: Array, key: PRNGKey | None = None
    ) -> tuple[Array, Array]:
        """Scores every answer, `[B, K]`, and says what each of N hops attended to, `[N, B, S]`.

        Args:
            story: words, int `[S, B, W]`, 0 behind the end of a sentence and of a story.
            question: words, int `[Q, B]`, 0 behind the end.
            key: turns on dropout and the cell's noise.
        """
        key_story, key_question, key_head = split_key(key, 3)
        if self.hops:
            memory = self.memory(story, key_story)
            query, looks = self._last(question, key_question), []
            for hop in self.hops:
                query, its = hop(memory, query)
                looks.append(its)
            attention = jnp.stack(looks)
        else:
            words = jnp.moveaxis(story, 2, 1).reshape(-1, story.shape[1])
            query = self._last(jnp.concatenate([words, question]), key_question)
            attention = jnp.zeros((0, *story.shape[1::-1]))
        with jax.named_scope("head"):
            return self.head(drop(query, self.dropout, key_head, query.shape)), attention

    def memory(self, story: Array, key: PRNGKey | None = None) -> Memory:
        """The sentences of stories `[S, B, W]` as a memory of features `[B, S, H]`."""
        sentences = self._last(story.reshape(-1, story.shape[2]).T, key)
        mask = story[..., 0] != 0
        age = jnp.cumsum(mask[::-1], axis=0)[::-1] - 1
        features = sentences.reshape(*mask.shape, -1) + self.age(jnp.clip(age, 0, AGES - 1))
        features = jnp.where(mask[..., None], features, 0)
        return Memory(jnp.swapaxes(features, 0, 1), mask.T)

    def _last(self, words: Array, key: PRNGKey | None) -> Array:
        mask = words != 0
        return self.words.last(self.words(words, mask, key), mask)
