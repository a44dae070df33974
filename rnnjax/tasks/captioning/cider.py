"""CIDEr-D of captions."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

ORDERS = (1, 2, 3, 4)
SIGMA = 6.0

Weights: TypeAlias = dict[tuple[str, ...], float]


def cider_d(
    candidates: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]
) -> float:
    """CIDEr-D as the COCO evaluation computes it: the mean over images of a weighted likeness.

    An n-gram g that occurs k times in a text weighs ``k log(N / max(1, d_g))``, where N is the
    number of images and d_g that of the images with g in a reference. With the weights c and r of
    a candidate's and a reference's n-grams, and ``|c|`` and ``|r|`` their numbers of words::

        likeness_n(c, r) = exp(-(|c| - |r|)² / 2σ²)  min(c, r) · r / (‖c‖ ‖r‖)        σ = 6

    of which the score of an image is ten times the mean over n = 1 to 4 and over its references.

    The weights come from the references given, so scores compare only over the same images; of a
    single image all weights are log 1, and it scores 0.

    Args:
        candidates: the words of a caption for each image; an empty one scores 0.
        references: for each image, the words of at least one reference, none empty.

    Returns:
        0 to 10.

    References:
        Vedantam, Zitnick & Parikh 2015, "CIDEr: Consensus-based Image Description Evaluation",
        section 5 and the appendix on CIDEr-D.
    """
    found_in = Counter(
        gram
        for texts in references
        for gram in {gram for text in texts for n in ORDERS for gram in _grams(text, n)}
    )

    def weights(text: Sequence[str], n: int) -> Weights:
        return {
            gram: count * math.log(len(references) / max(1, found_in[gram]))
            for gram, count in Counter(_grams(text, n)).items()
        }

    def score(candidate: Sequence[str], texts: Sequence[Sequence[str]]) -> float:
        vectors = [weights(candidate, n) for n in ORDERS]
        likeness = sum(
            _length_penalty(candidate, text) * _clipped_cosine(vector, weights(text, n))
            for text in texts
            for n, vector in zip(ORDERS, vectors, strict=True)
        )
        return 10 * likeness / len(ORDERS) / len(texts)

    return sum(map(score, candidates, references)) / len(candidates)


def _grams(text: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return [tuple(text[start : start + n]) for start in range(len(text) - n + 1)]


def _length_penalty(candidate: Sequence[str], reference: Sequence[str]) -> float:
    return math.exp(-((len(candidate) - len(reference)) ** 2) / (2 * SIGMA**2))


def _clipped_cosine(candidate: Weights, reference: Weights) -> float:
    product = sum(
        min(candidate[gram], reference[gram]) * reference[gram]
        for gram in candidate.keys() & reference.keys()
    )
    return product / (_norm(candidate) * _norm(reference)) if product else 0.0


def _norm(weights: Weights) -> float:
    return math.hypot(*weights.values())
