"""Scores of a reader by kind of question: right answers, and facts that attention finds."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.metrics.answers import Answered
from rnnjax.tasks.reading.babi import Question
from rnnjax.tasks.reading.sources import kinds_of


class Score(NamedTuple):
    """How well the questions of a kind are answered, all but `num_questions` in percent.

    Attributes:
        baseline: right answers of one who always says what is most frequent in training.
        facts: of the sentences that answers follow from, those that a hop attends to most; the mean
            over the questions with facts, nan where there is none.
    """

    num_questions: int
    accuracy: float
    baseline: float
    facts: float


def facts_found(question: Question, answered: Answered) -> float:
    """The share of the facts that are the most attended sentence of a hop; nan without facts, and
    without hops."""
    if not question.facts or not len(answered.attention):
        return float("nan")
    return float(np.isin(question.facts, answered.attention.argmax(axis=1)).mean())


def scores_by_kind(
    questions: Sequence[Question], answered: Sequence[Answered], frequent: Mapping[str, str]
) -> dict[str, Score]:
    """The scores of each kind, in the order of `kinds_of`; at last those of all, the mean of the
    kinds.

    Args:
        questions: one or more, with answers.
        frequent: see `rnnjax.metrics.answers`.
    """
    scores = {}
    pairs = list(zip(questions, answered, strict=True))
    for kind in kinds_of(questions):
        its = [(one, said) for one, said in pairs if one.kind == kind]
        scores[kind] = Score(
            len(its),
            100 * float(np.mean([one.answer == said.answer for one, said in its])),
            100 * float(np.mean([one.answer == frequent.get(kind) for one, _ in its])),
            100 * _mean([facts_found(one, said) for one, said in its]),
        )
    _, *shares = zip(*scores.values(), strict=True)
    scores["mean"] = Score(len(pairs), *map(_mean, shares))
    return scores


def _mean(values: Sequence[float]) -> float:
    """The mean of those that are not nan; nan where all are."""
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
