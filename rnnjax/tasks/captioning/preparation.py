"""Data for training: vocabulary, batches and the validation split of a config."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rnnjax import data
from rnnjax.data.padded_batches import TrainingBatches
from rnnjax.tasks.captioning.batches import SceneBatches, caption_examples, image_examples
from rnnjax.tasks.captioning.captioned_images import CaptionedImage
from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.config import SCENES, CaptionerConfig
from rnnjax.tasks.captioning.corpora import load_captions
from rnnjax.tasks.captioning.rewards import Reward, reward_of
from rnnjax.tasks.captioning.scenes import MAX_WORDS, VOCABULARY, DigitScenes
from rnnjax.tasks.captioning.splits import Split, load_split
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
    corpus = load_captions(config)
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


def _digest(splits: Mapping[str, Sequence[CaptionedImage]]) -> str:
    content = [
        [(image.image.rpartition("/")[2], image.captions) for image in splits[split]]
        for split in ("train", "validation")
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
