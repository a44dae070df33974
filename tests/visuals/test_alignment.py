"""Pictures of attention between two sequences."""

import io

import numpy as np
import pytest
from PIL import Image

from rnnjax.visuals.alignment import Alignment, draw_alignments


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def blue(png):
    """Pixels of the colour of full attention."""
    return np.argwhere((abs(pixels(png) - [8, 48, 107]) < 12).all(axis=-1))


def test_attention_is_dark_where_it_is():
    upper_left = draw_alignments([Alignment("ab", "xyz", [[1, 0], [1, 0], [1, 0]])])
    lower_right = draw_alignments([Alignment("ab", "xyz", [[1, 0], [0.5, 0.5], [0, 1]])])
    left, right = blue(upper_left), blue(lower_right)
    assert len(left) > 300
    assert right[:, 1].max() > left[:, 1].max()  # further right
    assert len(right) < len(left)  # two cells of three


def test_pictures_stand_side_by_side_and_may_have_no_symbol():
    one = Alignment(["ein", "<end>"], ["a"], [[0.5, 0.5]])
    empty = Alignment(["ein", "<end>"], [], np.zeros((0, 2)))
    alone, row = pixels(draw_alignments([one])), pixels(draw_alignments([one, empty, one]))
    assert row.shape[1] == pytest.approx(3 * alone.shape[1], abs=3)
    assert row.shape == pixels(draw_alignments([one] * 3)).shape


def test_long_symbols_are_not_cut_off():
    source = ["the", "constructor", "is", "designed", "<end>"]
    for target in (["a"], ["a", "constructor"]):
        png = draw_alignments([Alignment(source, target, np.full((len(target), 5), 0.2))])
        assert (pixels(png)[0] == 255).all()
        assert (pixels(png)[:, 0] == 255).all()


def test_copies_are_a_column_of_their_own_at_the_right():
    attention = [[0.5, 0.5], [0.5, 0.5]]
    plain = Alignment("ab", "xy", attention)
    assert not len(blue(draw_alignments([plain])))
    first, second = (
        blue(draw_alignments([plain._replace(copied=copied)])) for copied in ([1, 0], [0, 1])
    )
    assert len(first) > 300
    assert first[:, 0].max() <= second[:, 0].min()
    np.testing.assert_array_equal(np.unique(first[:, 1]), np.unique(second[:, 1]))
