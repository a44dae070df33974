"""Runs of words that two sequences have in common: at which places, and how often."""

from collections.abc import Iterator

import jax.numpy as jnp

from rnnjax.typing import Array

ORDERS = (1, 2, 3, 4)


def common_runs(first: Array, there: Array, second: Array, there_too: Array) -> Iterator[Array]:
    """For n = 1 to 4, whether the n words from place t on are those from place u on.

    Args:
        first: int `[T, ...]`.
        there: bool `[T, ...]`, False at padding.
        second: int `[U, ...]`; what follows the first axis is broadcast.
        there_too: bool `[U, ...]`.

    Yields:
        bool `[T, U, ...]`, False where one of the words is padding.
    """
    alike = (first[:, None] == second) & there[:, None] & there_too
    run = alike
    for n in ORDERS:
        yield run
        pad = [(0, n), (0, n)] + [(0, 0)] * (alike.ndim - 2)
        run = run & jnp.pad(alike, pad)[n:, n:]
