"""How well the entities of sentences were found, counted as conlleval counts."""

import operator
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.schemes import OUTSIDE, Span, spans_of, tags_of

Tags = Sequence[Sequence[str]]
"""The tags of sentences, in any scheme."""

NO_TYPE = ""


class TypeScore(NamedTuple):
    """How well the entities of a type, or of all, were found.

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


class EntityScores(NamedTuple):
    """How well entities were found.

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


class Confusion(NamedTuple):
    """How often tokens of each type were taken for each other.

    Attributes:
        names: the K types, sorted, and last "O" for tokens of none.
        counts: tokens, int `[K + 1, K + 1]`: gold type, predicted type.
    """

    names: tuple[str, ...]
    counts: np.ndarray


def entity_scores(gold: Tags, predicted: Tags) -> EntityScores:
    """Entity-level precision, recall and F1: an entity is right if borders and type are.

    What tags mark is decided by the rules of conlleval (`schemes.spans_of`); the scores are
    computed by seqeval. It reads BIO, IOB1 and BIOES by the same rules, but misreads BILOU and lets
    words pass that are no tags; so it is given clean BIO.

    Args:
        gold: the true tags of each sentence, in any scheme.
        predicted: as many sentences, each of as many tags; their scheme may be another.

    Raises:
        UserError: the lengths differ, or something is no tag; names the sentence, from 1.

    References:
        Tjong Kim Sang & De Meulder 2003, "Introduction to the CoNLL-2003 shared task", section
        2.4. Nakayama 2018, seqeval.
    """
    # Imported here as it imports scikit-learn, which takes seconds that not all should pay.
    from seqeval.metrics.sequence_labeling import precision_recall_fscore_support

    pairs = list(aligned_spans(gold, predicted))
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


def confusion(gold: Tags, predicted: Tags) -> Confusion:
    """Counts tokens by the type of their gold tag and of their predicted one.

    Args:
        gold: the true tags of each sentence, in any scheme.
        predicted: as many sentences, each of as many tags.

    Raises:
        UserError: the lengths differ, or something is no tag; names the sentence, from 1.
    """
    counts: Counter[tuple[str, str]] = Counter()
    for spans, tags in zip(aligned_spans(gold, predicted), gold, strict=True):
        counts.update(zip(*(_types(side, len(tags)) for side in spans), strict=True))
    types = [*sorted({kind for pair in counts for kind in pair if kind}), NO_TYPE]
    table = np.array([[counts[true, found] for found in types] for true in types])
    return Confusion((*types[:-1], OUTSIDE), table)


def score_table(scores: EntityScores) -> str:
    """Scores as aligned lines in percent: one a type, then micro, macro and tokens."""
    rows = {**scores.per_type, "all (micro)": scores.micro, "types (macro)": scores.macro}
    width = max(map(len, rows))
    lines = [f"{'':{width}}  precision  recall      F1  entities"]
    for name, (precision, recall, f1, support) in rows.items():
        percent = f"{100 * precision:>9.2f}  {100 * recall:>6.2f}  {100 * f1:>6.2f}"
        lines.append(f"{name:{width}}  {percent}  {support:>8,}")
    lines.append(f"token accuracy {100 * scores.token_accuracy:.2f}")
    return "\n".join(lines)


def aligned_spans(gold: Tags, predicted: Tags) -> Iterator[tuple[list[Span], list[Span]]]:
    """The gold and the predicted spans of each sentence.

    Raises:
        UserError: as `entity_scores`.
    """
    if len(gold) != len(predicted):
        raise UserError(
            f"there are {len(gold):,} sentences of gold tags, but {len(predicted):,} of predicted "
            f"ones"
        )
    for n, (gold_tags, predicted_tags) in enumerate(zip(gold, predicted, strict=True), 1):
        if len(gold_tags) != len(predicted_tags):
            raise UserError(
                f"sentence {n} has {len(gold_tags)} gold tags, but {len(predicted_tags)} predicted "
                f"ones"
            )
        yield _spans(gold_tags, n, "gold"), _spans(predicted_tags, n, "predicted")


def _spans(tags: Sequence[str], sentence: int, side: str) -> list[Span]:
    try:
        return spans_of(tags)
    except UserError as error:
        raise UserError(f"sentence {sentence}, {side} tags: {error}") from error


def _types(spans: list[Span], length: int) -> list[str]:
    types = [NO_TYPE] * length
    for start, end, kind in spans:
        types[start:end] = [kind] * (end - start)
    return types


def _score(precision: float, recall: float, f1: float, support: int) -> TypeScore:
    return TypeScore(float(precision), float(recall), float(f1), int(support))
