"""From the words of a config to images, captions and batches."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rnnjax import data
from rnnjax.data.padded_batches import TrainingBatches
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.captioning.batches import SceneBatches, caption_examples, image_examples
from rnnjax.tasks.captioning.captioned_images import CaptionCorpus, CaptionedImage, images_at
from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.config import SCENES, CaptionerConfig
from rnnjax.tasks.captioning.corpora import load_captions
from rnnjax.tasks.captioning.efficientnet import EfficientNetLite0
from rnnjax.tasks.captioning.feature_files import read_features
from rnnjax.tasks.captioning.features import features_of
from rnnjax.tasks.captioning.rewards import Reward, reward_of
from rnnjax.tasks.captioning.scenes import MAX_WORDS, VOCABULARY, DigitScenes
from rnnjax.tasks.captioning.scenes.digits import SPLITS
from rnnjax.tasks.captioning.splits import Split, of_features, of_images, of_scenes
from rnnjax.tasks.captioning.vocabulary import UNKNOWN_WORD, CaptionVocabulary


class Prepared(NamedTuple):
    """Data for training.

    Attributes:
        vocabulary: of the training captions, unless one was given.
        batches: of the training split.
        validation: the split that decides which checkpoint is best.
        locations: of features that are computed beforehand; None: the encoder is trained.
        max_length: ids of the longest training caption, its end included.
        reward: of captions that are drawn; None where none are.
        digest: the same for the same data only.
        description: of the data, for people.
    """

    vocabulary: CaptionVocabulary
    batches: TrainingBatches | SceneBatches
    validation: Split
    locations: Locations | None
    max_length: int
    reward: Reward | None
    digest: str
    description: str

    @property
    def vocab_size(self) -> int:
        """V, how many symbols there are."""
        return len(self.vocabulary)


def prepare(config: CaptionerConfig, vocabulary: CaptionVocabulary | None = None) -> Prepared:
    """Makes vocabulary, training batches and the validation split.

    Args:
        config: of the run.
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the data cannot be used.
    """
    if config.data == SCENES:
        return _prepare_scenes(config, vocabulary)
    corpus = _load_corpus(config)
    train = load_split(config, "train", corpus)
    captions = [caption for captions in train.references for caption in captions]
    vocabulary = vocabulary or CaptionVocabulary.of(
        captions,
        level=config.level,
        min_count=config.min_count,
        num_subwords=config.num_subwords,
    )
    ids = [[vocabulary.encode(caption) for caption in captions] for captions in train.references]
    lengths = [len(caption) for some in ids for caption in some]
    buckets = data.bucket_lengths(lengths, config.num_buckets, batch_size=config.batch_size)
    examples = (
        image_examples(ids, train.pictures)
        if config.draws
        else caption_examples(ids, train.pictures, buckets)
    )
    known = sum(1 for some in ids for caption in some for n in caption if n != UNKNOWN_WORD)
    return Prepared(
        vocabulary=vocabulary,
        batches=TrainingBatches(
            examples, batch_size=config.batch_size, seed=config.seed, full_only=True
        ),
        validation=load_split(config, "validation", corpus),
        locations=train.locations,
        max_length=buckets[-1],
        reward=reward_of(config.objective, ids),
        digest=_digest(corpus.splits),
        description=(
            f"{corpus.describe()}.\n{len(vocabulary):,} symbols, which cover "
            f"{known / sum(lengths):.1%} of the training captions; padded to "
            f"{', '.join(map(str, buckets))}."
        ),
    )


def load_split(config: CaptionerConfig, split: str, corpus: CaptionCorpus | None = None) -> Split:
    """The images and captions of a split.

    Args:
        config: of the run.
        split: its name.
        corpus: that of the config, if it is loaded already.

    Raises:
        UserError: there is no such split, or it cannot be read.
    """
    if config.data == SCENES:
        if split == "train":
            raise UserError("digit scenes for training have no end: choose validation or test")
        return of_scenes(DigitScenes(split, seed=config.seed, side=config.image_size))
    splits = (corpus or _load_corpus(config)).splits
    if split not in splits:
        raise UserError(f"{config.data} has no split {split}; {did_you_mean(split, splits)}")
    return split_of(config, splits[split])


def load_images(config: CaptionerConfig, path: str) -> Split:
    """An image, or all images of a folder, without captions; see `images_at` for what it raises."""
    return split_of(config, images_at(path))


def held_out_splits(config: CaptionerConfig) -> list[str]:
    """The names of the splits that the data of a config keep aside."""
    splits = SPLITS if config.data == SCENES else _load_corpus(config).splits
    return [split for split in splits if split != "train"]


def split_of(config: CaptionerConfig, images: Sequence[CaptionedImage]) -> Split:
    """Any images, as the model of a config reads them."""
    if config.features:
        size = EfficientNetLite0.side
        features = read_features(config.features, images, skip_missing=config.skip_faulty)
        return of_features(features, size=size, policy=config.resize)
    if config.encoder == "efficientnet":
        encoder = EfficientNetLite0(config.feature_map)
        features = features_of(
            images,
            encoder,
            policy=config.resize,
            cache_dir=config.cache,
            skip_faulty=config.skip_faulty,
        )
        return of_features(features, size=encoder.side, policy=config.resize)
    return of_images(
        images,
        size=config.side,
        policy=config.resize,
        skip_faulty=config.skip_faulty,
    )


def _prepare_scenes(config: CaptionerConfig, vocabulary: CaptionVocabulary | None) -> Prepared:
    words = sorted(VOCABULARY)
    vocabulary = vocabulary or CaptionVocabulary.of(words)
    scenes = DigitScenes("train", seed=config.seed, side=config.image_size)
    return Prepared(
        vocabulary=vocabulary,
        batches=SceneBatches(scenes, vocabulary, batch_size=config.batch_size, seed=config.seed),
        validation=load_split(config, "validation"),
        locations=None,
        max_length=MAX_WORDS + 1,
        reward=reward_of(config.objective, []),
        digest=f"digit scenes {config.seed} {config.image_size}",
        description=(
            f"Digit scenes of {config.image_size} by {config.image_size} pixels, composed as "
            f"they are needed; {len(vocabulary)} symbols."
        ),
    )


def _load_corpus(config: CaptionerConfig) -> CaptionCorpus:
    return load_captions(
        config.data,
        images=config.images,
        skip_faulty=config.skip_faulty,
        held_out=config.held_out,
        max_words=config.max_words,
        long_captions=config.long_captions,
        encoding=config.encoding,
    )


def _digest(splits: Mapping[str, Sequence[CaptionedImage]]) -> str:
    content = [
        [(image.image.rpartition("/")[2], image.captions) for image in splits[split]]
        for split in ("train", "validation")
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
