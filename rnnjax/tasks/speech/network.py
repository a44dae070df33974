"""Layers that hear: deep, in both directions, with fewer frames layer by layer; and CTC on them."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax import training
from rnnjax.cells.cell import split_key
from rnnjax.data.audio import FULL
from rnnjax.losses import ctc_loss
from rnnjax.models.network import Network, float32_linear
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.tasks.speech.config import SpeechConfig
from rnnjax.tasks.speech.features import log_mel, normalised, num_frames, spec_augment, stacked
from rnnjax.training.step import Metrics
from rnnjax.typing import Array, Batch, PRNGKey


class SpeechNetwork(Network):
    """``logits = W y + b``, y the last of L layers; before layer l, `factors[l]` frames become one.

    References:
        Graves, Mohamed & Hinton 2013, "Speech recognition with deep recurrent neural networks".
        Fewer frames layer by layer: Chan, Jaitly, Le & Vinyals 2016, "Listen, attend and spell",
        section 3.1.
    """

    def __init__(self, config: SpeechConfig, num_symbols: int, *, rngs: nnx.Rngs):
        """Draws the parameters.

        Args:
            num_symbols: without the blank.
        """
        self.factors = config.factors
        self.layers = make_layers(config, rngs)
        size = self.layers[-1].output_size
        self.head = float32_linear(size, 1 + num_symbols, config.operand_dtype, rngs=rngs)

    def __call__(
        self, features: Array, frames: Array, key: PRNGKey | None = None
    ) -> tuple[Array, Array]:
        """Scores the blank and every symbol, `[S, B, 1 + V]`, and says how many of the S count.

        Args:
            features: `[T, B, D]`, 0 beyond the frames.
            frames: of each recording, int `[B]`.
            key: turns on the noise of training.
        """
        heard, steps = hear(self.layers, self.factors, features, frames, key)
        with jax.named_scope("head"):
            return self.head(heard), steps

    def loss(
        self, features: Array, frames: Array, batch: Batch, key: PRNGKey | None = None
    ) -> tuple[Array, Array, Metrics]:
        """The loss of CTC in nats, the symbols that count, and the metric `unaligned`.

        That is the percentage of recordings with fewer steps than their text needs; they do not
        count.
        """
        logits, steps = self(features, frames, key)
        losses, aligned = ctc_loss(logits, steps, batch["symbols"], batch["num_symbols"])
        given = batch["lengths"] > 0  # not a filler row
        count = jnp.where(aligned & given, jnp.maximum(batch["num_symbols"], 1), 0).sum()
        unaligned = 100.0 * (~aligned).sum(), given.sum()
        return jnp.where(given, losses, 0).sum(), count, {"unaligned": unaligned}


def make_layers(config: SpeechConfig, rngs: nnx.Rngs) -> nnx.List:
    """The L layers of a config, with fresh parameters."""
    layers, size = [], config.num_bands
    for factor in config.factors:
        cell = config.network(num_layers=1, both_directions=config.bidirectional)
        layers.append(SequenceEncoder(cell, input_size=factor * size, rngs=rngs))
        size = layers[-1].output_size
    return nnx.List(layers)


def hear(
    layers: nnx.List,
    factors: Sequence[int],
    features: Array,
    frames: Array,
    key: PRNGKey | None = None,
) -> tuple[Array, Array]:
    """The outputs of the last layer, `[S, B, F]`, and how many of the S count, int `[B]`."""
    for layer, factor, its in zip(layers, factors, split_key(key, len(factors)), strict=True):
        features, frames = stacked(features, frames, factor)
        mask = jnp.arange(len(features))[:, None] < frames
        features = layer(features, mask, its)
    return features, frames


def features_of(config: SpeechConfig, batch: Batch) -> tuple[Array, Array]:
    """The normalised log-mel spectrograms of a batch, `[T, B, D]`, and their frames, `[B]`.

    Args:
        batch: `samples` int16 `[N, B]` and `lengths` int `[B]`.
    """
    samples = batch["samples"].astype(jnp.float32) / FULL
    frames = num_frames(batch["lengths"], config.rate)
    features = log_mel(samples, rate=config.rate, num_bands=config.num_bands)
    return normalised(features, frames), frames


def batch_loss(config: SpeechConfig, model: Any, batch: Batch, key: Array | None) -> training.Loss:
    """The loss of a `SpeechNetwork` or a `Speller` in nats a symbol, with SpecAugment."""
    key_masks, key_network = split_key(key, 2)
    features, frames = features_of(config, batch)
    if key_masks is not None:
        features = spec_augment(
            features,
            frames,
            key_masks,
            time_masks=config.time_masks,
            time_width=config.time_width,
            band_masks=config.band_masks,
            band_width=config.band_width,
        )
    total, count, metrics = model.loss(features, frames, batch, key_network)
    return training.Loss(total, count, metrics=metrics, work=(batch["lengths"] > 0).sum())
