"""Captioning images with a model, in training and after it, and scores of the captions."""

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import training
from rnnjax.data.padded_batches import EvaluationBatches, Examples
from rnnjax.data.word_vocabulary import END, START
from rnnjax.decode import BeamResult
from rnnjax.losses import target_log_probability
from rnnjax.metrics.attention import Pointing, pointing_accuracy
from rnnjax.models.decoding import SAMPLED, Rated, Search, rate, sample_text, search_memory
from rnnjax.models.memory import Glance
from rnnjax.tasks.captioning.assembly import make_captioner
from rnnjax.tasks.captioning.batches import caption_examples
from rnnjax.tasks.captioning.caption_scores import CaptionScores, caption_scores
from rnnjax.tasks.captioning.captioned_images import (
    UNSPEAKABLE,
    CaptionVocabulary,
    caption_words,
    images_at,
)
from rnnjax.tasks.captioning.captioner import Captioner, Locations
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.preparation import Prepared
from rnnjax.tasks.captioning.splits import Split, split_of
from rnnjax.typing import Array

BATCH_SIZE = 50


class Caption(NamedTuple):
    """The caption that a model wrote for an image.

    Attributes:
        words: T of them.
        rated: the caption and others, the best first.
        maps: `[T, rows, columns]`, the attention while each word was chosen, the mean over the
            symbols of the word; None without attention.
        gates: `[T]`, the gating scalar beta, likewise; None without attention.
    """

    words: tuple[str, ...]
    rated: tuple[Rated, ...]
    maps: np.ndarray | None
    gates: np.ndarray | None

    @property
    def text(self) -> str:
        """The words joined by blanks."""
        return " ".join(self.words)


class Readings(NamedTuple):
    """The references of a split, read by a captioner.

    Attributes:
        nats: of each caption, its end included.
        num_words: of all captions, ends included.
        maps: for each caption `[T, rows, columns]`, without its end; empty without attention.
    """

    nats: Sequence[float]
    num_words: int
    maps: Sequence[np.ndarray]


class ImageCaptioner(NamedTuple):
    """A captioner with its vocabulary: writes and reads captions of images.

    Attributes:
        model: the network.
        vocabulary: its symbols.
        config: of its run.
        search: settings of the beam search.
        max_length: symbols after which a caption is cut off, its end included.
    """

    model: Captioner
    vocabulary: CaptionVocabulary
    config: CaptionerConfig
    search: Search = Search()
    max_length: int = 40

    def caption(self, path: str) -> list[Caption]:
        """Captions an image file, or all images of a folder in the order of their names.

        Raises:
            UserError: there is no image, or one cannot be read.
        """
        return self.write(split_of(self.config, images_at(path)))

    def write(self, split: Split, *, batch_size: int = BATCH_SIZE) -> list[Caption]:
        """Captions every image.

        Args:
            split: the images.
            batch_size: images side by side.
        """
        every = EvaluationBatches(Examples(split.pictures, len(split)), batch_size=batch_size)
        batches = training.with_progress(every, len(split), "captioning")
        settings = self.search, self.max_length
        captions = []
        for batch, (found, glances) in training.results_of(_search, self.model, batches, *settings):
            for row in range(np.count_nonzero(batch["indices"] >= 0)):
                best = found.tokens[row, : self.search.num_best].tolist()
                texts = [self.vocabulary.text(self.vocabulary.decode(tokens)) for tokens in best]
                symbols = self.vocabulary.decode(best[0])
                maps = gates = None
                if glances.weights is not None:
                    word_numbers = self.vocabulary.word_numbers(symbols)
                    maps = self._map(_mean_by_word(glances.weights[row], word_numbers))
                    gates = _mean_by_word(glances.gate[row], word_numbers)
                rated = rate(texts, found.scores[row], found.log_probability[row])
                captions.append(Caption(tuple(texts[0].split()), rated, maps, gates))
        return captions

    def read(self, split: Split, *, batch_size: int = BATCH_SIZE) -> Readings:
        """Reads the first reference of every image, word by word.

        Args:
            split: images with references.
            batch_size: images side by side.
        """
        ids = [[self.vocabulary.encode(references[0])] for references in split.references]
        every = EvaluationBatches(caption_examples(ids, split.pictures), batch_size=batch_size)
        batches = training.with_progress(every, len(split), "reading")
        nats, maps = [], []
        for batch, (losses, weights) in training.results_of(_read, self.model, batches):
            lengths = batch["lengths"][batch["lengths"] > 0].tolist()
            nats += losses[: len(lengths)].tolist()
            if weights is not None:
                maps += [self._map(weights[: end - 1, row]) for row, end in enumerate(lengths)]
        return Readings(nats, sum(len(caption) for (caption,) in ids), maps)

    def _map(self, weights: np.ndarray) -> np.ndarray:
        rows, columns, _ = self.model.locations
        return weights.reshape(len(weights), rows, columns)


