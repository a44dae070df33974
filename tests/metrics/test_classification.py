import math

import numpy as np
import pytest
from sklearn import metrics

from rnnjax.errors import UserError
from rnnjax.metrics import accuracy, confusion_counts


def test_counts_and_accuracy_are_those_of_sklearn():
    true, predicted = np.random.default_rng(0).integers(0, 4, (2, 50))
    counts = confusion_counts(true, predicted, 5)  # no example of the last class
    expected = metrics.confusion_matrix(true, predicted, labels=range(5))
    np.testing.assert_array_equal(counts, expected)
    assert accuracy(true, predicted) == metrics.accuracy_score(true, predicted)


def test_without_examples():
    np.testing.assert_array_equal(confusion_counts([], [], 2), np.zeros((2, 2)))
    assert math.isnan(accuracy([], []))


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([0, 1], [0], r"one shape \[N\]; got \[2\] and \[1\]"),
        ([[0]], [[0]], r"got \[1, 1\] and \[1, 1\]"),
        ([0, 3], [0, 0], r"true classes are 0 \.\. 2; got 0 to 3"),
        ([0], [-1], "predicted classes .* got -1 to -1"),
    ],
)
def test_bad_input_is_named(true, predicted, message):
    with pytest.raises(UserError, match=message):
        confusion_counts(true, predicted, 3)
