"""Features of words: a word vector, an encoding of the characters, and the case."""

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.cells.cell import split_key
from rnnjax.cells.combinators import bidirectional
from rnnjax.cells.lstm import lstm
from rnnjax.cells.pointwise import drop
from rnnjax.models.recurrent import Recurrent
from rnnjax.tasks.tagging.vocabulary import CASES, PADDING_ID, UNKNOWN_ID
from rnnjax.typing import Array, PRNGKey

WIDTH = 3
"""Characters that a filter sees."""

embedding_init = jax.nn.initializers.variance_scaling(1.0, "fan_out", "uniform")
"""Uniform in +-sqrt(3 / D), D the width of the vectors (Ma & Hovy 2016, section 3.1)."""


class CharacterCNN(nnx.Module):
    """A convolution over the characters of a word, and the maximum of each filter.

    ::

        e_c = dropout(embed(character_c))
        y_f = max_c tanh(W_f [e_{c-1}, e_c, e_{c+1}] + b_f),    e outside of the word = 0

    References:
        Ma & Hovy 2016, "End-to-end sequence labeling via bi-directional LSTM-CNNs-CRF", sec. 2.1.
    """

    def __init__(
        self,
        num_characters: int,
        *,
        embed_size: int,
        output_size: int,
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            num_characters: ids, that of padding (0) among them.
            embed_size: of a character's vector.
            output_size: filters.
            dropout: on the characters' vectors, one mask a word.
        """
        self.embed = nnx.Embed(num_characters, embed_size, embedding_init=embedding_init, rngs=rngs)
        self.filters = nnx.Linear(WIDTH * embed_size, output_size, rngs=rngs)
        self.dropout, self.output_size = dropout, output_size

    def __call__(self, characters: Array, key: PRNGKey | None = None) -> Array:
        """Encodes words: int `[..., C]`, 0 after a word's end, to `[..., output_size]`.

        The encoding of a word without characters is 0.
        """
        present = (characters != PADDING_ID)[..., None]
        embedded = self.embed(characters)
        mask_shape = (*characters.shape[:-1], 1, embedded.shape[-1])
        embedded = present * drop(embedded, self.dropout, key, mask_shape)
        margin = WIDTH // 2
        around = [(0, 0)] * (embedded.ndim - 2) + [(margin, margin), (0, 0)]
        padded = jnp.pad(embedded, around)
        length = characters.shape[-1]
        windows = [padded[..., n : n + length, :] for n in range(WIDTH)]
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
        carry, _ = self.recurrent(self.embed(over_time), mask=over_time != PADDING_ID, key=key)
        last = jnp.concatenate([carry.forward.h, carry.backward.h], axis=-1)
        return last.reshape(*characters.shape[:-1], self.output_size)


class WordFeatures(nnx.Module):
    """``x_t = dropout([word vector; encoding of its characters; vector of its case])``.

    In training the vector of the unknown word is learned from words that occur once: each is
    replaced by it with probability `word_dropout`. The dropout of x uses one mask a sentence.

    References:
        Lample et al. 2016, section 4; the case: Collobert et al. 2011, "Natural language
        processing (almost) from scratch", section 6.5.
    """

    def __init__(
        self,
        num_words: int,
        *,
        embed_size: int,
        first_singleton: int,
        word_dropout: float = 0.0,
        characters: CharacterCNN | CharacterLSTM | None = None,
        case_size: int = 0,
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            num_words: ids, that of the unknown word (1) among them; the most frequent first.
            embed_size: D, the width of a word's vector.
            first_singleton: words from this id on occur once in the training text, or never.
            word_dropout: probability that such a word is replaced by the unknown one.
            characters: an encoder of words by their characters; None: none.
            case_size: width of a case's vector; 0: the case is not used.
            dropout: on x.
        """
        self.embed = nnx.Embed(num_words, embed_size, embedding_init=embedding_init, rngs=rngs)
        self.characters = characters
        self.case = nnx.Embed(len(CASES), case_size, rngs=rngs) if case_size else None
        self.first_singleton, self.word_dropout = first_singleton, word_dropout
        self.dropout = dropout
        character_size = characters.output_size if characters else 0
        self.output_size = embed_size + character_size + case_size

    def __call__(self, batch: dict[str, Array], key: PRNGKey | None = None) -> Array:
        """Looks a batch up.

        Args:
            batch: `words` int `[T, B]`, `characters` int `[T, B, C]`, `case` int `[T, B]`.
            key: turns on dropout.

        Returns:
            x `[T, B, output_size]`.
        """
        key_word, key_character, key_dropout = split_key(key, 3)
        words = batch["words"]
        if key_word is not None and self.word_dropout:
            unknown = jax.random.bernoulli(key_word, self.word_dropout, words.shape)
            words = jnp.where(unknown & (words >= self.first_singleton), UNKNOWN_ID, words)
        parts = [self.embed(words)]
        if self.characters is not None:
            parts.append(self.characters(batch["characters"], key_character))
        if self.case is not None:
            parts.append(self.case(batch["case"]))
        x = jnp.concatenate(parts, axis=-1)
        return drop(x, self.dropout, key_dropout, x.shape[1:])
