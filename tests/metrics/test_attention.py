import math

import numpy as np
import pytest
from scipy import stats

from rnnjax.errors import UserError
from rnnjax.metrics.attention import (
    Pointing,
    entropy,
    mean_maps,
    pointing_accuracy,
    word_entropies,
)


def test_entropy_is_that_of_scipy():
    maps = np.random.default_rng(0).dirichlet(np.full(9, 0.3), size=(4, 5))
    np.testing.assert_allclose(entropy(maps), stats.entropy(maps, axis=-1), rtol=1e-12)


def test_entropy_from_one_place_to_all_alike():
    maps = [[1, 0, 0, 0], [0.5, 0, 0.5, 0], [0.25] * 4]
    np.testing.assert_allclose(entropy(maps), [0, math.log(2), math.log(4)], rtol=1e-15)
    assert not np.signbit(entropy([1.0, 0.0]))


def test_entropy_does_not_lose_small_numbers_in_float32():
    maps = np.full(4096, 1e-30, np.float32)
    maps[0] = 1
    assert entropy(maps) == pytest.approx(4095 * 1e-30 * 30 * math.log(10), rel=1e-6, abs=0)


def at(row, column, rows=2, columns=4):
    """A map with most of the attention at one cell."""
    map_ = np.full((rows, columns), 0.1)
    map_[row, column] = 0.0
    map_[row, column] = 1 - map_.sum()
    return map_


# An image of 20 by 80 pixels: cells of 10 by 20, of which (1, 2) has its centre at y = 15, x = 50.
@pytest.mark.parametrize(
    ("box", "hit"),
    [
        ((15, 50, 16, 51), True),
        ((14, 49, 15, 51), False),  # The bottom is not included, ...
        ((14, 49, 16, 50), False),  # ... and neither is the right side.
        ((16, 50, 20, 80), False),
        ((15, 51, 20, 80), False),
        ((0, 0, 20, 80), True),
        ((45, 10, 55, 20), False),  # It would be, with the axes swapped.
    ],
)
def test_a_location_lies_in_a_box_where_its_centre_does(box, hit):
    assert pointing_accuracy([at(1, 2)], [[box]], (20, 80)) == (hit, 1)


def test_any_box_of_a_region_will_do_and_words_without_a_region_do_not_count():
    left, right = (0, 0, 20, 40), (0, 40, 20, 80)
    maps = [at(0, 0), at(0, 3), at(1, 3), at(1, 0), at(0, 1)]
    regions = [[left], [left], [left, right], None, ()]
    found = pointing_accuracy(maps, regions, (20, 80))
    assert found == Pointing(hits=2, counted=3)
    assert found.accuracy == pytest.approx(2 / 3)
    assert math.isnan(pointing_accuracy(maps[3:], regions[3:], (20, 80)).accuracy)


def test_of_several_largest_the_first_in_reading_order_counts():
    map_ = np.array([[0, 0, 0, 0.5], [0.5, 0, 0, 0]])
    assert pointing_accuracy([map_], [[(0, 60, 10, 80)]], (20, 80)).hits == 1
    assert pointing_accuracy([map_], [[(10, 0, 20, 20)]], (20, 80)).hits == 0


@pytest.mark.parametrize("wrong", [[[0.5, 0.5], [0.4, 0.4]], [1.5, -0.5], [np.nan, 1.0]])
def test_entropy_refuses_what_is_no_distribution(wrong):
    with pytest.raises(UserError, match="at least 0 and sum to 1; got"):
        entropy(wrong)


LEFT, RIGHT = np.array([[[1, 0], [0, 0]], [[0, 1], [0, 0]]], float)
EVEN = np.full((2, 2), 0.25)
TEXTS = [
    (["a", "dog"], [EVEN, LEFT]),
    (["a", "red", "dog"], [(LEFT + RIGHT) / 2, RIGHT, EVEN]),
    ([], np.zeros((0, 2, 2))),
]


def test_entropies_are_means_over_occurrences_with_the_lowest_first():
    found = word_entropies(TEXTS)
    assert [one.word for one in found] == ["red", "dog", "a"]
    assert [one.occurrences for one in found] == [1, 2, 2]
    np.testing.assert_allclose(
        [one.mean for one in found], [0, math.log(4) / 2, 0.75 * math.log(4)], atol=1e-12
    )


def test_mean_maps_are_of_all_words_and_of_some():
    found = mean_maps(TEXTS, ["dog", "red"])
    assert list(found) == ["all words", "dog", "red"]
    np.testing.assert_allclose(found["dog"], [[0.625, 0.125], [0.125, 0.125]])
    np.testing.assert_allclose(found["red"], RIGHT)
    np.testing.assert_allclose(found["all words"], [[0.4, 0.4], [0.1, 0.1]])
    assert mean_maps([], ["dog"]) == {}
