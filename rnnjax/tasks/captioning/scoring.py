"""Scores of a captioner on a split."""

from collections.abc import Sequence
from typing import NamedTuple

from rnnjax.metrics.attention import Pointing, pointing_accuracy
from rnnjax.tasks.captioning.caption_scores import CaptionScores, caption_scores
from rnnjax.tasks.captioning.captioned_images import caption_words
from rnnjax.tasks.captioning.image_captioner import Caption, Readings
from rnnjax.tasks.captioning.splits import Split


class SplitScores(NamedTuple):
    """Scores of a captioner on a split.

    Attributes:
        captions: against all references.
        exact: share of the captions that are a reference word for word.
        loss: nats a word of the first references.
        pointing: of the attention while these are read; None where the regions or the attention
            are missing.
    """

    captions: CaptionScores
    exact: float
    loss: float
    pointing: Pointing | None


def score(split: Split, captions: Sequence[Caption], readings: Readings) -> SplitScores:
    """Scores captions of a split, and the reading of its references."""
    texts = [caption.text for caption in captions]
    hits = sum(
        caption_words(text) in map(caption_words, references)
        for text, references in zip(texts, split.references, strict=True)
    )
    loss = sum(readings.nats) / readings.num_words
    pointing = None
    if split.regions is not None and readings.maps:
        size = split.show(0).shape[:2]
        counts = [
            pointing_accuracy(maps, regions, size)
            for maps, regions in zip(readings.maps, split.regions, strict=True)
        ]
        pointing = Pointing(*map(sum, zip(*counts, strict=True)))
    return SplitScores(caption_scores(texts, split.references), hits / len(texts), loss, pointing)
