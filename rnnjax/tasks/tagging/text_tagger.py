"""Tagging sentences with a trained model."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx
from tqdm import tqdm

from rnnjax import data
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.tasks.tagging import tagger
from rnnjax.tasks.tagging.examples import tagged_examples
from rnnjax.tasks.tagging.predictions import TaggedSentence
from rnnjax.tasks.tagging.schemes import spans_of, tags_of
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.tagger import Tagger, Tagging
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary

BUCKETS = (8, 16, 24, 32, 48, 64, 96, 128)
"""Lengths that sentences to be tagged are padded to; longer ones get buckets of their own."""


class TextTagger(NamedTuple):
    """A tagger that reads sentences of words.

    Attributes:
        model: the tagger.
        vocabulary: its words, characters and tags.
    """

    model: Tagger
    vocabulary: TaggingVocabulary

    def best_tags(
        self, sentences: Sequence[Sentence], *, batch_size: int = 64
    ) -> list[tuple[str, ...]]:
        """The likeliest tags of each sentence, BIO.

        Args:
            sentences: at least one.
            batch_size: how many are tagged side by side.
        """
        found = self._over(_best_tags, sentences, batch_size)
        return [in_bio(ids, self.vocabulary) for ids in in_order(found)]

    def tag(self, sentences: Sequence[Sentence], *, batch_size: int = 64) -> list[TaggedSentence]:
        """The likeliest tags of each sentence, and how sure the model is of each entity.

        The score of an entity is the least of the probabilities of its tags: no lower than the
        probability that all of them are right.

        Args:
            sentences: at least one; their own tags, where there are any, are the gold ones.
            batch_size: how many are tagged side by side.
        """
        results = list(self._over(_tag, sentences, batch_size))
        ids = in_order((batch, tagging.tags) for batch, tagging in results)
        sure = in_order((batch, tagging.probability) for batch, tagging in results)
        tagged = []
        for sentence, numbers, probability in zip(sentences, ids, sure, strict=True):
            tags = in_bio(numbers, self.vocabulary)
            scores = tuple(float(probability[s.start : s.end].min()) for s in spans_of(tags))
            gold = sentence.tags or None
            tagged.append(TaggedSentence(sentence.tokens, tags, scores, gold, sentence.source))
        return tagged

    def _over(
        self, function: Any, sentences: Sequence[Sentence], batch_size: int
    ) -> Iterator[tuple[data.Batch, Any]]:
        graph, params = nnx.split(self.model, nnx.Param)
        examples = tagged_examples(sentences, self.vocabulary, BUCKETS)
        batches = EvaluationBatches(examples, batch_size=batch_size)
        bar = tqdm(batches, desc="tagging", unit="batch", disable=None, leave=False, delay=2)
        yield from run_over(functools.partial(function, graph, params), bar)


def run_over(function: Any, batches: Iterable[data.Batch]) -> Iterator[tuple[data.Batch, Any]]:
    """Pairs of a batch and what a jitted function makes of it, one computed while one is read."""
    before: tuple[data.Batch, Any] | None = None
    for batch in batches:
        running = batch, function(batch)
        if before is not None:
            yield before[0], jax.device_get(before[1])
        before = running
    if before is not None:
        yield before[0], jax.device_get(before[1])


def in_bio(ids: np.ndarray, vocabulary: TaggingVocabulary) -> tuple[str, ...]:
    """The tags of one sentence by name, in BIO whatever scheme the model uses."""
    names = [vocabulary.tags[n] for n in ids.tolist()]
    return tuple(tags_of(spans_of(names), len(names), "BIO"))


@functools.partial(jax.jit, static_argnums=0)
def _best_tags(graph: nnx.GraphDef, params: Any, batch: dict[str, jax.Array]) -> jax.Array:
    return tagger.best_tags(nnx.merge(graph, params), batch)


@functools.partial(jax.jit, static_argnums=0)
def _tag(graph: nnx.GraphDef, params: Any, batch: dict[str, jax.Array]) -> Tagging:
    return tagger.tag(nnx.merge(graph, params), batch)
