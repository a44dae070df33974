"""Integers within a range: lengths of sequences, and ids of symbols, labels and tags."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.errors import UserError
from rnnjax.typing import Array


def mask_of_lengths(lengths: Array, num_steps: int, batch_shape: tuple[int, ...]) -> Array:
    """bool `[T, B]`, True at the steps before `lengths`; T is `num_steps`.

    Args:
        lengths: int `[B]`, 0 .. T. Checked where their values are known, which they are not while
            jax traces; there, what is beyond T counts as T.
        batch_shape: of the sequences, `(B,)`.

    Raises:
        UserError: another shape, no integers, or a length outside 0 .. T.
    """
    lengths = jnp.asarray(lengths)
    if lengths.shape != batch_shape or not jnp.issubdtype(lengths.dtype, jnp.integer):
        raise UserError(
            f"lengths are integers of shape {list(batch_shape)}, one a sequence; got "
            f"{lengths.dtype} of shape {list(lengths.shape)}"
        )
    if not isinstance(lengths, jax.core.Tracer):
        outside = [n for n in np.asarray(lengths).reshape(-1).tolist() if not 0 <= n <= num_steps]
        if outside:
            raise UserError(f"lengths are within 0 .. T = {num_steps}; got {outside[0]}")
    steps = jnp.arange(num_steps, dtype=jnp.int32).reshape(-1, *[1] * len(batch_shape))
    return steps < lengths.astype(jnp.int32)


def check_ids(
    name: str, ids: Array, size: int, mask: Array | None = None, *, least: int = 0
) -> None:
    """Raises UserError unless ids are integers in least .. size - 1, at least where they count.

    Values are checked where they are known, which they are not while jax traces: an id outside the
    range then reads as NaN, or from the end if it is negative.

    Args:
        mask: bool, of the shape of ids; None: all count.
    """
    if not jnp.issubdtype(jnp.result_type(ids), jnp.integer):
        raise UserError(f"{name} are integers; got {jnp.result_type(ids)}")
    if isinstance(ids, jax.core.Tracer) or isinstance(mask, jax.core.Tracer):
        return
    values = np.asarray(ids) if mask is None else np.asarray(ids)[np.asarray(mask)]
    outside = values[(values < least) | (values >= size)]
    if outside.size:
        raise UserError(f"{name} are in {least} .. {size - 1}; got {outside.flat[0]}")
