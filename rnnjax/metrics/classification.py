"""Scores of a classification into K classes."""

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.errors import UserError


def accuracy(true: ArrayLike, predicted: ArrayLike) -> float:
    """The share of the predictions `[N]` that are right, 0 to 1; nan where there are none.

    Raises:
        UserError: the shapes differ.
    """
    true, predicted = _pair(true, predicted)
    return float(np.mean(true == predicted)) if true.size else float("nan")


def confusion_counts(true: ArrayLike, predicted: ArrayLike, num_classes: int) -> np.ndarray:
    """Counts how often each class was predicted as each other.

    Args:
        true: class ids, int `[N]`.
        predicted: class ids, int `[N]`.
        num_classes: K.

    Returns:
        int `[K, K]`: true class, predicted class.

    Raises:
        UserError: the shapes differ, or an id is not in 0 .. K - 1.
    """
    true, predicted = _pair(true, predicted)
    for side, ids in (("true", true), ("predicted", predicted)):
        if ids.size and not 0 <= ids.min() <= ids.max() < num_classes:
            raise UserError(
                f"{side} classes are 0 .. {num_classes - 1}; got {ids.min()} to {ids.max()}"
            )
    pairs = num_classes * true.astype(int) + predicted.astype(int)
    return np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)


def _pair(true: ArrayLike, predicted: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    true, predicted = np.asarray(true), np.asarray(predicted)
    if true.ndim != 1 or true.shape != predicted.shape:
        raise UserError(
            f"true and predicted classes have one shape [N]; got {list(true.shape)} and "
            f"{list(predicted.shape)}"
        )
    return true, predicted
