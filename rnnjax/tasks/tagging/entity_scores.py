"""Scores and errors of entities in sentences, counted as conlleval counts them."""

import operator
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from rnnjax.metrics.classes import confusions
from rnnjax.tasks.tagging.schemes import OUTSIDE, Span, spans_of, tags_of

Tags = Sequence[Sequence[str]]
"""The tags of sentences, in any scheme."""

ErrorKind = Literal["missed", "spurious", "wrong type", "wrong border", "wrong type and border"]
"""A gold entity that no predicted one overlaps; a predicted one that overlaps no gold one; or a
pair that overlaps, but differs in type, borders, or both."""


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
        kind: what is wrong.
        gold: the true entity; None where there is none.
        predicted: the entity found instead; None where there is none.
    """

    sentence: int
    kind: ErrorKind
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
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    pairs = list(_aligned_spans(gold, predicted))
    types = sorted({span.type for pair in pairs for spans in pair for span in spans})
    lengths = [len(tags) for tags in gold]
    right = sum(sum(map(operator.eq, *tags)) for tags in zip(gold, predicted, strict=True))
    accuracy = right / max(sum(lengths), 1)
    if not types:
        nothing = TypeScore(0.0, 0.0, 0.0, 0)
        return EntityScores({}, nothing, nothing, accuracy)
    clean = [
        [tags_of(spans, length, "BIO") for spans, length in zip(side, lengths, strict=True)]
        for side in zip(*pairs, strict=True)
    ]
    rows = precision_recall_fscore_support(*clean, average=None, zero_division=0)
    micro = precision_recall_fscore_support(*clean, average="micro", zero_division=0)
    scores = [_score(*row) for row in zip(*rows, strict=True)]
    precision, recall, f1 = np.mean(rows[:3], axis=1)
    return EntityScores(
        per_type=dict(zip(types, scores, strict=True)),
        micro=_score(*micro),
        macro=_score(precision, recall, f1, micro[3]),
        token_accuracy=accuracy,
    )


def confusion(gold: Tags, predicted: Tags) -> tuple[tuple[str, ...], np.ndarray]:
    """Counts tokens by the type of their gold tag and of their predicted one.

    Args:
        gold: the true tags of each sentence, in any scheme.
        predicted: as many sentences, each of as many tags.

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
    """The errors of all entities that were not found as they are.

    Every gold and every predicted entity that `entity_scores` counts as wrong is in one error.
    Entities that overlap are paired, one with one: first those of the same borders, then those of
    the same type, then those that share most tokens. An entity without a partner is missed or
    spurious.

    Args:
        gold: the true tags of each sentence, in any scheme.
        predicted: as many sentences, each of as many tags.

    Returns:
        The errors in the order of the text.

    Raises:
        UserError: something is no tag.
    """
    return [
        SpanError(n, _kind(*pair), *pair)
        for n, (true, found) in enumerate(_aligned_spans(gold, predicted))
        for pair in _pairs(
            [span for span in true if span not in found],
            [span for span in found if span not in true],
        )
    ]


def _pairs(
    gold: Sequence[Span], predicted: Sequence[Span]
) -> list[tuple[Span | None, Span | None]]:
    meeting = [(g, p) for g in gold for p in predicted if _shared(g, p) > 0]
    meeting.sort(key=lambda pair: (_differences(*pair), -_shared(*pair), pair))
    free = {*gold, *predicted}
    pairs: list[tuple[Span | None, Span | None]] = []
    for pair in meeting:
        if free.issuperset(pair):
            free.difference_update(pair)
            pairs.append(pair)
    pairs += [(span, None) for span in gold if span in free]
    pairs += [(None, span) for span in predicted if span in free]
    return sorted(pairs, key=lambda pair: min(span for span in pair if span))


def _shared(one: Span, other: Span) -> int:
    return min(one.end, other.end) - max(one.start, other.start)


def _differences(gold: Span, predicted: Span) -> tuple[bool, bool]:
    """Whether the borders differ, and whether the types do."""
    return gold[:2] != predicted[:2], gold.type != predicted.type


def _kind(gold: Span | None, predicted: Span | None) -> ErrorKind:
    if predicted is None:
        return "missed"
    if gold is None:
        return "spurious"
    borders, types = _differences(gold, predicted)
    if borders and types:
        return "wrong type and border"
    return "wrong border" if borders else "wrong type"


def _aligned_spans(gold: Tags, predicted: Tags) -> Iterator[tuple[list[Span], list[Span]]]:
    """The gold and the predicted spans of each sentence."""
    return zip(map(spans_of, gold), map(spans_of, predicted), strict=True)


def _score(precision: float, recall: float, f1: float, support: int) -> TypeScore:
    return TypeScore(float(precision), float(recall), float(f1), int(support))
