"""ROUGE-L of captions."""

from collections.abc import Sequence

BETA = 1.2


def rouge_l(
    candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> float:
    """ROUGE-L as the COCO evaluation computes it: the mean over images of an F-score.

    With L(c, r) the length of the longest common subsequence of a candidate c and a reference r::

        P = max_r L(c, r) / |c|        R = max_r L(c, r) / |r|
        F = (1 + β²) P R / (R + β² P)        β = 1.2

    Precision and recall each take their best reference, which need not be the same.

    Args:
        candidates: the words of a caption for each image; an empty one scores 0.
        references: for each image, the words of at least one reference, none empty.

    Returns:
        0 to 1.

    References:
        Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries". Chen et al. 2015,
        "Microsoft COCO Captions: Data Collection and Evaluation Server".
    """
    scores = [_f_score(*pair) for pair in zip(candidates, references, strict=True)]
    return sum(scores) / len(scores)


def _f_score(candidate: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    common = [_common_subsequence(candidate, reference) for reference in references]
    if not any(common):
        return 0.0
    precision = max(common) / len(candidate)
    recall = max(n / len(reference) for n, reference in zip(common, references, strict=True))
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _common_subsequence(one: Sequence[str], other: Sequence[str]) -> int:
    """The length of the longest sequence of words that is, with gaps, in both."""
    longest = [0] * (len(other) + 1)  # of the words of `one` so far and of the first n of `other`
    for word in one:
        before = longest
        longest = [0]
        for n, another in enumerate(other):
            longest.append(before[n] + 1 if word == another else max(before[n + 1], longest[n]))
    return longest[-1]
