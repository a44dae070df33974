"""A captioner made from a config."""

import json

from flax import nnx

from rnnjax.models.small_cnn import SmallCNN
from rnnjax.tasks.captioning.captioner import Captioner, Locations
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.efficientnet import LOCATIONS
from rnnjax.tasks.captioning.preparation import Prepared


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
    """The entries of a captioner's checkpoint besides those of every task."""
    return {"locations": json.dumps(model.locations), "max_length": str(prepared.max_length)}
