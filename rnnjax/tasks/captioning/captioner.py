"""Captioners: an image in, a sentence out, with or without attention."""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.cells.cell import Cell, split_key
from rnnjax.cells.initializers import initializer
from rnnjax.data.word_vocabulary import START
from rnnjax.heads import attention
from rnnjax.models.decoder import Decoder, shift_right
from rnnjax.models.hard_attention import DEFAULT_HARD_TRAINING, HardTraining
from rnnjax.models.memory import Memory, Reading
from rnnjax.typing import Array, PRNGKey


class Locations(NamedTuple):
    """The shape of an image's features: F for each of S = rows * columns locations."""

    rows: int
    columns: int
    feature_size: int


class Captioner(Decoder):
    """A decoder whose memory is an image: a vector a_i for each location i.

    With `projected_size` ``relu(P a_i + p)`` takes the place of a_i. An average, or one location,
    does not tell how many things fit the query. With `num_counts` the decoder reads besides how
    many locations do, by the scorer `counting`.

    With `detects` a linear layer says besides how likely each location shows each word, for
    `caption_loss`: an encoder that is trained from scratch so learns what the words look like long
    before the attention knows where to look for them.

    References:
        initial: Vinyals et al. 2015, "Show and tell". every_step: Karpathy & Fei-Fei 2015, "Deep
        visual-semantic alignments", section 3.2, and Stanford's CS231n, lecture on recurrent
        networks. soft, hard: Xu et al. 2015, "Show, attend and tell", sections 3.1 and 4. Swapped
        words: Xie et al. 2017, "Data noising as smoothing in neural network language models".
    """

    def __init__(
        self,
        vocab_size: int,
        cell: Cell,
        *,
        encoder: Any = None,
        locations: Locations,
        projected_size: int | None = None,
        attention_size: int,
        swap_rate: float = 0.0,
        detects: bool = False,
        num_counts: int = 0,
        rngs: nnx.Rngs,
        **options: Any,
    ):
        """Draws the parameters.

        Args:
            vocab_size, cell, rngs, **options: as for `Decoder`.
            encoder: an nnx module from images `[B, height, width, 3]` to features `[B, S, F]`,
                trained with the rest; None: batches bring features.
            projected_size: numbers for each location that the decoder sees; None: the features as
                they are.
            attention_size: A, the hidden layer of the attention.
            swap_rate: how often, in training, another caption's word at the same place stands in
                for the previous word. So a word that never follows another one in training is not
                impossible after it, whatever there is to see.
            detects: whether words are found in the image besides.
            num_counts: C, numbers of locations that an attention tells besides what is there.
        """
        self.encoder, self.locations, self.swap_rate = encoder, locations, swap_rate
        feature_size = projected_size or locations.feature_size
        self.project = (
            nnx.Linear(locations.feature_size, projected_size, rngs=rngs)
            if projected_size
            else None
        )
        super().__init__(
            vocab_size,
            cell,
            memory_size=feature_size,
            scorer=counting(attention_size, num_counts),
            rngs=rngs,
            **options,
        )
        num_locations = locations.rows * locations.columns
        self.detection_head = (
            nnx.Linear(
                feature_size,
                vocab_size,
                # At first each word is somewhere in an image with a probability of 0.3.
                bias_init=jax.nn.initializers.constant(-math.log(num_locations) - 1),
                rngs=rngs,
            )
            if detects
            else None
        )

    def look(self, batch: dict[str, Array], key: PRNGKey | None = None) -> Memory:
        """Encodes the images of a batch.

        Args:
            batch: with `image` uint8 `[B, height, width, 3]`, or with `features` `[B, S, F]` where
                there is no encoder.
            key: turns on the encoder's training noise.
        """
        if self.encoder is None:
            features = batch["features"].astype(jnp.float32)
        else:
            features = self.encoder(batch["image"], key)
        if self.project is not None:
            features = jax.nn.relu(self.project(features))
        return self.make_memory(features)

    def read(
        self,
        batch: dict[str, Array],
        key: PRNGKey | None = None,
        hard: HardTraining = DEFAULT_HARD_TRAINING,
    ) -> Reading:
        """Reads captions along with their images.

        Args:
            batch: as for `look`, with `words` int `[T, B]`, each caption followed by END.
            key: turns on dropout, swapped words and the drawing of hard attention.

        Returns:
            The reading; its extra is the score `[B, S, V]` of each word at each location, for a
            captioner that detects.
        """
        key_encoder, key_swap, *keys = split_key(key, 6)
        before = shift_right(batch["words"], START)
        with jax.named_scope("embed"):
            memory = self.look(batch, key_encoder)
            before = _swapped(before, self.swap_rate, key_swap)
        reading = self.teacher_forced(memory, before, keys, hard)
        if self.detection_head is None:
            return reading
        with jax.named_scope("head"):
            return reading._replace(extra=self.detection_head(memory.features))


def _swapped(words: Array, rate: float, key: PRNGKey | None) -> Array:
    """Words `[T, B]`, some in the place of those that other captions have there."""
    if key is None or rate == 0:
        return words
    key_which, key_whose = jax.random.split(key)
    others = jnp.roll(words, jax.random.randint(key_whose, (), 1, words.shape[1]), axis=1)
    return jnp.where(jax.random.bernoulli(key_which, rate, words.shape), others, words)


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
