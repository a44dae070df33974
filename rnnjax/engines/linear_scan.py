"""A linear recurrence over T steps in about 2 sqrt(T) sequential steps."""

import jax
import jax.numpy as jnp

from rnnjax.engines.rows import varying_alike
from rnnjax.typing import Array


@jax.custom_vjp
def linear_scan(a: Array, b: Array, h_0: Array) -> Array:
    """The states of ``h_t = a_t * h_tm1 + b_t`` for all t.

    Time is divided into M chunks of C steps, and step t = m C + c lies at [c, m]. All chunks run in
    parallel, twice. The first time gives the map of each chunk, from the state before it to the
    state after it. A scan over these M maps gives the state before each chunk, from which the
    chunks run again. The gradient is the same recurrence in reverse ::

        d_t = g_t + a_{t+1} d_{t+1},    gradient of b: d_t,    of a: d_t h_tm1,    of h_0: a_1 d_1

    with g the gradient of h, so that only a and h are saved for it.

    Args:
        a: `[C, M, ...]`, real or complex.
        b: `[C, M, ...]`.
        h_0: `[...]`, the state before the first step, of the dtype of a and b.

    Returns:
        h, `[C, M, ...]`.

    References:
        Martin & Cundy 2018, "Parallelizing linear recurrent neural nets over sequence length";
        Blelloch 1990, "Prefix sums and their applications", section 1.4.
    """
    return _solve(a, b, h_0)


def _solve(a: Array, b: Array, h_0: Array, *, reverse: bool = False) -> Array:
    def compose(maps, step):
        (gain, offset), (a_t, b_t) = maps, step
        return (a_t * gain, a_t * offset + b_t), None

    def through(h, step):
        a_t, b_t = step
        return a_t * h + b_t, h

    def over(h, step):
        h, _ = through(h, step)
        return h, h

    first, rest = (-1, slice(None, -1)) if reverse else (0, slice(1, None))
    maps, _ = jax.lax.scan(compose, (a[first], b[first]), (a[rest], b[rest]), reverse=reverse)
    _, h_before = jax.lax.scan(through, h_0, maps, reverse=reverse)
    _, h = jax.lax.scan(over, h_before, (a, b), reverse=reverse)
    return h


def _forward(a: Array, b: Array, h_0: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    h = _solve(a, b, h_0)
    return h, (a, h, h_0)


def _backward(kept: tuple[Array, Array, Array], g: Array) -> tuple[Array, Array, Array]:
    a, h, h_0 = kept
    of_next_chunk = jnp.concatenate([a[0, 1:], jnp.zeros_like(a[0, :1])])
    a_next = jnp.concatenate([a[1:], of_next_chunk[None]])
    of_chunk_before = jnp.concatenate([h_0[None], h[-1, :-1]])
    h_before = jnp.concatenate([of_chunk_before[None], h[:-1]])
    d = _solve(*varying_alike((a_next, g, jnp.zeros_like(h_0))), reverse=True)
    return d * h_before, d, a[0, 0] * d[0, 0]


linear_scan.defvjp(_forward, _backward)
