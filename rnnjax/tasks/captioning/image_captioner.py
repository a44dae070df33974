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
from rnnjax.models.small_cnn import SmallCNN
from rnnjax.tasks.captioning.batches import caption_examples
from rnnjax.tasks.captioning.caption_scores import caption_scores
from rnnjax.tasks.captioning.captioned_images import (
    UNSPEAKABLE,
    CaptionVocabulary,
    caption_words,
    images_at,
)
from rnnjax.tasks.captioning.captioner import Captioner, Locations
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.efficientnet import LOCATIONS
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


class ImageCaptioner(NamedTuple):
    """A captioner with its vocabulary: writes and reads captions of images.

    Attributes:
        vocabulary: its symbols.
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
        """Captions every image, so many side by side."""
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

    def read(
        self, split: Split, *, batch_size: int = BATCH_SIZE
    ) -> tuple[list[float], int, list[np.ndarray]]:
        """Reads the first reference of every image, word by word.

        Returns:
            The nats of each caption, its end included; how many words all have, ends included; and
            the attention of each `[T, rows, columns]`, without its end, none without attention.
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
        return nats, sum(len(caption) for (caption,) in ids), maps

    def _map(self, weights: np.ndarray) -> np.ndarray:
        rows, columns, _ = self.model.locations
        return weights.reshape(len(weights), rows, columns)


def make_captioner(
    config: CaptionerConfig, vocab_size: int, locations: Locations | None = None
) -> Captioner:
    """The captioner of a config, with fresh parameters.

    Args:
        locations: of features; None: those of the config's encoder.
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


def load(workdir: str | Path, config: CaptionerConfig | None = None) -> ImageCaptioner:
    """The trained captioner of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, CaptionerConfig, config)
    vocabulary = CaptionVocabulary.from_json(stored["vocabulary"])
    locations = Locations(*json.loads(stored["locations"]))
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


def write_and_score(
    split: Split, captioner: ImageCaptioner
) -> tuple[Sequence[Caption], dict[str, Any]]:
    """Captions every image of a split, and scores the captions and the reading of references.

    Returns:
        The captions; `caption_scores` of them, the share `exact` that are a reference word for word
        in percent, and of the first references `loss`, nats a word, and `pointing`, the accuracy of
        the attention in percent, where there are regions and attention.
    """
    captions = captioner.write(split)
    texts = [caption.text for caption in captions]
    hits = sum(
        caption_words(text) in map(caption_words, references)
        for text, references in zip(texts, split.references, strict=True)
    )
    nats, num_words, maps = captioner.read(split)
    scores = caption_scores(texts, split.references)
    scores |= {"exact": 100 * hits / len(texts), "loss": sum(nats) / num_words}
    if split.regions is not None and maps:
        size = split.show(0).shape[:2]
        counts = [
            pointing_accuracy(of_words, regions, size)
            for of_words, regions in zip(maps, split.regions, strict=True)
        ]
        scores["pointing"] = 100 * Pointing(*map(sum, zip(*counts, strict=True))).accuracy
    return captions, scores


def validation_scores(
    config: CaptionerConfig, prepared: Prepared, model: Captioner
) -> dict[str, float]:
    """Scores of the validation split, captioned greedily: "loss", "bleu4", "exact", "pointing"."""
    _, found = write_and_score(prepared.validation, _greedy(config, prepared, model))
    names = ("loss", "bleu4", "exact", "pointing")
    return {name: found[name] for name in names if name in found}


def sample(config: CaptionerConfig, prepared: Prepared, model: Captioner) -> str:
    """The first validation images and what the model writes for them greedily."""
    few = dataclasses.replace(prepared.validation, names=prepared.validation.names[:SAMPLED])
    references = [captions[0] for captions in prepared.validation.references[:SAMPLED]]
    found = _greedy(config, prepared, model).write(few)
    return sample_text(few.names, references, [one.text for one in found])


def _greedy(config: CaptionerConfig, prepared: Prepared, model: Captioner) -> ImageCaptioner:
    search = Search(beam_size=1)
    return ImageCaptioner(model, prepared.vocabulary, config, search, prepared.max_length)
