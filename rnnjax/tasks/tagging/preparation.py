"""From the sentences of a config to what a tagger trains on."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from rnnjax import data
from rnnjax.data.padded_batches import EvaluationBatches, Example, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared, digest_of
from rnnjax.tasks.tagging.config import TaggingConfig
from rnnjax.tasks.tagging.corpora import load_tagged
from rnnjax.tasks.tagging.schemes import Span, spans_of, tags_of
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.vocabulary import EncodedSentence, TaggingVocabulary

Inventory = Mapping[str, tuple[tuple[str, ...], ...]]
"""{type: the entities of this type, each in tokens and each once}."""


def prepare(config: TaggingConfig, vocabulary: TaggingVocabulary | None = None) -> Prepared:
    """Makes vocabulary, buckets and training batches.

    Args:
        config: of the run; words of all splits that its file of vectors has are known.
        vocabulary: one that a model was trained with.

    Raises:
        UserError: the sentences or the vectors cannot be used, or a number is out of range.
    """
    corpus = load_tagged(config)
    sentences = corpus.splits["train"]
    vectors = None
    if config.vectors:
        splits = corpus.splits.values()
        words = {token for split in splits for sentence in split for token in sentence.tokens}
        vectors = data.read_vectors(config.vectors, words, encoding=config.encoding)
    vocabulary = vocabulary or TaggingVocabulary.of(
        sentences, scheme=config.scheme, extra_words=vectors.words if vectors else ()
    )
    lengths = (len(sentence.tokens) for sentence in sentences)
    buckets = data.bucket_lengths(lengths, config.num_buckets, batch_size=config.batch_size)
    inventory, rate = entity_inventory(sentences), config.swap_rate
    swap = (lambda sentence, rng: swap_entities(sentence, inventory, rng, rate)) if rate else None
    examples = tagged_examples(sentences, vocabulary, buckets, swap)
    batches = TrainingBatches(examples, batch_size=config.batch_size, seed=config.seed)
    held_out = tagged_examples(corpus.splits["validation"], vocabulary, buckets)
    # Made now, so that a tag which the vocabulary lacks is told before the training.
    validation = [*EvaluationBatches(held_out, batch_size=config.batch_size)]
    found = "" if vectors is None else f"; {vectors.coverage(vocabulary.words)}"
    description = (
        f"{corpus.describe()}.\n{len(vocabulary.words):,} words, {len(vocabulary.characters)} "
        f"characters, {len(vocabulary.tags)} tags; sentences padded to "
        f"{', '.join(map(str, buckets))}{found}."
    )
    content = [
        [(sentence.tokens, sentence.tags) for sentence in corpus.splits[split]]
        for split in ("train", "validation")
    ]
    read = corpus.splits, digest_of(content), vocabulary, vectors
    return Prepared(batches, validation, description, *read)


def tagged_examples(
    sentences: Sequence[Sentence],
    vocabulary: TaggingVocabulary,
    buckets: Sequence[int],
    transform: Callable[[Sentence, np.random.Generator], Sentence] | None = None,
) -> Examples:
    """Sentences in numbers: the fields of `EncodedSentence`, all ragged, and `lengths`.

    Args:
        sentences: a split, or what shall be tagged; they are encoded batch by batch.
        buckets: lengths to pad to, ascending.
        transform: makes another sentence of one, anew in every epoch of training.
    """

    def encode(sentence: Sentence) -> Example:
        return vocabulary.encode(sentence)._asdict()

    lengths = np.array([len(sentence.tokens) for sentence in sentences])
    return Examples(
        get=lambda n: encode(sentences[n]),
        size=len(sentences),
        ragged={"lengths": Ragged(EncodedSentence._fields, lengths, buckets)},
        draw=None if transform is None else lambda n, rng: encode(transform(sentences[n], rng)),
        noun="sentence",
        name_of=lambda n: sentences[n].source,
    )


def entity_inventory(sentences: Iterable[Sentence]) -> Inventory:
    """The entities of sentences by their type, in the order in which they first come."""
    found: dict[str, dict[tuple[str, ...], None]] = {}
    for sentence in sentences:
        for start, end, kind in spans_of(sentence.tags):
            found.setdefault(kind, {})[sentence.tokens[start:end]] = None
    return {kind: tuple(entities) for kind, entities in found.items()}


def swap_entities(
    sentence: Sentence, inventory: Inventory, rng: np.random.Generator, rate: float
) -> Sentence:
    """Replaces some entities by others of the same type.

    Each entity is replaced with probability `rate`, by one drawn uniformly from those of its type
    other than itself; where there is no other it is kept. Tokens keep their case.

    Args:
        sentence: with BIO tags.

    Returns:
        A sentence with as many entities of the same types in the same order; tags are BIO.

    References:
        Dai & Adel 2020, "An Analysis of Simple Data Augmentation for Named Entity Recognition",
        where this is called mention replacement.
    """
    tokens: list[str] = []
    spans = []
    copied = 0
    for start, end, kind in spans_of(sentence.tags):
        tokens += sentence.tokens[copied:start]
        entity = sentence.tokens[start:end]
        if rng.random() < rate:
            entity = _another(entity, inventory.get(kind, ()), rng)
        spans.append(Span(len(tokens), len(tokens) + len(entity), kind))
        tokens += entity
        copied = end
    tokens += sentence.tokens[copied:]
    tags = tags_of(spans, len(tokens), "BIO")
    return Sentence(tuple(tokens), tuple(tags), sentence.source)


def _another(
    entity: tuple[str, ...], entities: tuple[tuple[str, ...], ...], rng: np.random.Generator
) -> tuple[str, ...]:
    if entities in ((), (entity,)):
        return entity
    while (drawn := entities[rng.integers(len(entities))]) == entity:
        pass
    return drawn
