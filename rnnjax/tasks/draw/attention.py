"""A grid of Gaussian filters that reads a patch of an image, or writes one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.typing import Array

NUM_PARAMETERS = 5
LIMIT = 20.0
"""The numbers that describe a window are clipped to this: cells like irnn have no bounds."""


class Window(NamedTuple):
    """Where a grid of N x N filters is, in pixels; pixels are counted from 1.

    Attributes:
        x: centre of the grid, `[...]`.
        y: the same from the top.
        stride: between the centres of two filters.
        variance: of a filter.
        intensity: gamma.
    """

    x: Array
    y: Array
    stride: Array
    variance: Array
    intensity: Array


def window(parameters: Array, num_filters: int, height: int, width: int) -> Window:
    """The window that five numbers describe.

    ::

        (x~, y~, log variance, log stride~, log intensity) = parameters
        x = (A + 1) / 2 (x~ + 1),   y = (B + 1) / 2 (y~ + 1)
        stride = (max(A, B) - 1) / (N - 1) stride~

    With zeros, the grid covers the whole image. The grid of a single filter has no stride.

    Args:
        parameters: `[..., 5]`.
        num_filters: N.
        height: B of the image, in pixels.
        width: A of the image.

    References:
        Gregor et al. 2015, "DRAW: a recurrent neural network for image generation", section 3.2.
    """
    x, y, log_variance, log_stride, log_intensity = jnp.moveaxis(
        jnp.clip(parameters, -LIMIT, LIMIT), -1, 0
    )
    return Window(
        x=(width + 1) / 2 * (x + 1),
        y=(height + 1) / 2 * (y + 1),
        stride=(max(height, width) - 1) / max(num_filters - 1, 1) * jnp.exp(log_stride),
        variance=jnp.exp(log_variance),
        intensity=jnp.exp(log_intensity),
    )


def filters(centre: Array, stride: Array, variance: Array, num_filters: int, size: int) -> Array:
    """The weights of N Gaussian filters over the pixels of a side; those of a filter sum to 1.

    ::

        mu_i = centre + (i - N / 2 - 0.5) stride
        F[i, a] = exp(-(a - mu_i)^2 / (2 variance)) / (the sum of this over a)

    This is a softmax over a, so a filter far outside of the image reads the pixel next to it.

    Args:
        centre: of the grid, `[...]`.
        stride, variance: `[...]`.
        num_filters: N; i is 1 to N.
        size: A; a is 1 to A.

    Returns:
        `[..., N, A]`.

    References:
        Gregor et al. 2015, section 3.2.
    """
    i = jnp.arange(1, num_filters + 1, dtype=centre.dtype)
    a = jnp.arange(1, size + 1, dtype=centre.dtype)
    mu = centre[..., None] + (i - num_filters / 2 - 0.5) * stride[..., None]
    distance = a - mu[..., None]
    return jax.nn.softmax(-jnp.square(distance) / (2 * variance[..., None, None]), axis=-1)


def both_filters(at: Window, num_filters: int, height: int, width: int) -> tuple[Array, Array]:
    """`F_Y [..., N, B]` and `F_X [..., N, A]` of a window."""
    return (
        filters(at.y, at.stride, at.variance, num_filters, height),
        filters(at.x, at.stride, at.variance, num_filters, width),
    )


def read_patch(images: Array, at: Window, num_filters: int) -> Array:
    """``intensity F_Y x F_X^T``: a patch `[..., C, N, N]` of images `[..., C, B, A]`."""
    rows, columns = both_filters(at, num_filters, *images.shape[-2:])
    patch = jnp.einsum("...nb,...cba,...ma->...cnm", rows, images, columns)
    return at.intensity[..., None, None, None] * patch


def write_patch(patch: Array, at: Window, height: int, width: int) -> Array:
    """``F_Y^T patch F_X / intensity``: an image `[..., B, A]` of a patch `[..., N, N]`."""
    rows, columns = both_filters(at, patch.shape[-1], height, width)
    written = jnp.einsum("...nb,...nm,...ma->...ba", rows, patch, columns)
    return written / at.intensity[..., None, None]
