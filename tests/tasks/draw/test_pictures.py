"""Animations read back by Pillow, the place of windows, and the baseline."""

import io

import numpy as np
import pytest
from PIL import Image

from rnnjax.tasks.draw import pictures, reports
from rnnjax.tasks.draw.attention import Window
from rnnjax.tasks.draw.config import DrawConfig


@pytest.mark.parametrize("kind", pictures.FORMATS)
def test_an_animation_holds_all_frames_and_goes_round(kind):
    shown = [np.full((6, 8, 3), value, np.uint8) for value in (0, 120, 250)]
    with Image.open(io.BytesIO(pictures.animation(shown, kind))) as image:
        assert (image.n_frames, image.size, image.info["loop"]) == (3, (8, 6), 0)
        for n, expected in enumerate(shown):
            image.seek(n)
            found = np.asarray(image.convert("RGB")).astype(int)
            np.testing.assert_allclose(found, expected, atol=2)


def test_a_window_is_drawn_through_the_centres_of_its_outer_filters():
    at = Window(x=4.5, y=3.0, stride=1.5, variance=1.0, intensity=1.0)
    shown = pictures.frame(np.zeros((6, 9)), 10, at, num_filters=3)
    rows, columns = np.nonzero((shown == pictures.WRITE).all(axis=-1))
    # x from 3 to 6, counted from 1: the middles of the third and the sixth column are 25 and 55.
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (25, 55, 10, 40)
    far = Window(x=1e30, y=-1e30, stride=1e30, variance=1.0, intensity=1.0)
    assert pictures.frame(np.zeros((6, 9)), 10, far, num_filters=3).shape == (60, 90, 3)


def test_the_legend_names_the_windows_that_there_are():
    assert pictures.legend(DrawConfig()) == "red: where it reads, green: where it writes"
    assert pictures.legend(DrawConfig(write_size=0)) == "red: where it reads"
    assert pictures.legend(DrawConfig(read_size=0)) == "green: where it writes"


def test_a_mixture_of_one_is_the_mean_image_and_of_two_finds_two_patterns():
    rng = np.random.default_rng(0)
    train, held_out = ((rng.random((n, 3, 4)) < 0.3).astype(np.uint8) for n in (60, 30))
    p = (train.sum(axis=0) + 1) / 62
    expected = [-np.log(np.where(image == 1, p, 1 - p)).sum() for image in held_out]
    one = reports.mixture_nats(train, held_out, components=1)
    assert one == pytest.approx(np.mean(expected), rel=1e-5)
    patterns = np.stack([np.eye(4), 1 - np.eye(4)]).astype(np.uint8)
    found = reports.mixture_nats(patterns[np.arange(400) % 2], patterns, components=2)
    # Each has the probability 1/2, each pixel 201/202.
    assert found == pytest.approx(np.log(2) - 16 * np.log(201 / 202), rel=1e-4)