def load(workdir: str | Path, config: CaptionerConfig | None = None) -> ImageCaptioner:
    """The trained captioner of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, CaptionerConfig, config)
    vocabulary = CaptionVocabulary.from_json(stored["vocabulary"])
    locations = Locations(*json.loads(stored["locations"])) if settings.features else None
    model = training.restore_model(workdir, make_captioner, settings, len(vocabulary), locations)
    return ImageCaptioner(model, vocabulary, settings, max_length=int(stored["max_length"]))


def _mean_by_word(values: np.ndarray, word_numbers: np.ndarray) -> np.ndarray:
    """The means `[words, ...]` of values `[steps, ...]`, without the steps of the end."""
    sums = np.zeros((word_numbers.max(initial=-1) + 1, *values.shape[1:]), values.dtype)
    np.add.at(sums, word_numbers, values[: len(word_numbers)])
    return (sums.T / np.bincount(word_numbers)).T


def _search(
    model: Any, search: Search, max_length: int, batch: dict[str, Array]
) -> tuple[BeamResult, Glance]:
    """The result of the beam search, and the glances on the way to the best captions."""
    graph, params = nnx.split(model, nnx.Param)
    symbols = START, END, UNSPEAKABLE
    return search_memory(graph, symbols, search, max_length, params, model.look(batch))


def _read(model: Any, batch: dict[str, Array]) -> tuple[Array, Array | None]:
    """The nats of each caption, and where each word looked."""
    mask = jnp.arange(len(batch["words"]))[:, None] < batch["lengths"]
    reading = model.read(batch)
    gains = target_log_probability(reading.logits, batch["words"])
    return -jnp.sum(jnp.where(mask, gains, 0), axis=0), reading.glances.weights


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


def validation_scores(
    config: CaptionerConfig, prepared: Prepared, model: Captioner
) -> dict[str, float]:
    """Scores of the validation split.

    Returns:
        "loss", in nats a word of the first references; "bleu4" and "exact" of captions that are
        written greedily, and "pointing" where it is known, in percent.
    """
    _, found = write_and_score(prepared.validation, _greedy(config, prepared, model))
    scores = {"loss": found.loss, "bleu4": found.captions.bleu4, "exact": 100 * found.exact}
    if found.pointing is not None:
        scores["pointing"] = 100 * found.pointing.accuracy
    return scores


def sample(config: CaptionerConfig, prepared: Prepared, model: Captioner) -> str:
    """The first validation images and what the model writes for them greedily."""
    few = dataclasses.replace(prepared.validation, names=prepared.validation.names[:SAMPLED])
    references = [captions[0] for captions in prepared.validation.references[:SAMPLED]]
    found = _greedy(config, prepared, model).write(few)
    return sample_text(few.names, references, [one.text for one in found])


def _greedy(config: CaptionerConfig, prepared: Prepared, model: Captioner) -> ImageCaptioner:
    search = Search(beam_size=1)
    return ImageCaptioner(model, prepared.vocabulary, config, search, prepared.max_length)
