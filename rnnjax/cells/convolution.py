"""A convolution over time, one step at a time: what earlier steps owe to later ones is carried."""

import jax.numpy as jnp

from rnnjax.typing import Array


def convolved(parts_t: Array, owed: Array) -> tuple[Array, Array]:
    """One step of a causal convolution over W steps.

    ::

        y_t = sum over j of parts_{t-j}[j],   j = 0 .. W - 1

    The sums that have begun are carried. So padding, which holds the carry, does not separate two
    real steps, and a reset keeps the old document out of the new one.

    Args:
        parts_t: `[..., W, C]`, what this step adds to the outputs of this step and the W - 1 next.
        owed: `[..., W - 1, C]`, what the steps before add to the same; zeros at first.

    Returns:
        `(y_t [..., C], owed)`.
    """
    sums = jnp.concatenate([parts_t[..., :-1, :] + owed, parts_t[..., -1:, :]], axis=-2)
    return sums[..., 0, :], sums[..., 1:, :]
