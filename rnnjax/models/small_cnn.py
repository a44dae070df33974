"""An encoder of small pictures, trained from scratch with the network that reads it."""

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.errors import UserError
from rnnjax.typing import Array, PRNGKey

STRIDE = 4
"""Pixels from a location to the next."""
WINDOW = 7
"""Rows, and columns, of locations that are looked over for what there is around one of them."""


class SmallCNN(nnx.Module):
    """Sees the form of things, their colour, where they are and what is around, each by itself.

    ::

        x_0 = max(red, green, blue) of each pixel, from -1 to 1
        x_l = relu(W_l * x_(l-1) + b_l)             4 by 4, at every second place, l = 1, 2
        x_l = relu(W_l * x_(l-1) + b_l)             3 by 3, l = 3..L
        form_(r,c) = relu(W x_L,(r,c) + b)
        colour_(r,c) = relu(U p_(r,c) + u)          p_(r,c): the 4 by 4 pixels of row r, column c
        place_(r,c) = P [row of r, column of c]     rows and columns from -1 to 1
        around_(r,c) = [relu(sum V form / 7 + v), relu(sum Q colour / 7 + q)]
                                                    over the 7 by 7 locations around (r, c)
        y_(r,c) = [form_(r,c), colour_(r,c), place_(r,c), around_(r,c)]

    The convolutions that learn forms see how light a pixel is and not its colour. With all three
    lights before them they learn a detector for every pair of form and colour, and know none for
    a pair that training never showed, such as a red six. On a light ground the lightest of the
    three lights does not show what is red or yellow, as its red is light too: with `any_ground` x_0
    is two numbers a pixel, max(red, green, blue) and min(red, green, blue).

    Convolutions answer to a thing in the same way wherever it lies, so without its place a reader
    that mixes locations by attention could say what it saw but not what lies above what. Liu et
    al. 2018, "An intriguing failing of convolutional neural networks and the CoordConv solution",
    give every layer these two coordinates; here the filters stay blind to the place.

    A reader that looks at one location can tell what lies there, but not how many of it there are
    in a group. The sums over what is around tell it. They are few numbers: with many of them a
    reader learns what there is from them as well, and looks beside it.

    There is no pooling, and each location lies in the middle of what it sees: with the default
    channels 26 by 26 pixels for its form, and 50 by 50 for what is around.

    Attributes:
        grid: rows and columns of locations.
        output_size: F, features a location.
        least_features: the least F.
    """

    least_features = 5

    def __init__(
        self,
        side: int,
        *,
        channels: tuple[int, int, *tuple[int, ...]] = (32, 64, 64, 64),
        output_size: int = 120,
        any_ground: bool = False,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            side: height and width of the images, in pixels.
            channels: of the L layers that see form, two at least.
            output_size: F, all features a location: of 15 of them 8 are for form, 4 for colour, 2
                for place and 1 is for what is around.
            any_ground: forms are seen on a light ground too.

        Raises:
            UserError: the side is not a multiple of `STRIDE`.
        """
        if side < STRIDE or side % STRIDE:
            raise UserError(f"the side of images must be a multiple of {STRIDE} pixels; got {side}")
        colour_channels, place_channels, around_channels = (
            max(1, parts * output_size // 30) for parts in (8, 4, 1)
        )
        form_channels = output_size - colour_channels - place_channels - 2 * around_channels
        self.lights = (jnp.max, jnp.min) if any_ground else (jnp.max,)
        sizes = zip((len(self.lights), *channels), channels, strict=False)
        self.layers = nnx.List(
            nnx.Conv(
                inputs,
                outputs,
                kernel_size=(4, 4) if n < 2 else (3, 3),
                strides=2 if n < 2 else 1,
                padding=1,
                kernel_init=_he_normal,
                rngs=rngs,
            )
            for n, (inputs, outputs) in enumerate(sizes)
        )
        self.form = nnx.Linear(channels[-1], form_channels, rngs=rngs)
        self.place = nnx.Linear(2, place_channels, use_bias=False, kernel_init=_normal, rngs=rngs)
        self.colour = nnx.Linear(3 * STRIDE**2, colour_channels, kernel_init=_he_normal, rngs=rngs)
        self.around_form = _SumAround(form_channels, around_channels, rngs=rngs)
        self.around_colour = _SumAround(colour_channels, around_channels, rngs=rngs)
        self.grid = (side // STRIDE, side // STRIDE)
        self.output_size = output_size

    def __call__(self, images: Array, key: PRNGKey | None = None) -> Array:
        """The features of every location.

        Args:
            images: `[B, side, side, 3]` from 0 to 255, of any dtype.

        Returns:
            float32 `[B, rows * columns, F]`, row by row.
        """
        del key
        pixels = images.astype(jnp.float32) / 127.5 - 1
        x = jnp.stack([light(pixels, axis=-1) for light in self.lights], axis=-1)
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        form = jax.nn.relu(self.form(x))
        colour = jax.nn.relu(self.colour(_in_patches(pixels)))
        place = self.place(coordinates(*self.grid))
        place = jnp.broadcast_to(place, (*form.shape[:-1], place.shape[-1]))
        around = self.around_form(form), self.around_colour(colour)
        features = jnp.concatenate([form, colour, place, *around], axis=-1)
        return features.reshape(len(features), -1, self.output_size)


class _SumAround(nnx.Module):
    """A layer on the sum over the window around each location, by the window's side.

    Its matrix comes before the sum: it leaves less to be added up.
    """

    def __init__(self, input_size: int, output_size: int, *, rngs: nnx.Rngs):
        self.kernel = nnx.Param(_he_normal(rngs.params(), (input_size, output_size)))
        self.bias = nnx.Param(jnp.zeros(output_size))

    def __call__(self, maps: Array) -> Array:
        window = (1, WINDOW, WINDOW, 1)
        sums = jax.lax.reduce_window(
            maps @ self.kernel.get_value(), 0.0, jax.lax.add, window, (1, 1, 1, 1), "SAME"
        )
        return jax.nn.relu(sums / WINDOW + self.bias.get_value())


def coordinates(rows: int, columns: int) -> Array:
    """Row and column of each location, both from -1 to 1: float32 `[rows, columns, 2]`."""
    row, column = (jnp.linspace(-1, 1, length) for length in (rows, columns))
    return jnp.stack(jnp.meshgrid(row, column, indexing="ij"), axis=-1)


def _in_patches(images: Array) -> Array:
    """From `[B, rows * STRIDE, columns * STRIDE, C]` to `[B, rows, columns, STRIDE ** 2 * C]`."""
    batch, height, width, channels = images.shape
    rows, columns = height // STRIDE, width // STRIDE
    apart = images.reshape(batch, rows, STRIDE, columns, STRIDE, channels)
    return apart.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, -1)


_he_normal = jax.nn.initializers.he_normal()
_normal = jax.nn.initializers.normal(1.0)
