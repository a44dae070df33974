"""Sampling of sequences, with temperature, top-k and nucleus filtering."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.decode.step import Step
from rnnjax.errors import UserError
from rnnjax.typing import Array, Carry, PRNGKey


def filter_logits(
    logits: Array, *, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0
) -> Array:
    """Applies temperature, top-k and nucleus (top-p) filtering to logits.

    Args:
        logits: `[..., V]`.
        temperature: divides the logits; 0 leaves only the most likely symbol.
        top_k: keep only so many of the most likely symbols; 0 keeps all.
        top_p: nucleus: keep the fewest most likely symbols whose probabilities (after the
            temperature and the top k) sum to at least this; 1 keeps all.

    Returns:
        Logits `[..., V]`, -inf where a symbol was cut.

    Raises:
        UserError: a number is out of range.

    References:
        Holtzman et al. 2020, "The curious case of neural text degeneration", section 3.
    """
    vocab_size = logits.shape[-1]
    if not temperature >= 0:
        raise UserError(f"temperature is 0 or more; got {temperature}")
    if top_k < 0:
        raise UserError(f"top_k is 0 (off) or more; got {top_k}")
    if not 0 < top_p <= 1:
        raise UserError(f"top_p lies in (0, 1]; got {top_p}")
    if temperature == 0:
        top_k = 1
    else:
        logits = logits / temperature
    descending = jnp.argsort(-logits, axis=-1, stable=True)
    rank = jnp.argsort(descending, axis=-1)
    if 0 < top_k < vocab_size:
        logits = jnp.where(rank < top_k, logits, -jnp.inf)
    if top_p < 1:
        ordered = jax.nn.softmax(jnp.take_along_axis(logits, descending, axis=-1), axis=-1)
        before = jnp.cumsum(ordered, axis=-1) - ordered
        kept = jnp.take_along_axis(before < top_p, rank, axis=-1)
        logits = jnp.where(kept, logits, -jnp.inf)
    return logits


class Sampling(NamedTuple):
    """A sampling that has begun.

    Attributes:
        carry: after the last symbol.
        logits: `[B, V]` of the next one.
        running: bool `[B]`, False after a stop.
        step: symbols drawn so far.
    """

    carry: Carry
    logits: Array
    running: Array
    step: Array


def begin_sampling(step: Step, params: Any, carry: Carry, prompt: Array) -> Sampling:
    """Reads a batch of prompts, for `continue_sampling`.

    Args:
        step: `(params, carry, tokens [B]) -> (logits [B, V], carry)`.
        params: handed to `step`.
        carry: before the prompt.
        prompt: int `[P, B]`, P >= 1.

    Raises:
        UserError: the prompt is empty.
    """
    if prompt.ndim != 2 or prompt.shape[0] < 1:
        raise UserError(f"a prompt has shape [P, B] with P >= 1; got {list(prompt.shape)}")

    def read(carry, tokens):
        logits, carry = step(params, carry, tokens)
        return carry, logits

    carry, logits = jax.lax.scan(read, carry, prompt)
    return Sampling(carry, logits[-1], jnp.ones(prompt.shape[1], bool), jnp.zeros((), jnp.int32))


def continue_sampling(
    step: Step,
    params: Any,
    state: Sampling,
    *,
    length: int,
    key: PRNGKey,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    stop: int | None = None,
) -> tuple[Sampling, tuple[Array, Array]]:
    """Draws the next `length` symbols; several calls draw what one call would.

    Args:
        step, params: as for `begin_sampling`.
        state: from there, or from the call before.
        length, key, temperature, top_k, top_p, stop: see `sample`.

    Returns:
        The state after them, and what `sample` returns.

    Raises:
        UserError: `length` is below 1, or a filter is out of range.
    """
    if length < 1:
        raise UserError(f"length is 1 or more; got {length}")
    rows = jnp.arange(len(state.running))

    def draw(state, _):
        keys = jax.vmap(jax.random.fold_in, (None, 0))(jax.random.fold_in(key, state.step), rows)
        filtered = filter_logits(state.logits, temperature=temperature, top_k=top_k, top_p=top_p)
        tokens = jax.vmap(jax.random.categorical)(keys, filtered)
        running = state.running if stop is None else state.running & (tokens != stop)
        logits, carry = step(params, state.carry, tokens)
        return Sampling(carry, logits, running, state.step + 1), (tokens, state.running)

    return jax.lax.scan(draw, state, length=length)


def sample(
    step: Step,
    params: Any,
    carry: Carry,
    prompt: Array,
    *,
    length: int,
    key: PRNGKey,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    stop: int | None = None,
) -> tuple[Array, Array]:
    """Continues a batch of prompts by sampling, in one scan.

    Args:
        step: `(params, carry, tokens [B]) -> (logits [B, V], carry)`.
        params: handed to `step`.
        carry: before the prompt.
        prompt: int `[P, B]`, P >= 1.
        length: symbols to sample.
        key: row b uses `fold_in(fold_in(key, t), b)` at step t, however many
            other rows there are.
        temperature, top_k, top_p: see `filter_logits`.
        stop: symbol that ends a row.

    Returns:
        Symbols `[length, B]`, and their validity bool `[length, B]`: False after a stop.

    Raises:
        UserError: the prompt is empty, `length` is below 1, or a filter is out of range.
    """
    _, drawn = continue_sampling(
        step,
        params,
        begin_sampling(step, params, carry, prompt),
        length=length,
        key=key,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        stop=stop,
    )
    return drawn
