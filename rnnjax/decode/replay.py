"""The outputs of a step along given sequences, such as attention maps."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.decode.step import check_start, repeat_rows
from rnnjax.errors import UserError
from rnnjax.typing import Array, Carry


def replay(
    step: Callable[[Any, Carry, Array], tuple[Any, Carry]],
    params: Any,
    carry: Carry,
    start_tokens: Array,
    tokens: Array,
) -> Any:
    """Reads given sequences step by step and keeps the output of each step.

    Use it to get attention maps of decoded sequences: the step for decoding returns (logits,
    carry), and a second step that returns (map, carry) reads what was found. As steps are pure,
    this repeats the same computation, including the locations that hard attention samples, if each
    row samples by a key of its own in the carry. It costs one pass over the sequences of interest,
    mostly one of the beam; a map of every hypothesis at every step would take memory in every
    search. ::

        found = beam_search(decoding_step, params, carry, start_tokens, ...)
        maps = replay(map_step, params, carry, start_tokens, found.tokens[:, 0])

    Args:
        step: `(params, carry, tokens [N]) -> (anything, carry)`, where anything is a pytree whose
            leaves are `[N, ...]`; N is B or B * K, as in `beam_search`.
        carry: before the start tokens; a pytree whose leaves are `[B, ...]`.
        start_tokens: int `[B]`, what each row reads first.
        tokens: int `[B, L]`, or `[B, K, L]` for K sequences from the same start.

    Returns:
        The outputs of `step`, leaves `[B, L, ...]` or `[B, K, L, ...]`; at t the output of the
        step that predicts `tokens[..., t]`. The symbols after the end of a sequence are read like
        all others: ignore what is beyond the lengths.

    Raises:
        UserError: a shape does not fit.
    """
    shape = jnp.shape(tokens)
    check_start(carry, start_tokens)
    if len(shape) not in (2, 3) or shape[0] != len(start_tokens) or 0 in shape[1:]:
        raise UserError(
            f"tokens have shape [B, L] or [B, K, L] with B = {len(start_tokens)}; got {list(shape)}"
        )
    return _replay(step, params, carry, jnp.asarray(start_tokens), jnp.asarray(tokens))


@functools.partial(jax.jit, static_argnums=0)
def _replay(step, params, carry, start_tokens, tokens):
    lead = tokens.shape[:-1]
    times = tokens.size // (lead[0] * tokens.shape[-1])
    starts = jnp.broadcast_to(start_tokens[(..., *[None] * (tokens.ndim - 1))], (*lead, 1))
    read = jnp.concatenate([starts.astype(tokens.dtype), tokens[..., :-1]], axis=-1)

    def look(carry, tokens):
        output, carry = step(params, carry, tokens)
        return carry, output

    _, outputs = jax.lax.scan(
        look, repeat_rows(carry, lead[0], times), read.reshape(lead[0] * times, -1).T
    )
    return jax.tree.map(
        lambda leaf: jnp.moveaxis(leaf, 0, 1).reshape(*tokens.shape, *leaf.shape[2:]), outputs
    )
