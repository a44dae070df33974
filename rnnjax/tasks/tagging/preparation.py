"""From a corpus to what a tagger trains on."""

import functools
import hashlib
import json
from typing import NamedTuple

from rnnjax import data
from rnnjax.tasks.tagging.batches import TrainingBatches
from rnnjax.tasks.tagging.entity_swapping import entity_inventory, swap_entities
from rnnjax.tasks.tagging.schemes import Scheme
from rnnjax.tasks.tagging.sentences import TaggedCorpus
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary


class Prepared(NamedTuple):
    """A corpus in numbers.

    Attributes:
        vocabulary: of the training split, unless one was given.
        vectors: of its words, made elsewhere; None: there are none.
        buckets: the lengths that sentences are padded to.
        batches: of the training split.
        digest: of the training and validation sentences, the same for the same ones only.
    """

    vocabulary: TaggingVocabulary
    vectors: data.Vectors | None
    buckets: tuple[int, ...]
    batches: TrainingBatches
    digest: str

    def describe(self) -> str:
        """Its sizes, in one line."""
        vocabulary = self.vocabulary
        words = "" if self.vectors is None else self.vectors.coverage(vocabulary.words)
        return (
            f"{len(vocabulary.words):,} words, {len(vocabulary.characters)} characters, "
            f"{len(vocabulary.tags)} tags; sentences padded to {', '.join(map(str, self.buckets))}"
            + (words and f"; {words}")
        )


def prepare(
    corpus: TaggedCorpus,
    *,
    scheme: Scheme,
    batch_size: int,
    num_buckets: int,
    seed: int = 0,
    swap_rate: float = 0.0,
    vectors_file: str | None = None,
    encoding: str = "utf-8",
    vocabulary: TaggingVocabulary | None = None,
) -> Prepared:
    """Makes vocabulary, buckets and training batches.

    Args:
        corpus: with a training split.
        scheme: of the model's tags.
        batch_size: B.
        num_buckets: lengths to pad to, at most.
        seed: of the order of the sentences.
        swap_rate: how often an entity gives way to another of its type.
        vectors_file: see `data.read_vectors`; words of all splits that it has are known.
        encoding: of that file.
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the file of vectors cannot be used, or a number is out of range.
    """
    sentences = corpus.splits["train"]
    vectors = None
    if vectors_file:
        splits = corpus.splits.values()
        words = {token for split in splits for sentence in split for token in sentence.tokens}
        vectors = data.read_vectors(vectors_file, words, encoding=encoding)
    vocabulary = vocabulary or TaggingVocabulary.of(
        sentences, scheme=scheme, extra_words=vectors.words if vectors else ()
    )
    lengths = (len(sentence.tokens) for sentence in sentences)
    buckets = data.bucket_lengths(lengths, num_buckets, batch_size=batch_size)
    swap = functools.partial(swap_entities, inventory=entity_inventory(sentences), rate=swap_rate)
    batches = TrainingBatches(
        sentences,
        vocabulary,
        batch_size=batch_size,
        buckets=buckets,
        seed=seed,
        transform=(lambda sentence, rng: swap(sentence, rng=rng)) if swap_rate else None,
    )
    return Prepared(vocabulary, vectors, buckets, batches, _digest(corpus))


def _digest(corpus: TaggedCorpus) -> str:
    splits = [corpus.splits["train"], corpus.splits["validation"]]
    content = [[(sentence.tokens, sentence.tags) for sentence in split] for split in splits]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
