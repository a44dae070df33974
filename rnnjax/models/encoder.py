"""An encoder of small pictures, trained from scratch with the network that reads it."""

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.errors import UserError
from rnnjax.typing import Array, PRNGKey


class SmallCNN(nnx.Module):
    """Sees the form of things and their colour apart, each where it is.

    ::

        p_(r,c) = the stride by stride pixels of row r, column c, from -1 to 1
        x_1,(r,c) = relu(W_1 max(red, green, blue of p_(r,c)) + b_1)
        x_l = relu(W_l * x_(l-1) + b_l)                                  3 by 3, l = 2..L
        form_(r,c) = relu(W x_L,(r,c) + b + P [row of r, column of c])
        colour_(r,c) = relu(U p_(r,c) + u)
        y_(r,c) = [form_(r,c), colour_(r,c)]

    The convolutions that learn forms see how light a pixel is and not its colour. With all three
    lights before them they learn a detector for every pair of form and colour, and know none for
    a pair that training never showed, such as a red six.

    P tells a location where it is, by rows and columns from -1 to 1. Convolutions answer to a thing
    in the same way wherever it lies, so a reader that mixes locations by attention could say what
    it saw but not what lies above what. Liu et al. 2018, "An intriguing failing of convolutional
    neural networks and the CoordConv solution", give every layer these two coordinates; here the
    filters stay blind to the place.

    There is no pooling, and each location lies in the middle of what it sees.

    Attributes:
        grid: rows and columns of locations.
        output_size: F, features a location.
    """

    def __init__(
        self,
        side: int,
        *,
        channels: tuple[int, ...] = (64, 64, 64),
        colour_channels: int = 32,
        output_size: int = 96,
        stride: int = 4,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            side: height and width of the images, in pixels.
            channels: of the L layers that see form.
            colour_channels: features of colour a location.
            output_size: F, all features a location.
            stride: pixels from a location to the next.
            rngs: for the initial parameters.

        Raises:
            UserError: the side is not a multiple of the stride, or no features of form are left.
        """
        if stride < 1 or side < stride or side % stride:
            raise UserError(
                f"the side of images must be a multiple of the stride; got {side} and {stride}"
            )
        if not 0 < colour_channels < output_size:
            raise UserError(
                f"colour_channels must lie between 0 and output_size={output_size}; "
                f"got {colour_channels}"
            )
        first, *others = channels
        self.patches = nnx.Linear(stride**2, first, kernel_init=_he_normal, rngs=rngs)
        self.layers = nnx.List(
            nnx.Conv(inputs, outputs, (3, 3), kernel_init=_he_normal, rngs=rngs)
            for inputs, outputs in zip(channels, others, strict=False)
        )
        self.form = nnx.Linear(channels[-1], output_size - colour_channels, rngs=rngs)
        self.place = nnx.Linear(2, output_size - colour_channels, use_bias=False, rngs=rngs)
        self.colour = nnx.Linear(3 * stride**2, colour_channels, kernel_init=_he_normal, rngs=rngs)
        self.grid = (side // stride, side // stride)
        self.output_size = output_size
        self.stride = stride

    def __call__(self, images: Array, key: PRNGKey | None = None) -> Array:
        """The features of every location.

        Args:
            images: `[B, side, side, 3]` from 0 to 255, of any dtype.
            key: has no effect.

        Returns:
            float32 `[B, rows * columns, F]`, row by row.
        """
        del key
        patches = _in_patches(images.astype(jnp.float32) / 127.5 - 1, self.stride)
        x = jax.nn.relu(self.patches(patches.max(axis=-1)))
        for layer in self.layers:
            x = jax.nn.relu(layer(x))
        form = jax.nn.relu(self.form(x) + self.place(coordinates(*self.grid)))
        colour = jax.nn.relu(self.colour(patches.reshape(*patches.shape[:3], -1)))
        features = jnp.concatenate([form, colour], axis=-1)
        return features.reshape(len(features), -1, self.output_size)


def coordinates(rows: int, columns: int) -> Array:
    """Row and column of each location, both from -1 to 1: float32 `[rows, columns, 2]`."""
    row, column = (jnp.linspace(-1, 1, length) for length in (rows, columns))
    return jnp.stack(jnp.meshgrid(row, column, indexing="ij"), axis=-1)


def _in_patches(images: Array, stride: int) -> Array:
    """From `[B, rows * stride, columns * stride, C]` to `[B, rows, columns, stride ** 2, C]`."""
    batch, height, width, channels = images.shape
    rows, columns = height // stride, width // stride
    apart = images.reshape(batch, rows, stride, columns, stride, channels)
    return apart.transpose(0, 1, 3, 2, 4, 5).reshape(batch, rows, columns, -1, channels)


_he_normal = jax.nn.initializers.he_normal()
