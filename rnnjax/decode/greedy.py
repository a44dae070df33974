"""The most likely symbol at every step."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.decode.step import Step, check_start, check_stop
from rnnjax.losses import target_log_probability
from rnnjax.typing import Array, Carry


class GreedyResult(NamedTuple):
    """One sequence for each row.

    `tokens [B, max_length]`, `stop` after the end; `lengths [B]`, the stop included;
    `log_probability [B]` in nats, of the `lengths` symbols together.
    """

    tokens: Array
    lengths: Array
    log_probability: Array


def greedy(
    step: Step, params: Any, carry: Carry, start_tokens: Array, *, max_length: int, stop: int
) -> GreedyResult:
    """Takes the most likely symbol at every step, like a beam search with a beam of 1.

    Of equally likely symbols the first is taken. The program is compiled once for each `step`
    (the same function object) and each set of shapes.

    Args:
        step: `(params, carry, tokens [B]) -> (logits [B, V], carry)`.
        params: handed to `step`.
        carry: before the start tokens; a pytree whose leaves are `[B, ...]`.
        start_tokens: int `[B]`, what each row reads first; not part of the result.
        max_length: symbols after which a row is cut off.
        stop: symbol that ends a row.

    Returns:
        The sequences. One without `stop` has length `max_length`.

    Raises:
        UserError: `max_length` is below 1, `stop` is no symbol, or a shape does not fit.
    """
    check_start(carry, start_tokens, max_length)
    return _greedy(step, max_length, stop, params, carry, jnp.asarray(start_tokens))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _greedy(
    step: Step, max_length: int, stop: int, params: Any, carry: Carry, start_tokens: Array
) -> GreedyResult:
    def extend(state, _):
        carry, last, running = state
        logits, carry = step(params, carry, last)
        check_stop(stop, logits)
        logits = logits.astype(jnp.float32)
        token = jnp.where(running, jnp.argmax(logits, axis=-1).astype(last.dtype), stop)
        gain = jnp.where(running, target_log_probability(logits, token), 0)
        return (carry, token, running & (token != stop)), (token, gain, running)

    start = (carry, start_tokens, jnp.ones(start_tokens.shape, bool))
    _, (tokens_LB, gains_LB, running_LB) = jax.lax.scan(extend, start, length=max_length)
    return GreedyResult(tokens_LB.T, jnp.sum(running_LB, axis=0), jnp.sum(gains_LB, axis=0))
