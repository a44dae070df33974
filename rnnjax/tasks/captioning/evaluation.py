"""Scores of captions of held-out images: during training, and by a trained captioner."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from flax import nnx

from rnnjax import training
from rnnjax.metrics.attention import Pointing, pointing_accuracy
from rnnjax.models.decoding import SAMPLED, Search, sample_text
from rnnjax.tasks.captioning.caption_scores import CaptionScores, caption_scores
from rnnjax.tasks.captioning.captioned_images import caption_words
from rnnjax.tasks.captioning.captioner import Captioner
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.image_captioner import Caption, ImageCaptioner, Readings
from rnnjax.tasks.captioning.preparation import Prepared
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


def write_and_score(
    split: Split, captioner: ImageCaptioner
) -> tuple[Sequence[Caption], SplitScores]:
    """Captions every image of a split, and scores the captions and the reading of references."""
    captions = captioner.write(split)
    return captions, score(split, captions, captioner.read(split))


def make_evaluation(
    config: CaptionerConfig,
    graph: nnx.GraphDef,
    prepared: Prepared,
    placement: training.Placement = training.LOCAL,
) -> Callable[[Any], dict[str, float]]:
    """Makes the function that judges parameters on the validation split.

    Args:
        config: of the run.
        graph: of the captioner.
        prepared: its data.
        placement: where the parameters live.

    Returns:
        ``(params) -> {"loss", "bleu4", "exact"}`` and "pointing" where it is known: the loss in
        nats a word of the first references, the others of captions written greedily, in percent.
    """
    del config

    def evaluate(params: Any) -> dict[str, float]:
        model = nnx.merge(graph, placement.gather(params))
        _, found = write_and_score(prepared.validation, _greedy(prepared, model))
        results = {
            "loss": found.loss,
            "bleu4": found.captions.bleu4,
            "exact": 100 * found.exact,
        }
        if found.pointing is not None:
            results["pointing"] = 100 * found.pointing.accuracy
        return results

    return evaluate


def sample(config: CaptionerConfig, prepared: Prepared, model: Captioner) -> str:
    """The first validation images and what the model writes for them greedily."""
    del config
    few = dataclasses.replace(prepared.validation, names=prepared.validation.names[:SAMPLED])
    references = [captions[0] for captions in prepared.validation.references[:SAMPLED]]
    found = _greedy(prepared, model).write(few)
    return sample_text(few.names, references, [one.text for one in found])


def _greedy(prepared: Prepared, model: Captioner) -> ImageCaptioner:
    search, longest = Search(beam_size=1), prepared.max_length
    return ImageCaptioner(model, prepared.vocabulary, search=search, max_length=longest)
