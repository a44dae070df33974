"""Runs of words that two sequences have in common: at which places, and how often."""

from collections.abc import Iterator

import jax.numpy as jnp

from rnnjax.typing import Array

ORDERS = (1, 2, 3, 4)


def common_runs(
    first: Array, first_lengths: Array, second: Array, second_lengths: Array
) -> Iterator[Array]:
    """For n = 1 to 4, whether the n words from place t on are those from place u on.

    Args:
        first: int `[T, ...]`.
        first_lengths: int `[...]`; what comes after them is padding.
        second: int `[U, ...]`; what follows the first axis is broadcast.
        second_lengths: int `[...]`.

    Yields:
        bool `[T, U, ...]`, False where one of the words is padding.
    """
    alike = (first[:, None] == second) & _there(first, first_lengths)[:, None]
    alike = alike & _there(second, second_lengths)
    run = alike
    for n in ORDERS:
        yield run
        pad = [(0, n), (0, n)] + [(0, 0)] * (alike.ndim - 2)
        run = run & jnp.pad(alike, pad)[n:, n:]


def _there(words: Array, lengths: Array) -> Array:
    return jnp.arange(len(words)).reshape(-1, *[1] * (words.ndim - 1)) < lengths
