"""Answers to questions: what a network says, and the baseline of those who have not looked."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np


class Answered(NamedTuple):
    """A model's likeliest answer to a question, and its probability.

    Attributes:
        attention: float32 `[N, ...]`, what each of N hops attended to; N is 0 without hops.
    """

    answer: str
    probability: float
    attention: np.ndarray


def frequent_answers(questions: Iterable[Any]) -> dict[str, str]:
    """The most frequent `answer` of the questions of each `kind`; of equals the first by name."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for one in sorted(questions, key=lambda one: one.answer):
        counts[one.kind][one.answer] += 1
    return {kind: its.most_common(1)[0][0] for kind, its in counts.items()}
