"""The encoder of small pictures, against a plain loop over pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnjax.errors import UserError
from rnnjax.models import SmallCNN

SIDE = 12


def encoder(stride=4):
    made = SmallCNN(
        SIDE, channels=(5, 4, 6), colour_channels=3, output_size=10, stride=stride, rngs=nnx.Rngs(0)
    )
    for n, layer in enumerate((made.patches, *made.layers, made.form, made.colour)):
        layer.bias[...] = 0.2 * jax.random.normal(jax.random.key(n), layer.bias.shape)
    return made


def pictures(count=2):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def affine(layer):
    kernel, bias = (np.asarray(p[...], np.float64) for p in (layer.kernel, layer.bias))
    return lambda x: np.maximum(np.tensordot(x, kernel, kernel.ndim - 1) + bias, 0)


def around(x, row, column):
    return np.pad(x, [(1, 1), (1, 1), (0, 0)])[row : row + 3, column : column + 3]


@pytest.mark.parametrize("stride", [2, 4, 6])
def test_it_is_the_equation_of_its_docstring(stride):
    cnn, images = encoder(stride), pictures()
    found = cnn(jnp.asarray(images))
    assert found.dtype == jnp.float32
    side = SIDE // stride
    assert cnn.grid == (side, side)
    everywhere = [(row, column) for row in range(side) for column in range(side)]

    def over_grid(function):
        return np.stack([function(*where) for where in everywhere]).reshape(side, side, -1)

    for image, features in zip(images, found, strict=True):
        pixels = image.astype(np.float64) / 127.5 - 1
        patches = over_grid(
            lambda r, c, p=pixels: p[r * stride : r * stride + stride, c * stride :][:, :stride]
        )
        x = affine(cnn.patches)(patches.reshape(side, side, -1, 3).max(axis=-1))
        for layer in cnn.layers:
            x = over_grid(lambda r, c, x=x, layer=layer: affine(layer)(around(x, r, c)))
        where = over_grid(lambda r, c: np.array([r, c]) * 2 / (side - 1) - 1)
        place = where @ np.asarray(cnn.place.kernel[...], np.float64)
        y = x @ np.asarray(cnn.form.kernel[...]) + np.asarray(cnn.form.bias[...]) + place
        y = np.concatenate([np.maximum(y, 0), affine(cnn.colour)(patches)], axis=-1)
        np.testing.assert_allclose(features, y.reshape(side * side, 10), atol=2e-5)


def test_images_may_be_of_floats():
    images = pictures()
    np.testing.assert_array_equal(encoder()(images), encoder()(images.astype(np.float32)))


def test_form_does_not_depend_on_colour():
    cnn = encoder()
    red, green = np.zeros((2, 1, SIDE, SIDE, 3), np.uint8)
    red[..., 0] = green[..., 1] = pictures(1)[..., 0]
    form = cnn.output_size - cnn.colour.bias.shape[0]
    of_red, of_green = cnn(red), cnn(green)
    np.testing.assert_array_equal(of_red[..., :form], of_green[..., :form])
    assert np.abs(of_red[..., form:] - of_green[..., form:]).max() > 0.1


@pytest.mark.parametrize(("pixel", "first", "last"), [(21, 3, 7), (10, 0, 4)])
def test_a_location_lies_in_the_middle_of_what_it_sees(pixel, first, last):
    side = 32  # 8 locations; the second and the third layer each add one to both sides
    cnn = SmallCNN(side, rngs=nnx.Rngs(1))
    image = np.full((1, side, side, 3), 60, np.uint8)
    changed = image.copy()
    changed[0, pixel, 13] = 255
    moved = np.abs(cnn(changed) - cnn(image)).max(axis=-1).reshape(cnn.grid)
    rows, columns = np.nonzero(moved)
    assert (rows.min(), rows.max()) == (first, last)
    assert (columns.min(), columns.max()) == (1, 5)


@pytest.mark.parametrize("stride", [0, 5, -4, 24])
def test_a_side_that_is_no_multiple_of_the_stride_is_refused(stride):
    with pytest.raises(UserError, match=f"multiple of the stride; got 12 and {stride}"):
        encoder(stride)


@pytest.mark.parametrize("colour_channels", [0, 10, 11])
def test_features_of_form_and_colour_must_both_be(colour_channels):
    with pytest.raises(UserError, match=f"0 and output_size=10; got {colour_channels}"):
        SmallCNN(SIDE, output_size=10, colour_channels=colour_channels, rngs=nnx.Rngs(0))
