"""The data of a config in shapes, to compile a training step for a machine without them."""

from typing import NamedTuple

import jax
import numpy as np

from rnnjax import data, models
from rnnjax.captioning.settings import SCENES, CaptionerConfig
from rnnjax.data.scenes import MAX_WORDS, VOCABULARY

PHOTO_SYMBOLS = 10_000
"""Words of a large corpus of photographs that stand in it five times or more."""


class AbstractData(NamedTuple):
    """What training reads, in shapes.

    Attributes:
        vocab_size: V.
        locations: of features that are computed beforehand; None: the encoder is trained.
        batch: of the longest captions, `jax.ShapeDtypeStruct`s.
    """

    vocab_size: int
    locations: models.Locations | None
    batch: dict[str, jax.ShapeDtypeStruct]


def abstract_data(config: CaptionerConfig) -> AbstractData:
    """The shapes of a config's data: of scenes as they are, of photographs as they are assumed."""
    rows = config.batch_size
    of_scenes = config.data == SCENES and config.encoder == "cnn"
    length = (MAX_WORDS if of_scenes else config.max_words) + 1
    batch = {
        "words": jax.ShapeDtypeStruct((length, rows), np.int32),
        "lengths": jax.ShapeDtypeStruct((rows,), np.int32),
    }
    vocab_size = len(data.CaptionVocabulary.of(VOCABULARY)) if of_scenes else PHOTO_SYMBOLS
    if config.features or config.encoder == "efficientnet":
        locations = models.FEATURE_MAPS[config.feature_map]
        shape = (rows, locations.rows * locations.columns, locations.feature_size)
        batch["features"] = jax.ShapeDtypeStruct(shape, np.float16)
        return AbstractData(vocab_size, locations, batch)
    batch["image"] = jax.ShapeDtypeStruct((rows, config.side, config.side, 3), np.uint8)
    return AbstractData(vocab_size, None, batch)
