"""The step function that every decoder takes, and checks of its arguments."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.errors import UserError
from rnnjax.typing import Array, Carry

Step = Callable[[Any, Carry, Array], tuple[Array, Carry]]
"""``(params, carry, tokens [B]) -> (logits [B, V], carry)``.

A pure function: the same params, carry row and token give the same logits, whatever the other rows
are. Each leaf of the carry has B rows, random keys included.
"""


def check_start(carry: Carry, start_tokens: Array) -> None:
    """Raises UserError unless decoding can start from here.

    Args:
        carry: a pytree whose leaves are `[B, ...]`.
        start_tokens: int `[B]`.
    """
    shape = jnp.shape(start_tokens)
    if len(shape) != 1 or not jnp.issubdtype(jnp.result_type(start_tokens), jnp.integer):
        raise UserError(
            "start_tokens are integers of shape [B]; "
            f"got {jnp.result_type(start_tokens)} of shape {list(shape)}"
        )
    for path, leaf in jax.tree.leaves_with_path(carry):
        if jnp.shape(leaf)[:1] != shape:
            raise UserError(
                f"each leaf of the carry has a row for each of the {shape[0]} start_tokens; "
                f"carry{jax.tree_util.keystr(path)} has shape {list(jnp.shape(leaf))}"
            )


def repeat_rows(carry: Carry, num_rows: int, times: int) -> Carry:
    """Repeats each of the rows of a carry `[num_rows, ...]`: row n comes from row n // times."""
    source = jnp.arange(num_rows * times) // times
    return jax.tree.map(lambda leaf: leaf[source], carry)
