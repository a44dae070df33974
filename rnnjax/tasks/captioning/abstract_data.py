"""The data of a config in shapes, to compile a training step for a machine without them."""

from typing import NamedTuple

import jax
import numpy as np

from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.config import SCENES, CaptionerConfig
from rnnjax.tasks.captioning.efficientnet import FEATURE_MAPS
from rnnjax.tasks.captioning.rewards import Reward, reward_of
from rnnjax.tasks.captioning.scenes import MAX_WORDS, VOCABULARY
from rnnjax.tasks.captioning.vocabulary import CaptionVocabulary

PHOTO_SYMBOLS = 10_000
"""Words of a large corpus of photographs that stand in it five times or more."""

NUM_CAPTIONS = 5
"""Of an image in Flickr8k, Flickr30k and, but for a few with more, COCO."""


class AbstractData(NamedTuple):
    """What training reads, in shapes.

    Attributes:
        vocab_size: V.
        locations: of features that are computed beforehand; None: the encoder is trained.
        batch: of the longest captions, `jax.ShapeDtypeStruct`s.
        units: words that a training step reads, or draws, at most.
        reward: of captions that are drawn; None where none are.
    """

    vocab_size: int
    locations: Locations | None
    batch: dict[str, jax.ShapeDtypeStruct]
    units: int
    reward: Reward | None


def abstract_data(config: CaptionerConfig) -> AbstractData:
    """The shapes of a config's data: of scenes as they are, of photographs as they are assumed."""
    rows = config.batch_size
    of_scenes = config.data == SCENES and config.encoder == "cnn"
    length = (MAX_WORDS if of_scenes else config.max_words) + 1
    captions = (rows, NUM_CAPTIONS) if config.draws and not of_scenes else (rows,)
    batch = {
        "words": jax.ShapeDtypeStruct((length, *captions), np.int32),
        "lengths": jax.ShapeDtypeStruct(captions, np.int32),
    }
    locations = None
    if config.features or config.encoder == "efficientnet":
        locations = FEATURE_MAPS[config.feature_map]
        shape = (rows, locations.rows * locations.columns, locations.feature_size)
        batch["features"] = jax.ShapeDtypeStruct(shape, np.float16)
    else:
        batch["image"] = jax.ShapeDtypeStruct((rows, config.side, config.side, 3), np.uint8)
    return AbstractData(
        vocab_size=len(CaptionVocabulary.of(VOCABULARY)) if of_scenes else PHOTO_SYMBOLS,
        locations=locations,
        batch=batch,
        units=rows * (config.num_drawn * (config.drawn_words + 1) if config.draws else length),
        reward=reward_of(config.objective, [[np.zeros(1, np.int32)]]),
    )
