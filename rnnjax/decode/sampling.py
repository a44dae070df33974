"""Sampling of sequences from filtered logits, until a symbol or a run of symbols ends a row."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.decode.filters import filter_logits
from rnnjax.decode.step import Step
from rnnjax.errors import UserError, check_at_least
from rnnjax.ranges import check_ids
from rnnjax.typing import Array, Carry, PRNGKey


class Sampling(NamedTuple):
    """A sampling that has begun.

    Attributes:
        logits: `[B, V]` of the next one.
        running: bool `[B]`, False after a stop.
        step: symbols drawn so far.
        seen: bool `[B, V]`, the symbols of the prompt and those drawn so far.
        recent: int `[B, W]`, the last symbols drawn, -1 before the first.
        stops: int `[N, W]`, the runs of symbols that end a row, -1 before those that are shorter.
    """

    carry: Carry
    logits: Array
    running: Array
    step: Array
    seen: Array
    recent: Array
    stops: Array


def begin_sampling(
    step: Step,
    params: Any,
    carry: Carry,
    prompt: Array,
    *,
    stop: int | Sequence[Sequence[int]] | None = None,
) -> Sampling:
    """Reads a batch of prompts, for `continue_sampling`; arguments and errors as for `sample`."""
    if prompt.ndim != 2 or prompt.shape[0] < 1:
        raise UserError(f"a prompt has shape [P, B] with P >= 1; got {list(prompt.shape)}")
    num_rows = prompt.shape[1]

    def read(carry, tokens):
        logits, carry = step(params, carry, tokens)
        return carry, logits

    carry, logits = jax.lax.scan(read, carry, prompt)
    stops = _stops(stop, logits.shape[-1])
    return Sampling(
        carry=carry,
        logits=logits[-1],
        running=jnp.ones(num_rows, bool),
        step=jnp.zeros((), jnp.int32),
        seen=jnp.zeros(logits.shape[1:], bool).at[jnp.arange(num_rows), prompt].set(True),
        recent=jnp.full((num_rows, stops.shape[1]), -1, jnp.int32),
        stops=stops,
    )


def continue_sampling(
    step: Step, params: Any, state: Sampling, *, length: int, key: PRNGKey, **filters: Any
) -> tuple[Sampling, tuple[Array, Array]]:
    """Draws the next `length` symbols; several calls draw what one call would.

    Args:
        step, params: as for `begin_sampling`.
        state: from there, or from the call before.
        length, key, filters: see `sample`.

    Returns:
        The state after them, and what `sample` returns.

    Raises:
        UserError: `length` is below 1, there is not a key for each row, or a filter is out of
            range.
    """
    check_at_least(1, length=length)
    rows = jnp.arange(len(state.running))

    def draw(state: Sampling, _: None) -> tuple[Sampling, tuple[Array, Array]]:
        keys = _row_keys(key, state.step, len(rows))
        filtered = filter_logits(state.logits, seen=state.seen, **filters)
        tokens = jax.vmap(jax.random.categorical)(keys, filtered)
        recent = jnp.append(state.recent, tokens[:, None].astype(jnp.int32), axis=1)[:, 1:]
        same = (recent[:, None] == state.stops) | (state.stops < 0)
        logits, carry = step(params, state.carry, tokens)
        return state._replace(
            carry=carry,
            logits=logits,
            running=state.running & ~same.all(axis=-1).any(axis=-1),
            step=state.step + 1,
            seen=state.seen.at[rows, tokens].set(True),
            recent=recent,
        ), (tokens, state.running)

    return jax.lax.scan(draw, state, length=length)


def sample(
    step: Step,
    params: Any,
    carry: Carry,
    prompt: Array,
    *,
    length: int,
    key: PRNGKey,
    stop: int | Sequence[Sequence[int]] | None = None,
    **filters: Any,
) -> tuple[Array, Array]:
    """Continues a batch of prompts by sampling, in one scan.

    Args:
        step: `(params, carry, tokens [B]) -> (logits [B, V], carry)`.
        prompt: int `[P, B]`, P >= 1.
        key: one for all rows: row b uses `fold_in(fold_in(key, t), b)` at step t, however many
            other rows there are. Or keys `[B]`, one for each: row b uses `fold_in(key[b], t)`.
        stop: a symbol that ends a row, or several runs of symbols (the symbols of stop strings)
            each of which ends a row when its last symbol is drawn. Symbols of the prompt do not
            count.
        filters: temperature, top_k, top_p, min_p, repetition_penalty; see `filter_logits`. Of the
            penalty, the symbols seen are those of the prompt and those drawn so far.

    Returns:
        Symbols `[length, B]`, and their validity bool `[length, B]`: False after a stop.

    Raises:
        UserError: the prompt or a stop is empty, a stop is no run of symbols, `length` is below 1,
            there is not a key for each row, or a filter is out of range.
    """
    state = begin_sampling(step, params, carry, prompt, stop=stop)
    _, drawn = continue_sampling(step, params, state, length=length, key=key, **filters)
    return drawn


def keys_of_seeds(seed: int | Sequence[int], num_rows: int) -> PRNGKey:
    """The key of a seed for all rows, or the keys `[B]` of a seed for each.

    Raises:
        UserError: there is no row, or not a seed for each.
    """
    check_at_least(1, num_samples=num_rows)
    if isinstance(seed, int | np.integer):
        return jax.random.key(seed)
    if len(seed) != num_rows:
        raise UserError(f"one seed, or one for each of the {num_rows} samples; got {len(seed)}")
    return jnp.stack([jax.random.key(each) for each in seed])


def _stops(stop: int | Sequence[Sequence[int]] | None, vocab_size: int) -> Array:
    """The runs of symbols that end a row, `[N, W]`, -1 before those shorter than the longest."""
    given = [[stop]] if isinstance(stop, int | np.integer) else stop or ()
    if any(np.ndim(run) != 1 for run in given):
        raise UserError(f"stop is a symbol, or runs of symbols such as [[1, 2], [3]]; got {stop}")
    runs = [list(run) for run in given]
    if not all(runs):
        raise UserError("a stop is empty: give at least one symbol")
    for run in runs:
        check_ids("the symbols of a stop", jnp.asarray(run), vocab_size)
    width = max(map(len, runs), default=0)
    padded = [[-1] * (width - len(run)) + run for run in runs]
    return jnp.asarray(padded, jnp.int32).reshape(len(runs), width)


def _row_keys(key: PRNGKey, step: Array, num_rows: int) -> PRNGKey:
    """A key for each row at a step."""
    shape = key.shape if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else key.shape[:-1]
    if not shape:
        of_step = jax.random.fold_in(key, step)
        return jax.vmap(jax.random.fold_in, (None, 0))(of_step, jnp.arange(num_rows))
    if shape != (num_rows,):
        raise UserError(f"one key, or one for each of the {num_rows} rows; got {list(shape)}")
    return jax.vmap(jax.random.fold_in, (0, None))(key, step)
