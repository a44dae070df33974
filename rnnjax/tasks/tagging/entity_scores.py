"""Scores and errors of entities in sentences, counted as conlleval counts them."""

import operator
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.metrics.classes import confusions
from rnnjax.tasks.tagging.schemes import OUTSIDE, Span, spans_of, tags_of

Tags = Sequence[Sequence[str]]
"""The tags of sentences, in any scheme."""


class TypeScore(NamedTuple):
    """Precision, recall and F1 of the entities of a type, or of all.

    Attributes:
        precision: the share of the predicted entities that are right, 0 to 1; 0 if there are none.
        recall: the share of the gold entities that were found; 0 if there are none.
        f1: their harmonic mean, `2 precision recall / (precision + recall)`; 0 where both are 0.
        support: the number of gold entities.
    """

    precision: float
    recall: float
    f1: float
    support: int

    def in_percent(self) -> dict[str, float]:
        """The fields by name, shares as percentages."""
        shares = {"precision": self.precision, "recall": self.recall, "f1": self.f1}
        return {name: 100 * share for name, share in shares.items()} | {"support": self.support}


class EntityScores(NamedTuple):
    """Scores of the entities of all types.

    Attributes:
        per_type: of every type in gold or prediction, sorted.
        micro: over all entities alike: the overall line of conlleval, the F1 of publications.
        macro: the mean over types, each of equal weight.
        token_accuracy: the share of tokens whose tag, as written, is the gold one.
    """

    per_type: dict[str, TypeScore]
    micro: TypeScore
    macro: TypeScore
    token_accuracy: float

    def by_name(self) -> dict[str, TypeScore]:
        """The rows of a table: one a type, then micro and macro."""
        return {**self.per_type, "all (micro)": self.micro, "types (macro)": self.macro}


class SpanError(NamedTuple):
    """An entity that was not found as it is.

    Attributes:
        sentence: its number, from 0.
        kind: "missed"; "spurious"; "wrong type", "wrong border" or "wrong type and border".
        gold: the true entity; None of a spurious one.
        predicted: the entity found instead; None of a missed one.
    """

    sentence: int
    kind: str
    gold: Span | None
    predicted: Span | None


def entity_scores(gold: Tags, predicted: Tags) -> EntityScores:
    """Entity-level precision, recall and F1: an entity is right if borders and type are.

    The spans of tags are those of conlleval (`schemes.spans_of`); the scores are computed by
    seqeval. It reads BIO, IOB1 and BIOES by the same rules, but misreads BILOU and accepts words
    that are no tags; so it is given clean BIO.

    Args:
        gold: the true tags of each sentence, in any scheme.
        predicted: as many sentences, each of as many tags; their scheme may be another.

    Raises:
        UserError: something is no tag.

    References:
        Tjong Kim Sang & De Meulder 2003, "Introduction to the CoNLL-2003 shared task", section
        2.4. Nakayama 2018, seqeval.
    """
    # Imported here because it imports scikit-learn, which takes seconds.
    from seqeval.metrics import classification_report

    pairs = list(_aligned_spans(gold, predicted))
    lengths = [len(tags) for tags in gold]
    right = sum(sum(map(operator.eq, *tags)) for tags in zip(gold, predicted, strict=True))
    accuracy = right / max(sum(lengths), 1)
    if not any(spans for pair in pairs for spans in pair):
        nothing = TypeScore(0.0, 0.0, 0.0, 0)
        return EntityScores({}, nothing, nothing, accuracy)
    clean = [
        [tags_of(spans, length, "BIO") for spans, length in zip(side, lengths, strict=True)]
        for side in zip(*pairs, strict=True)
    ]
    report = classification_report(*clean, output_dict=True, zero_division=0)
    scores = {}
    for name, row in report.items():
        *shares, support = row.values()
        scores[name] = TypeScore._make([*map(float, shares), int(support)])
    del scores["weighted avg"]
    micro, macro = scores.pop("micro avg"), scores.pop("macro avg")
    return EntityScores(scores, micro, macro, accuracy)


def confusion(gold: Tags, predicted: Tags) -> tuple[tuple[str, ...], np.ndarray]:
    """Counts tokens by the type of their gold tag and of their predicted one.

    Returns:
        The K types, sorted, and last "O" for tokens of none; and int `[K + 1, K + 1]`: gold type,
        predicted type.

    Raises:
        UserError: something is no tag.
    """
    sides: tuple[list[str | None], list[str | None]] = ([], [])
    for spans, tags in zip(_aligned_spans(gold, predicted), gold, strict=True):
        for side, its_spans in zip(sides, spans, strict=True):
            types: list[str | None] = [None] * len(tags)
            for start, end, kind in its_spans:
                types[start:end] = [kind] * (end - start)
            side += types
    names = sorted({kind for side in sides for kind in side if kind is not None})
    return (*names, OUTSIDE), confusions(*sides, [*names, None])


def score_table(scores: EntityScores) -> str:
    """Scores as aligned lines in percent: one a type, then micro, macro and tokens."""
    rows = scores.by_name()
    width = max(map(len, rows))
    lines = [f"{'':{width}}  precision  recall      F1  entities"]
    for name, (precision, recall, f1, support) in rows.items():
        percent = f"{100 * precision:>9.2f}  {100 * recall:>6.2f}  {100 * f1:>6.2f}"
        lines.append(f"{name:{width}}  {percent}  {support:>8,}")
    lines.append(f"token accuracy {100 * scores.token_accuracy:.2f}")
    return "\n".join(lines)


def span_errors(gold: Tags, predicted: Tags) -> list[SpanError]:
    """The predicted entities that are wrong, and the gold ones that no predicted one overlaps.

    A wrong entity is compared with the gold one that it shares most tokens with.

    Raises:
        UserError: something is no tag.
    """
    errors = []
    for n, (true, found) in enumerate(_aligned_spans(gold, predicted)):
        for span in found:
            partner = max(true, key=lambda other: _shared(span, other), default=None)
            if partner is None or _shared(span, partner) <= 0:
                errors.append(SpanError(n, "spurious", None, span))
            elif partner != span:
                parts = {"type": partner.type == span.type, "border": partner[:2] == span[:2]}
                wrong = " and ".join(name for name, same in parts.items() if not same)
                errors.append(SpanError(n, f"wrong {wrong}", partner, span))
        for span in true:
            if all(_shared(span, other) <= 0 for other in found):
                errors.append(SpanError(n, "missed", span, None))
    return errors


def _shared(one: Span, other: Span) -> int:
    return min(one.end, other.end) - max(one.start, other.start)


def _aligned_spans(gold: Tags, predicted: Tags) -> Iterator[tuple[list[Span], list[Span]]]:
    """The gold and the predicted spans of each sentence."""
    return zip(map(spans_of, gold), map(spans_of, predicted), strict=True)
