"""The network of speech: deep, in both directions, fewer frames layer by layer; and its loss."""

from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax import training
from rnnjax.cells.cell import split_key
from rnnjax.data.audio import FULL
from rnnjax.losses import ctc_loss
from rnnjax.models.network import Network
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.tasks.speech.config import SpeechConfig
from rnnjax.tasks.speech.features import log_mel, normalised, num_frames, spec_augment, stacked
from rnnjax.typing import Array, PRNGKey

Batch = dict[str, Array]


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
            config: of the run.
            num_symbols: without the blank.
            rngs: for the initial parameters.
        """
        self.factors = config.factors
        layers, size = [], config.num_bands
        for factor in self.factors:
            cell = config.network(num_layers=1, both_directions=config.bidirectional)
            layers.append(SequenceEncoder(cell, input_size=factor * size, rngs=rngs))
            size = layers[-1].output_size
        self.layers = nnx.List(layers)
        self.head = nnx.Linear(
            size,
            1 + num_symbols,
            dtype=config.operand_dtype,
            preferred_element_type=None if config.operand_dtype is None else jnp.float32,
            rngs=rngs,
        )

    def __call__(
        self, features: Array, frames: Array, key: PRNGKey | None = None
    ) -> tuple[Array, Array]:
        """Scores the blank and every symbol, `[S, B, 1 + V]`, and says how many of the S count.

        Args:
            features: `[T, B, D]`, 0 beyond the frames.
            frames: of each recording, int `[B]`.
            key: turns on the noise of training.
        """
        keys = split_key(key, len(self.factors))
        for layer, factor, its in zip(self.layers, self.factors, keys, strict=True):
            features, frames = stacked(features, frames, factor)
            mask = jnp.arange(len(features))[:, None] < frames
            features = layer(features, mask, its)
        with jax.named_scope("head"):
            return self.head(features), frames


def make_model(config: SpeechConfig, num_symbols: int) -> SpeechNetwork:
    """The network of a config, with fresh parameters."""
    return SpeechNetwork(config, num_symbols, rngs=nnx.Rngs(config.seed))


def features_of(config: SpeechConfig, batch: Batch) -> tuple[Array, Array]:
    """The normalised log-mel spectrograms of a batch, `[T, B, D]`, and their frames, `[B]`.

    Args:
        config: of the run.
        batch: `samples` int16 `[N, B]` and `lengths` int `[B]`.
    """
    samples = batch["samples"].astype(jnp.float32) / FULL
    frames = num_frames(batch["lengths"], config.rate)
    features = log_mel(samples, rate=config.rate, num_bands=config.num_bands)
    return normalised(features, frames), frames


def make_loss(graph: nnx.GraphDef, config: SpeechConfig) -> training.LossFn:
    """The loss of CTC in nats a symbol.

    The metric `unaligned` is the percentage of recordings with fewer steps than their text needs;
    they do not count.
    """

    def loss_fn(params: Any, carry: Any, batch: Batch, key: Array | None) -> training.Loss:
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
        logits, steps = nnx.merge(graph, params)(features, frames, key_network)
        losses, aligned = ctc_loss(logits, steps, batch["symbols"], batch["num_symbols"])
        count = jnp.where(aligned, jnp.maximum(batch["num_symbols"], 1), 0)
        count = jnp.where(batch["lengths"] > 0, count, 0)  # not a filler row
        unaligned = 100.0 * (~aligned).sum(), (batch["lengths"] > 0).sum()
        total = jnp.where(batch["lengths"] > 0, losses, 0).sum()
        return training.Loss(total, count.sum(), carry, {"unaligned": unaligned}, work=unaligned[1])

    return loss_fn
