"""Features of words: a word vector, an encoding of the characters, and the case."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax.cells.cell import split_key
from rnnjax.cells.pointwise import drop
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.characters import CharacterCNN, CharacterLSTM, embedding_init
from rnnjax.typing import Array, PRNGKey

UNKNOWN = 1
"""The id of a word that was not in the training text."""


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
        num_cases: int = 0,
        case_size: int = 0,
        dropout: float = 0.0,
        vectors: dict[int, np.ndarray] | None = None,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            num_words: ids, that of the unknown word (1) among them; the most frequent first.
            embed_size: D, the width of a word's vector.
            first_singleton: words from this id on occur once in the training text, or never.
            word_dropout: probability that such a word is replaced by the unknown one.
            characters: an encoder of words by their characters; None: none.
            num_cases: ids of cases.
            case_size: width of a case's vector; 0: the case is not used.
            dropout: on x.
            vectors: pretrained word vectors `[D]`, by word id; they are trained further.
            rngs: for the initial parameters.

        Raises:
            UserError: a vector is not of size D.
        """
        self.embed = nnx.Embed(num_words, embed_size, embedding_init=embedding_init, rngs=rngs)
        if vectors:
            rows = np.stack(list(vectors.values()))
            if rows.shape[1] != embed_size:
                raise UserError(
                    f"word vectors of size {rows.shape[1]} do not fit embed_size={embed_size}"
                )
            ids = jnp.asarray(list(vectors))
            self.embed.embedding[...] = self.embed.embedding[...].at[ids].set(rows)
        self.characters = characters
        self.case = nnx.Embed(num_cases, case_size, rngs=rngs) if case_size else None
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
            words = jnp.where(unknown & (words >= self.first_singleton), UNKNOWN, words)
        parts = [self.embed(words)]
        if self.characters is not None:
            parts.append(self.characters(batch["characters"], key_character))
        if self.case is not None:
            parts.append(self.case(batch["case"]))
        x = jnp.concatenate(parts, axis=-1)
        return drop(x, self.dropout, key_dropout, x.shape[1:])
