"""Answers to questions: the baseline of those who have not looked."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Protocol


class Answered(Protocol):
    """A question with its answer, and the kind that scores are counted by."""

    @property
    def answer(self) -> str: ...  # noqa: D102

    @property
    def kind(self) -> str: ...  # noqa: D102


def frequent_answers(questions: Iterable[Answered]) -> dict[str, str]:
    """The most frequent answer of each kind; of equals that which sorts first."""
    counts: dict[str, Counter] = defaultdict(Counter)
    for one in sorted(questions, key=lambda one: one.answer):
        counts[one.kind][one.answer] += 1
    return {kind: its.most_common(1)[0][0] for kind, its in counts.items()}
