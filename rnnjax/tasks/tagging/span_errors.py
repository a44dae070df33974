"""What went wrong where entities were not found as they are."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from rnnjax.tasks.tagging.entity_scores import Tags, aligned_spans
from rnnjax.tasks.tagging.schemes import Span

ErrorKind = Literal["missed", "spurious", "wrong type", "wrong border", "wrong type and border"]
"""Kinds of errors: a gold entity that nothing predicted meets; a predicted one that meets no gold
one; or a pair that overlaps, but differs in type, borders, or both."""


class SpanError(NamedTuple):
    """An entity that was not found as it is.

    Attributes:
        sentence: its number, from 0.
        kind: what is wrong.
        gold: the true entity; None where there is none.
        predicted: what was found instead; None where nothing was.
    """

    sentence: int
    kind: ErrorKind
    gold: Span | None
    predicted: Span | None


def span_errors(gold: Tags, predicted: Tags) -> list[SpanError]:
    """Names what is wrong with every entity that was not found as it is.

    Every gold and every predicted entity that `entity_scores` counts as wrong is in one error.
    Those that overlap are paired, one with one: first those of the same borders, then those of the
    same type, then those that share most tokens. What finds no partner is missed or spurious.

    Args:
        gold: the true tags of each sentence, in any scheme.
        predicted: as many sentences, each of as many tags.

    Returns:
        The errors in the order of the text.

    Raises:
        UserError: the lengths differ, or something is no tag; names the sentence, from 1.
    """
    return [
        SpanError(n, _kind(*pair), *pair)
        for n, (true, found) in enumerate(aligned_spans(gold, predicted))
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
