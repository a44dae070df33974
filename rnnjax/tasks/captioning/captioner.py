"""Captioners: an image in, a sentence out, with or without attention."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.cells.cell import Cell, split_key
from rnnjax.cells.pointwise import drop
from rnnjax.decode.step import repeat_rows
from rnnjax.heads import attention
from rnnjax.losses import target_log_probability
from rnnjax.models.recurrent import Recurrent
from rnnjax.tasks.captioning import detection
from rnnjax.typing import Array, Carry, DType, PRNGKey

Decoder = Literal["initial", "every_step", "soft", "hard"]
HardGradient = Literal["reinforce", "gumbel"]

START, END = 1, 0
"""The ids of the symbols before and after every caption."""


class Locations(NamedTuple):
    """What features there are of an image: F for each of S = rows * columns locations."""

    rows: int
    columns: int
    feature_size: int


class Memory(NamedTuple):
    """What a decoder keeps of B images.

    Attributes:
        features: `[B, S, F]`.
        prepared: `[B, S, A]` for the attention; None without.
    """

    features: Array
    prepared: Array | None


class Glance(NamedTuple):
    """Where a decoder looked before a word; leaves of it are None without attention.

    Attributes:
        weights: `[N, S]`, of the features; one-hot where a location was chosen.
        scores: `[N, S]`, before the softmax.
        gate: beta `[N]`, how much of what is seen the decoder takes in.
    """

    weights: Array | None = None
    scores: Array | None = None
    gate: Array | None = None


class HardTraining(NamedTuple):
    """How hard attention is trained.

    Attributes:
        gradient: reinforce, or gumbel (straight-through Gumbel-softmax).
        temperature: of gumbel.
        soft_rate: share of the captions that are read with soft attention all the same, which
            makes the gradient less noisy.
        reward_weight: of reinforce's gradient, lambda_r.
        entropy_weight: of the entropy that keeps reinforce looking around, lambda_e.
    """

    gradient: HardGradient = "reinforce"
    temperature: float = 1.0
    soft_rate: Array | float = 0.5
    reward_weight: float = 1.0
    entropy_weight: float = 0.01


DEFAULT_HARD_TRAINING = HardTraining()


class Reading(NamedTuple):
    """What a captioner made of given captions.

    Attributes:
        logits: `[T, B, V]`, of each word given those before it.
        glances: leaves `[T, B, ...]`.
        drawn: bool `[B]`, captions read with one drawn location a word.
        absence: `[B, V]`, log-probability that no location shows a word; None without detection.
    """

    logits: Array
    glances: Glance
    drawn: Array
    absence: Array | None


class Drawn(NamedTuple):
    """Captions that a captioner drew: K of each of B images in a row, N = B K.

    Attributes:
        words: int `[T, N]`, END at the end and after it.
        mask: bool `[T, N]`, True up to END.
        gains: `[T, N]`, log-probability of each word given those before it, 0 after END.
        glances: leaves `[T, N, ...]`.
    """

    words: Array
    mask: Array
    gains: Array
    glances: Glance


class Captioner(nnx.Module):
    """Words one after another, each from the words before it and the image.

    With a_i the features of location i, or with `projected_size` ``relu(P a_i + p)`` in their
    place, their mean ``a``, the previous word's vector x_t, a cell f of hidden state h_t, and tanh
    layers g:

    - initial:     ``h_0 = g(a)``, then the image is not seen again;
    - every_step:  ``h_0 = 0``, ``h_t = f(W_xh x_t + W_hh h_t-1 + W_ih a)``;
    - soft:        ``h_0 = g(a)``, ``h_t = f([x_t, z_t], h_t-1)``, where
      ``z_t = beta_t sum_i alpha_ti a_i``, ``beta_t = sigmoid(w . h_t-1 + b)`` and
      ``alpha_t = softmax(e_t)`` of `heads.attention.scores` for the question [h_t-1, x_t];
    - hard:        the same with one location drawn from alpha_t (at decoding: the likeliest).

    The next word is scored by a deep output layer,
    ``logits_t = L_o dropout(tanh(x_t + L_h h_t + L_z z_t))``; in the decoders without attention
    there is no z. For h of a deep cell the hidden states of all layers are joined.

    An average, or one location, does not tell how many things fit the question. With `num_counts`
    z_t holds besides how many locations do, by `heads.attention.scores`.

    With `detects` a linear layer says besides how likely each location shows each word, for
    `caption_loss`: an encoder that is trained from scratch so learns what the words look like long
    before the attention knows where to look for them.

    The question of Xu et al. is h_t-1 alone. With x_t in it the attention knows which word comes
    next instead of having to guess the one before.

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
        decoder: Decoder,
        encoder: Any = None,
        locations: Locations,
        projected_size: int | None = None,
        embed_size: int,
        attention_size: int,
        dropout: float = 0.0,
        swap_rate: float = 0.0,
        detects: bool = False,
        num_counts: int = 0,
        compute_dtype: DType | None = None,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            vocab_size: V.
            cell: any cell with a step.
            decoder: see above.
            encoder: an nnx module from images `[B, height, width, 3]` to features `[B, S, F]`,
                trained with the rest; None: batches bring features.
            locations: of the features.
            projected_size: numbers for each location that the decoder sees; None: the features as
                they are.
            embed_size: D, the width of a word's vector.
            attention_size: A, the hidden layer of the attention.
            dropout: on the words' vectors, a mask a caption, and on the layer before the logits.
            swap_rate: how often, in training, another caption's word at the same place stands in
                for the previous word. So a word that never follows another one in training is not
                impossible after it, whatever there is to see.
            detects: whether words are found in the image besides.
            num_counts: C, numbers of locations that an attention tells besides what is there.
            compute_dtype: of the matmul operands of the output layer.
            rngs: for the initial parameters.
        """
        self.decoder, self.dropout, self.swap_rate = decoder, dropout, swap_rate
        self.encoder, self.locations = encoder, locations
        feature_size = projected_size or locations.feature_size
        self.project = (
            nnx.Linear(locations.feature_size, projected_size, rngs=rngs)
            if projected_size
            else None
        )
        self.embed = nnx.Embed(vocab_size, embed_size, rngs=rngs)
        self.attends = decoder in ("soft", "hard")
        seen_size = feature_size + (num_counts if self.attends else 0)
        sees_always = decoder != "initial"
        self.recurrent = Recurrent(cell, embed_size + (seen_size if sees_always else 0), rngs=rngs)
        zeros = self.recurrent.initial_carry(1)
        self.first = (
            None
            if decoder == "every_step"
            else nnx.Linear(
                feature_size, sum(x.shape[-1] for x in jax.tree.leaves(zeros)), rngs=rngs
            )
        )
        hidden_size = hidden_state(zeros).shape[-1]
        sizes = (feature_size, hidden_size + embed_size, attention_size, num_counts)
        self.attention = nnx.Param(attention.init(rngs.params(), *sizes)) if self.attends else None
        if self.attends:
            self.gate = nnx.Linear(hidden_size, 1, rngs=rngs)
            self.from_seen = nnx.Linear(seen_size, embed_size, use_bias=False, rngs=rngs)
        self.from_hidden = nnx.Linear(self.recurrent.output_size, embed_size, rngs=rngs)
        self.head = nnx.Linear(
            embed_size,
            vocab_size,
            dtype=compute_dtype,
            preferred_element_type=None if compute_dtype is None else jnp.float32,
            rngs=rngs,
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
        if self.attention is None:
            return Memory(features, None)
        return Memory(features, attention.prepare(self.attention.get_value(), features))

    def initial_carry(self, memory: Memory) -> Carry:
        """The carry before the first word of each image."""
        zeros = self.recurrent.initial_carry(len(memory.features))
        if self.first is None:
            return zeros
        leaves, structure = jax.tree.flatten(zeros)
        ends = itertools.accumulate(leaf.shape[-1] for leaf in leaves[:-1])
        numbers = jnp.tanh(self.first(memory.features.mean(axis=1)))
        return jax.tree.unflatten(structure, jnp.split(numbers, list(ends), axis=-1))

    def step(self, memory: Memory, carry: Carry, words: Array) -> tuple[Array, Glance, Carry]:
        """One word, for decoding.

        Args:
            memory: of B images.
            carry: leaves `[N, ...]`, N a multiple of B: N / B captions of each image in a row.
            words: int `[N]`, the previous words.

        Returns:
            Logits `[N, V]`, the glance, the next carry.
        """
        x_t = self.embed(words)
        carry, (y_t, z_t, glance) = self._advance(memory, carry, x_t)
        return self._score(x_t, y_t, z_t), glance, carry

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
            hard: how hard attention is trained.
        """
        key_encoder, key_swap, key_words, key_cell, key_output, key_soft = split_key(key, 6)
        words = batch["words"]
        before = jnp.concatenate([jnp.full_like(words[:1], START), words[:-1]])
        with jax.named_scope("embed"):
            memory = self.look(batch, key_encoder)
            xs = self.embed(_swapped(before, self.swap_rate, key_swap))
            xs = drop(xs, self.dropout, key_words, xs.shape[1:])
        carry = self.initial_carry(memory)
        drawn = jnp.zeros(words.shape[1], bool)
        if not self.attends:
            inputs = xs
            if self.decoder == "every_step":
                seen = jnp.broadcast_to(
                    memory.features.mean(axis=1), (*xs.shape[:2], memory.features.shape[-1])
                )
                inputs = jnp.concatenate([xs, seen], axis=-1)
            _, ys = self.recurrent(inputs, carry, key=key_cell)
            logits = self._score(xs, ys, None, key_output)
            return Reading(logits, Glance(), drawn, self._absence(memory))
        if key_soft is not None and self.decoder == "hard":
            drawn = ~jax.random.bernoulli(key_soft, hard.soft_rate, drawn.shape)

        def advance(carry, step):
            x_t, key_t = step
            return self._advance(memory, carry, x_t, key_t, hard, drawn)

        keys = None if key_cell is None else jax.random.split(key_cell, len(xs))
        with jax.named_scope("scan"):
            _, (ys, zs, glances) = jax.lax.scan(advance, carry, (xs, keys))
        logits = self._score(xs, ys, zs, key_output)
        return Reading(logits, glances, drawn, self._absence(memory))

    def draw(
        self,
        batch: dict[str, Array],
        key: PRNGKey,
        *,
        num_captions: int,
        max_length: int,
        never: Sequence[int] = (),
        hard: HardTraining = DEFAULT_HARD_TRAINING,
    ) -> Drawn:
        """Draws captions from the model's distribution, differentiable in what it made of them.

        With decoder hard the locations are drawn as well. There is no dropout.

        Args:
            batch: as for `look`, of B images.
            key: decides all draws.
            num_captions: K of each image.
            max_length: T, ids after which a caption is cut off.
            never: ids that are not drawn, as if their logits were -inf.
            hard: how hard attention is trained.
        """
        memory = self.look(batch)
        num_images = len(memory.features)
        num_rows = num_images * num_captions
        start = (
            repeat_rows(self.initial_carry(memory), num_images, num_captions),
            jnp.full(num_rows, START),
            jnp.ones(num_rows, bool),
        )

        def advance(state, key_t):
            carry, before, running = state
            key_place, key_word = jax.random.split(key_t)
            x_t = self.embed(before)
            everywhere = jnp.ones(num_rows, bool)
            carry, (y_t, z_t, glance) = self._advance(
                memory, carry, x_t, key_place, hard, everywhere
            )
            logits = self._score(x_t, y_t, z_t).at[:, list(never)].set(-jnp.inf)
            words = jnp.where(running, jax.random.categorical(key_word, logits), END)
            gains = jnp.where(running, target_log_probability(logits, words), 0.0)
            return (carry, words, running & (words != END)), (words, running, gains, glance)

        with jax.named_scope("scan"):
            _, drawn = jax.lax.scan(advance, start, jax.random.split(key, max_length))
        return Drawn(*drawn)

    def _advance(self, memory, carry, x_t, key=None, hard=None, drawn=None):
        if self.decoder == "initial":
            carry, y_t = self.recurrent.step(x_t, carry)
            return carry, (y_t, None, Glance())
        if self.decoder == "every_step":
            mean = memory.features.mean(axis=1)
            seen = jnp.repeat(mean, len(x_t) // len(mean), axis=0)
            carry, y_t = self.recurrent.step(jnp.concatenate([x_t, seen], axis=-1), carry)
            return carry, (y_t, None, Glance())
        assert self.attention is not None
        hidden = hidden_state(carry)
        question = jnp.concatenate([hidden, x_t], axis=-1)
        scores, counts = attention.scores(self.attention.get_value(), memory.prepared, question)
        weights = jax.nn.softmax(scores)
        if self.decoder == "hard":
            if key is None:
                weights = attention.chosen(scores)
            else:
                if hard.gradient == "gumbel":
                    choice = attention.straight_through(scores, key, hard.temperature)
                else:
                    choice = attention.chosen(scores, key)
                weights = jnp.where(drawn[:, None], choice, weights)
        gate = jax.nn.sigmoid(self.gate(hidden))
        z_t = gate * attention.expected(weights, memory.features)
        if counts is not None:
            z_t = jnp.concatenate([z_t, counts], axis=-1)
        carry, y_t = self.recurrent.step(jnp.concatenate([x_t, z_t], axis=-1), carry)
        return carry, (y_t, z_t, Glance(weights, scores, gate[:, 0]))

    @jax.named_scope("head")
    def _absence(self, memory):
        if self.detection_head is None:
            return None
        return detection.log_absence(self.detection_head(memory.features))

    @jax.named_scope("head")
    def _score(self, xs, ys, zs, key=None):
        told = xs + self.from_hidden(ys)
        if zs is not None:
            told = told + self.from_seen(zs)
        told = jnp.tanh(told)
        return self.head(drop(told, self.dropout, key, told.shape))


def _swapped(words: Array, rate: float, key: PRNGKey | None) -> Array:
    """Words `[T, B]`, some in the place of those that other captions have there."""
    if key is None or rate == 0:
        return words
    key_which, key_whose = jax.random.split(key)
    others = jnp.roll(words, jax.random.randint(key_whose, (), 1, words.shape[1]), axis=1)
    return jnp.where(jax.random.bernoulli(key_which, rate, words.shape), others, words)


def hidden_state(carry: Carry) -> Array:
    """The hidden states of all layers, joined: all of a carry but cell states."""
    parts = [
        leaf
        for path, leaf in jax.tree.leaves_with_path(carry)
        if getattr(path[-1] if path else None, "name", None) != "c"
    ]
    return jnp.concatenate(parts, axis=-1)
