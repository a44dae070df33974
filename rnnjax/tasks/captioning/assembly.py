"""A captioner made from a config."""

import json
from typing import NamedTuple

import jax.numpy as jnp
from flax import nnx

from rnnjax import training
from rnnjax.models.hard_attention import HardTraining
from rnnjax.models.small_cnn import SmallCNN
from rnnjax.tasks.captioning.captioner import Captioner, Locations
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.efficientnet import LOCATIONS
from rnnjax.tasks.captioning.likelihood_loss import caption_loss
from rnnjax.tasks.captioning.preparation import Prepared
from rnnjax.typing import Array, Batch


def make_captioner(
    config: CaptionerConfig, vocab_size: int, locations: Locations | None = None
) -> Captioner:
    """The captioner of a config, with fresh parameters.

    Args:
        config: of the run.
        vocab_size: V.
        locations: of features from a file; None: those of the config's encoder.
    """
    encoder, locations = None, locations or LOCATIONS
    if config.encoder == "cnn" and not config.features:
        rngs = nnx.Rngs(config.seed)
        encoder = SmallCNN(config.image_size, output_size=config.feature_size, rngs=rngs)
        locations = Locations(*encoder.grid, encoder.output_size)
    return Captioner(
        vocab_size,
        config.network(dropout=0.0),
        context=config.decoder,
        encoder=encoder,
        locations=locations,
        projected_size=config.feature_size if encoder is None else None,
        embed_size=config.embed_size,
        attention_size=config.attention_size,
        dropout=config.dropout,
        swap_rate=config.swap_rate,
        detects=config.detection_weight > 0,
        num_counts=config.num_counts,
        compute_dtype=config.operand_dtype,
        rngs=nnx.Rngs(config.seed),
    )


def stored(prepared: Prepared, model: Captioner) -> dict[str, str]:
    """What checkpoints hold of a captioner besides what they hold of every task."""
    return {"locations": json.dumps(model.locations), "max_length": str(prepared.max_length)}


class CaptionCarry(NamedTuple):
    """What a captioner's training hands from batch to batch.

    Attributes:
        baseline: of hard attention, nats a word.
        updates: so far.
    """

    baseline: Array
    updates: Array


def initial_carry() -> CaptionCarry:
    """The carry of the first batch."""
    return CaptionCarry(jnp.zeros(()), jnp.zeros(()))


def batch_loss(
    config: CaptionerConfig, model: Captioner, carry: CaptionCarry, batch: Batch, key: Array | None
) -> training.Loss:
    """The loss of a batch in nats a word, and the carry of the next one."""
    hard = HardTraining(config.hard_gradient, soft_rate=config.soft_rate)
    soft_rate = jnp.where(carry.updates < config.soft_steps, 1.0, config.soft_rate)
    faded = carry.updates / config.detection_steps if config.detection_steps else 0.0
    loss = caption_loss(
        model,
        batch,
        key,
        label_smoothing=config.label_smoothing,
        spread_weight=config.spread_weight,
        detection_weight=config.detection_weight * jnp.maximum(1 - faded, 0),
        hard=hard._replace(soft_rate=soft_rate),
        baseline=carry.baseline,
    )
    return loss._replace(carry=CaptionCarry(loss.carry, carry.updates + 1))
