"""Data augmentation: entities are replaced by others of the same type."""

from collections.abc import Iterable, Mapping

import numpy as np

from rnnjax.tasks.tagging.schemes import Span, spans_of, tags_of
from rnnjax.tasks.tagging.sentences import Sentence

Inventory = Mapping[str, tuple[tuple[str, ...], ...]]
"""{type: the entities of this type, each in tokens and each once}."""


def entity_inventory(sentences: Iterable[Sentence]) -> Inventory:
    """The entities of sentences by their type, in the order in which they first come.

    Args:
        sentences: of the training split; tags of any scheme.
    """
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
        inventory: entities to draw from; see `entity_inventory`.
        rng: the same state gives the same sentence.
        rate: from 0 to 1.

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
