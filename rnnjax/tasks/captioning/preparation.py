"""Data for training of a config: vocabulary, batches and validation split; and their shapes."""

from collections.abc import Mapping
from types import SimpleNamespace
from typing import NamedTuple

import jax
import numpy as np

from rnnjax import data
from rnnjax.data.padded_batches import TrainingBatches
from rnnjax.data.prepared import digest_of
from rnnjax.data.word_vocabulary import UNKNOWN_WORD
from rnnjax.tasks.captioning.batches import SceneBatches, caption_examples
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary
from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.config import SCENES, CaptionerConfig
from rnnjax.tasks.captioning.corpora import load_captions
from rnnjax.tasks.captioning.efficientnet import LOCATIONS
from rnnjax.tasks.captioning.scenes import MAX_WORDS, VOCABULARY, DigitScenes
from rnnjax.tasks.captioning.splits import Images, Split, split_of, splits_of

PHOTO_SYMBOLS = 10_000
"""Words of a large corpus of photographs that stand in it five times or more."""

PHOTO_WORDS = 30
"""Words of a caption of a photograph; few have more."""


class Prepared(NamedTuple):
    """Data for training.

    Attributes:
        vocabulary: of the training captions, unless one was given.
        batches: of the training split.
        validation: the split that decides which checkpoint is best.
        splits: the images of each split that has an end.
        max_length: ids of the longest training caption, its end included.
        digest: the same for the same data only.
        description: of the data, for people.
    """

    vocabulary: CaptionVocabulary
    batches: TrainingBatches | SceneBatches
    validation: Split
    splits: Mapping[str, Images]
    max_length: int
    digest: str
    description: str

    @property
    def locations(self) -> Locations | None:
        """Of features; None: there are images."""
        return self.validation.locations

    @property
    def vocab_size(self) -> int:
        """V, how many symbols there are."""
        return len(self.vocabulary)


def prepare(config: CaptionerConfig, vocabulary: CaptionVocabulary | None = None) -> Prepared:
    """Makes vocabulary, training batches and the validation split.

    Args:
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the data cannot be used.
    """
    if config.data == SCENES:
        return _prepare_scenes(config, vocabulary)
    corpus = load_captions(config)
    train = split_of(config, corpus.splits["train"])
    captions = [caption for captions in train.references for caption in captions]
    vocabulary = vocabulary or CaptionVocabulary.of(
        captions, level=config.level, min_count=config.min_count, num_subwords=config.num_subwords
    )
    ids = [[vocabulary.encode(caption) for caption in captions] for captions in train.references]
    lengths = [len(caption) for some in ids for caption in some]
    buckets = data.bucket_lengths(lengths, config.num_buckets, batch_size=config.batch_size)
    examples = caption_examples(ids, train.pictures, buckets)
    content = [
        [(image.image.rpartition("/")[2], image.captions) for image in corpus.splits[split]]
        for split in ("train", "validation")
    ]
    known = sum(1 for some in ids for caption in some for n in caption if n != UNKNOWN_WORD)
    return Prepared(
        vocabulary=vocabulary,
        batches=TrainingBatches(
            examples, batch_size=config.batch_size, seed=config.seed, full_only=True
        ),
        validation=split_of(config, corpus.splits["validation"]),
        splits=corpus.splits,
        max_length=buckets[-1],
        digest=digest_of(content),
        description=(
            f"{corpus.describe()}.\n{len(vocabulary):,} symbols, which cover "
            f"{known / sum(lengths):.1%} of the training captions; padded to "
            f"{', '.join(map(str, buckets))}."
        ),
    )


def _prepare_scenes(config: CaptionerConfig, vocabulary: CaptionVocabulary | None) -> Prepared:
    vocabulary = vocabulary or CaptionVocabulary.of(VOCABULARY)
    scenes = DigitScenes("train", seed=config.seed, side=config.image_size)
    sizes = {"batch_size": config.batch_size, "num_buckets": config.num_buckets}
    splits = splits_of(config)
    return Prepared(
        vocabulary=vocabulary,
        batches=SceneBatches(scenes, vocabulary, **sizes, seed=config.seed),
        validation=split_of(config, splits["validation"]),
        splits=splits,
        max_length=MAX_WORDS + 1,
        digest=f"digit scenes {config.seed} {config.image_size}",
        description=(
            f"Digit scenes of {config.image_size} by {config.image_size} pixels, composed as "
            f"they are needed; {len(vocabulary)} symbols."
        ),
    )


def abstract_data(config: CaptionerConfig) -> SimpleNamespace:
    """The shapes of a config's data: of scenes as they are, of photographs as they are assumed.

    Returns:
        `vocab_size` and `locations` as of `Prepared`; `batch`, of the longest captions, in
        `jax.ShapeDtypeStruct`s; `units`, words that a step reads at most; and `time_major`.
    """
    rows = config.batch_size
    of_scenes = config.data == SCENES and config.encoder == "cnn"
    length = (MAX_WORDS if of_scenes else PHOTO_WORDS) + 1
    batch = {
        "words": jax.ShapeDtypeStruct((length, rows), np.int32),
        "lengths": jax.ShapeDtypeStruct((rows,), np.int32),
    }
    if config.features or config.encoder == "efficientnet":
        shape = (rows, LOCATIONS.rows * LOCATIONS.columns, LOCATIONS.feature_size)
        batch["features"] = jax.ShapeDtypeStruct(shape, np.float16)
    else:
        batch["image"] = jax.ShapeDtypeStruct(
            (rows, config.image_size, config.image_size, 3), np.uint8
        )
    return SimpleNamespace(
        vocab_size=len(CaptionVocabulary.of(VOCABULARY)) if of_scenes else PHOTO_SYMBOLS,
        locations=None,
        batch=batch,
        units=rows * length,
        time_major=SceneBatches.time_major,
    )
