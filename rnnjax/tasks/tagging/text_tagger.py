"""Tagging sentences with a model: in training, for its loss and F1, and when it is trained."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from rnnjax import data, training
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.data.prepared import Prepared
from rnnjax.tasks.tagging.config import TaggingConfig
from rnnjax.tasks.tagging.entity_scores import entity_scores
from rnnjax.tasks.tagging.inputs import sentences_of_texts
from rnnjax.tasks.tagging.preparation import tagged_examples
from rnnjax.tasks.tagging.schemes import spans_of, tags_of
from rnnjax.tasks.tagging.sentences import Sentence, TaggedSentence
from rnnjax.tasks.tagging.tagger import Tagger, best_tags, make_tagger, tag, tagging_loss
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary
from rnnjax.typing import Array, Batch

BUCKETS = (8, 16, 24, 32, 48, 64, 96, 128)
"""Lengths that sentences to be tagged are padded to; longer ones get buckets of their own."""


class TextTagger(NamedTuple):
    """A tagger with its vocabulary: tags sentences of words."""

    model: Tagger
    vocabulary: TaggingVocabulary

    def best_tags(
        self, sentences: Sequence[Sentence], *, batch_size: int = 64
    ) -> list[tuple[str, ...]]:
        """The likeliest tags of each sentence, BIO."""
        found = self._run(best_tags, sentences, batch_size)
        return [in_bio(ids, self.vocabulary) for ids in in_order(found)]

    def tag(self, sentences: Sequence[Sentence], *, batch_size: int = 64) -> list[TaggedSentence]:
        """The likeliest tags of each sentence, and a score of each entity.

        The score of an entity is the smallest of the probabilities of its tags: an upper bound of
        the probability that all of them are right.

        Args:
            sentences: at least one; their own tags, where there are any, are the gold ones.
        """
        results = list(self._run(tag, sentences, batch_size))
        ids = in_order((batch, tags) for batch, (tags, _) in results)
        probabilities = in_order((batch, probability) for batch, (_, probability) in results)
        tagged = []
        for sentence, numbers, probability in zip(sentences, ids, probabilities, strict=True):
            tags = in_bio(numbers, self.vocabulary)
            scores = tuple(float(probability[s.start : s.end].min()) for s in spans_of(tags))
            known = vars(sentence) | {"tags": tags}
            tagged.append(TaggedSentence(**known, scores=scores, gold=sentence.tags or None))
        return tagged

    def tag_texts(self, *texts: str) -> list[TaggedSentence]:
        """The likeliest tags of the words of plain texts; see `tag`."""
        return self.tag(sentences_of_texts(texts, "text"))

    def _run(
        self, function: Any, sentences: Sequence[Sentence], batch_size: int
    ) -> Iterator[tuple[data.Batch, Any]]:
        examples = tagged_examples(sentences, self.vocabulary, BUCKETS)
        batches = EvaluationBatches(examples, batch_size=batch_size, fewer_long=True)
        told = training.with_progress(batches, len(sentences), "tagging")
        return training.results_of(function, self.model, told)


def load(workdir: str | Path, config: TaggingConfig | None = None) -> TextTagger:
    """The trained tagger of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, TaggingConfig, config)
    vocabulary = TaggingVocabulary.from_json(stored["vocabulary"])
    return TextTagger(
        training.restore_model(workdir, make_tagger, settings, vocabulary), vocabulary
    )


def in_bio(ids: np.ndarray, vocabulary: TaggingVocabulary) -> tuple[str, ...]:
    """The tags of one sentence by name, in BIO whatever scheme the model uses."""
    names = [vocabulary.tags[n] for n in ids.tolist()]
    return tuple(tags_of(spans_of(names), len(names), "BIO"))


def batch_loss(model: Tagger, batch: Batch, key: Array | None) -> training.Loss:
    """The loss in nats a sentence, while the speed is counted in tokens."""
    total, count = tagging_loss(model, batch, key)
    return training.Loss(total, count, work=batch["lengths"].sum())


def validation_scores(config: TaggingConfig, prepared: Prepared, model: Tagger) -> dict[str, float]:
    """Scores of the validation split.

    Returns:
        "loss", in nats a sentence; "f1", "precision" and "recall" over entities, in percent.
    """
    del config
    sentences, vocabulary = prepared.splits["validation"], prepared.vocabulary
    results = list(training.results_of(_loss_and_tags, model, prepared.validation))
    loss = sum(float(total) for _, (total, _) in results) / len(sentences)
    ids = in_order((batch, tags) for batch, (_, tags) in results)
    gold = [sentence.tags for sentence in sentences]
    found = entity_scores(gold, [in_bio(numbers, vocabulary) for numbers in ids]).micro.in_percent()
    return {"loss": loss, **{name: found[name] for name in ("f1", "precision", "recall")}}


def _loss_and_tags(model: Tagger, batch: dict[str, jax.Array]) -> tuple[jax.Array, jax.Array]:
    return tagging_loss(model, batch)[0], best_tags(model, batch)
