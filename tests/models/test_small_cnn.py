"""The encoder of small pictures, against a plain loop over pixels."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnjax.errors import UserError
from rnnjax.models.small_cnn import SmallCNN

SIDE = 36
run = nnx.jit(lambda cnn, images: cnn(images))


def encoder(any_ground=False):
    made = SmallCNN(
        SIDE, channels=(5, 4, 6, 7), output_size=30, any_ground=any_ground, rngs=nnx.Rngs(0)
    )
    others = made.form, made.colour, made.around_form, made.around_colour
    for n, layer in enumerate((*made.layers, *others)):
        layer.bias[...] = 0.2 * jax.random.normal(jax.random.key(n), layer.bias.shape)
    return made


def pictures(count=2):
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)


def affine(layer):
    kernel, bias = (np.asarray(p[...], np.float64) for p in (layer.kernel, layer.bias))
    return lambda x: np.maximum(np.tensordot(x, kernel, kernel.ndim - 1) + bias, 0)


def halved(layer, x):
    """Each place of the smaller map sees the two by two that it stands for, and one around them."""
    x = np.pad(x, [(1, 1), (1, 1), (0, 0)])
    places, seen = range(0, len(x) - 2, 2), affine(layer)
    return np.stack([[seen(x[r : r + 4, c : c + 4]) for c in places] for r in places])


def around(layer, x):
    """Each place sees itself and the eight around it."""
    x, places, seen = np.pad(x, [(1, 1), (1, 1), (0, 0)]), range(len(x)), affine(layer)
    return np.stack([[seen(x[r : r + 3, c : c + 3]) for c in places] for r in places])


@pytest.mark.parametrize("any_ground", [False, True])
def test_it_is_the_equation_of_its_docstring(any_ground):
    cnn, images = encoder(any_ground), pictures(1 if any_ground else 2)
    found = np.asarray(run(cnn, images))
    assert found.dtype == jnp.float32
    side = SIDE // 4
    assert cnn.grid == (side, side)
    layers = affine(cnn.around_form), affine(cnn.around_colour)
    for image, features in zip(images, found, strict=True):
        pixels = image.astype(np.float64) / 127.5 - 1
        first, second, *others = cnn.layers
        lights = [max, min] if any_ground else [max]
        seen = np.stack([np.apply_along_axis(light, -1, pixels) for light in lights], axis=-1)
        x = halved(second, halved(first, seen))
        for layer in others:
            x = around(layer, x)
        place = np.asarray(cnn.place.kernel[...], np.float64)
        form = affine(cnn.form)(x)
        patches = pixels.reshape(side, 4, side, 4, 3).swapaxes(1, 2).reshape(side, side, -1)
        colour = affine(cnn.colour)(patches)
        for r in range(side):
            for c in range(side):
                where = np.array([r, c]) * 2 / (side - 1) - 1
                near = slice(max(r - 3, 0), r + 4), slice(max(c - 3, 0), c + 4)
                sums = (map_[near].sum(axis=(0, 1)) / 7 for map_ in (form, colour))
                parts = [layer(total) for layer, total in zip(layers, sums, strict=True)]
                y = np.concatenate([form[r, c], colour[r, c], where @ place, *parts])
                np.testing.assert_allclose(features[r * side + c], y, atol=2e-5)


def test_form_does_not_depend_on_colour():
    cnn = encoder()
    red, green = np.zeros((2, 1, SIDE, SIDE, 3), np.uint8)
    red[..., 0] = green[..., 1] = pictures(1)[..., 0]
    form = cnn.form.bias.shape[0]
    of_red, of_green = run(cnn, red), run(cnn, green)
    np.testing.assert_array_equal(of_red[..., :form], of_green[..., :form])
    assert np.abs(of_red[..., form:] - of_green[..., form:]).max() > 0.1


def test_a_location_lies_in_the_middle_of_the_pixels_that_it_sees():
    side = 64
    cnn = SmallCNN(side, rngs=nnx.Rngs(1))
    image = jnp.full((1, side, side, 3), 60.0)
    middle_of_its_own = (4 * 7 + 1.5, 4 * 8 + 1.5)
    form = cnn.form.bias.shape[0]
    for features, reach in ((slice(form), 26), (slice(None), 50)):
        seen = jax.jit(jax.grad(lambda x, of=features: cnn(x)[0, 7 * 16 + 8, of].sum()))(image)[0]
        rows, columns = np.nonzero(np.abs(seen).max(axis=-1))
        middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
        assert middle == middle_of_its_own
        assert rows.max() - rows.min() + 1 == columns.max() - columns.min() + 1 == reach


@pytest.mark.parametrize("side", [0, 2, 10, -4])
def test_a_side_that_is_no_multiple_of_the_stride_is_refused(side):
    with pytest.raises(UserError, match=f"multiple of 4 pixels; got {side}"):
        SmallCNN(side, rngs=nnx.Rngs(0))
