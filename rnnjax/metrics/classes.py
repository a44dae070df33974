"""Confusion matrices of classes."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np


def confusions(true: Iterable[Any], found: Iterable[Any], classes: Sequence[Any]) -> np.ndarray:
    """How often each class was taken for each other, int `[K, K]`: true class, found class."""
    number = {name: n for n, name in enumerate(classes)}
    counts = np.zeros((len(number), len(number)), int)
    for one, other in zip(true, found, strict=True):
        counts[number[one], number[other]] += 1
    return counts
