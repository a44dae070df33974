"""Encoders of words by their characters."""

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.cells.combinators import bidirectional
from rnnjax.cells.lstm import lstm
from rnnjax.cells.pointwise import drop
from rnnjax.models.recurrent import Recurrent
from rnnjax.typing import Array, PRNGKey

PADDING = 0
"""The id of no character."""

embedding_init = jax.nn.initializers.variance_scaling(1.0, "fan_out", "uniform")
"""Uniform in +-sqrt(3 / D), D the width of the vectors (Ma & Hovy 2016, section 3.1)."""


class CharacterCNN(nnx.Module):
    """A convolution over the characters of a word, and the maximum of each filter.

    ::

        e_c = dropout(embed(character_c))
        y_f = max_c tanh(W_f [e_{c-w//2}, .., e_{c+w//2}] + b_f),    e outside of the word = 0

    References:
        Ma & Hovy 2016, "End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF", sec. 2.1.
    """

    def __init__(
        self,
        num_characters: int,
        *,
        embed_size: int,
        output_size: int,
        width: int = 3,
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            num_characters: ids, that of padding (0) among them.
            embed_size: of a character's vector.
            output_size: filters.
            width: w, characters that a filter sees; odd.
            dropout: on the characters' vectors, one mask a word.
            rngs: for the initial parameters.
        """
        self.embed = nnx.Embed(num_characters, embed_size, embedding_init=embedding_init, rngs=rngs)
        self.filters = nnx.Linear(width * embed_size, output_size, rngs=rngs)
        self.width, self.dropout, self.output_size = width, dropout, output_size

    def __call__(self, characters: Array, key: PRNGKey | None = None) -> Array:
        """Encodes words: int `[..., C]`, 0 after a word's end, to `[..., output_size]`.

        The encoding of a word without characters is 0.
        """
        present = (characters != PADDING)[..., None]
        embedded = self.embed(characters)
        mask_shape = (*characters.shape[:-1], 1, embedded.shape[-1])
        embedded = present * drop(embedded, self.dropout, key, mask_shape)
        margin = self.width // 2
        around = [(0, 0)] * (embedded.ndim - 2) + [(margin, margin), (0, 0)]
        padded = jnp.pad(embedded, around)
        length = characters.shape[-1]
        windows = [padded[..., n : n + length, :] for n in range(self.width)]
        outputs = jnp.tanh(self.filters(jnp.concatenate(windows, axis=-1)))
        outputs = jnp.where(present, outputs, -1.0)
        return jnp.where(present.any(axis=-2), outputs.max(axis=-2), 0.0)


class CharacterLSTM(nnx.Module):
    """The last hidden states of a bidirectional LSTM over the characters of a word.

    References:
        Lample et al. 2016, "Neural architectures for named entity recognition", section 4.1.
    """

    def __init__(self, num_characters: int, *, embed_size: int, output_size: int, rngs: nnx.Rngs):
        """Draws the parameters.

        Args:
            num_characters: ids, that of padding (0) among them.
            embed_size: of a character's vector.
            output_size: of both directions together; even.
            rngs: for the initial parameters.
        """
        self.embed = nnx.Embed(num_characters, embed_size, embedding_init=embedding_init, rngs=rngs)
        cell = lstm(output_size // 2)
        self.recurrent = Recurrent(bidirectional(cell, cell), embed_size, rngs=rngs)
        self.output_size = self.recurrent.output_size

    def __call__(self, characters: Array, key: PRNGKey | None = None) -> Array:
        """Encodes words: int `[..., C]`, 0 after a word's end, to `[..., output_size]`.

        The encoding of a word without characters is 0.
        """
        words_first = characters.reshape(-1, characters.shape[-1])
        over_time = words_first.T
        carry, _ = self.recurrent(self.embed(over_time), mask=over_time != PADDING, key=key)
        last = jnp.concatenate([carry.forward.h, carry.backward.h], axis=-1)
        return last.reshape(*characters.shape[:-1], self.output_size)
