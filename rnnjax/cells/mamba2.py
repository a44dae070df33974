"""Mamba-2: a state space whose decay, input and output depend on what is read."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_heads, check_size, dot, wide, zeros
from rnnjax.cells.convolution import convolved
from rnnjax.cells.initializers import Initializer, initializer
from rnnjax.cells.memory import Entry, MemorySpec
from rnnjax.cells.origin import cell_factory
from rnnjax.typing import Array, DType, PRNGKey

Parts = tuple[Array, Array, Array]


class Mamba2Params(NamedTuple):
    """Of M heads, P = H / M, a state of N numbers for each of the H channels, a window of W.

    Attributes:
        w_ih: `[D, 2H + 2N + M]`, packed z, x, B, C, dt.
        taps: `[W, H + 2N]`, of the convolution of x, B and C, this step first.
        b_taps: `[H + 2N]`.
        b_dt: `[M]`.
        log_a: `[M]`, log of -A.
        skip: `[M]`, D of the paper.
        scale: `[H]`, of the normalisation.
    """

    w_ih: Array
    taps: Array
    b_taps: Array
    b_dt: Array
    log_a: Array
    skip: Array
    scale: Array


class Mamba2Carry(NamedTuple):
    """`c [B, M, P, N]`, and `owed [B, W - 1, H + 2N]`, the convolution's begun sums."""

    c: Array
    owed: Array


@cell_factory
def mamba2(
    hidden_size: int,
    *,
    num_heads: int | None = None,
    state_size: int = 64,
    window: int = 4,
    input_init: str | Initializer = "lecun_normal",
    compute_dtype: DType | None = None,
) -> Cell:
    """The layer of Mamba-2; the carry is `Mamba2Carry`.

    ::

        z_t, (x, B, C), a_t = x_t w_ih
        x_t, B_t, C_t = silu(convolution over W steps of (x, B, C) + b_taps)
        dt_t = softplus(a_t + b_dt)                        a number a head
        c_t = exp(-exp(log_a) dt_t) c_tm1 + dt_t x_t B_t^T
        y_t = over_rms((c_t C_t + skip x_t) silu(z_t))

    H is the inner width; the linear layer that closes the block is a `dense` layer of your own. B
    and C are shared by the heads.

    Args:
        hidden_size, compute_dtype: see `rnn`.
        num_heads: M, which divides H; None: the most of 4, 2 and 1 that do.
        state_size: N.
        window: W, the steps that the convolution sees.
        input_init: initialiser of `w_ih`, whole.

    Raises:
        UserError: a size is no positive integer, or `num_heads` does not divide `hidden_size`.

    References:
        Dao & Gu 2024, "Transformers are SSMs" (arXiv:2405.21060), section 7 and listing 1.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    state_size, window = check_size("state_size", state_size), check_size("window", window)
    heads = check_heads(hidden_size, num_heads)
    check_compute_dtype(compute_dtype)
    channels, shape = hidden_size + 2 * state_size, (heads, hidden_size // heads)

    def init(key: PRNGKey, input_size: int) -> Mamba2Params:
        check_size("input_size", input_size)
        key_ih, key_taps, key_decay = jax.random.split(key, 3)
        width = hidden_size + channels + heads
        b_dt, log_a = initial_decay(key_decay, heads)
        return Mamba2Params(
            w_ih=initializer(input_init)(key_ih, (input_size, width), float),
            taps=initial_taps(key_taps, window, channels),
            b_taps=jnp.zeros(channels),
            b_dt=b_dt,
            log_a=log_a,
            skip=jnp.ones(heads),
            scale=jnp.ones(hidden_size),
        )

    def initial_carry(params: Mamba2Params, batch_shape: tuple[int, ...]) -> Mamba2Carry:
        return Mamba2Carry(
            zeros((*batch_shape, *shape), state_size, params.scale),
            zeros((*batch_shape, window - 1), channels, params.scale),
        )

    def project(params: Mamba2Params, x: Array, key: PRNGKey | None = None) -> Parts:
        del key
        u = dot(x, params.w_ih, compute_dtype)
        z, xbc, a = jnp.split(u, [hidden_size, hidden_size + channels], axis=-1)
        return z, xbc, a

    def lead(params: Mamba2Params, owed: Array, u_t: Parts) -> tuple[Array, Parts]:
        z, xbc, a = u_t
        xbc, owed = convolved(params.taps * xbc[..., None, :], owed)
        return owed, (z, xbc, a)

    def parted(params: Mamba2Params, xbc: Array) -> tuple[Array, Array, Array]:
        """x of each head, and B and C of all."""
        x, write, read = jnp.split(
            jax.nn.silu(xbc + params.b_taps), [hidden_size, hidden_size + state_size], axis=-1
        )
        return x.reshape(*x.shape[:-1], *shape), write[..., None, :], read[..., None, :]

    def entry(params: Mamba2Params, u: Parts) -> Entry:
        _, xbc, a = u
        x, write, read = parted(params, xbc)
        dt = jax.nn.softplus(a + params.b_dt)
        return Entry(read, write, dt[..., None] * x, -jnp.exp(params.log_a) * dt)

    def output(params: Mamba2Params, found: Array, m: Array | None, u: Parts) -> Array:
        del m
        z, xbc, _ = u
        y = found + params.skip[:, None] * parted(params, xbc)[0]
        return over_rms(y.reshape(*z.shape) * jax.nn.silu(z)) * params.scale

    spec = MemorySpec(entry, output, lead)
    return Cell(init, initial_carry, project, spec.step, lambda input_size: hidden_size, spec=spec)


def initial_decay(key: PRNGKey, heads: int) -> tuple[Array, Array]:
    """`b_dt` and `log_a` of Mamba: steps log-uniform in 0.001 .. 0.1, -A uniform in 1 .. 16."""
    key_dt, key_a = jax.random.split(key)
    log_dt = jax.random.uniform(key_dt, (heads,), minval=math.log(1e-3), maxval=math.log(0.1))
    inverse_softplus = jnp.log(jnp.expm1(jnp.exp(log_dt)))
    return inverse_softplus, jnp.log(jax.random.uniform(key_a, (heads,), minval=1, maxval=16))


def initial_taps(key: PRNGKey, window: int, channels: int) -> Array:
    """`[W, C]`, uniform within 1 / sqrt(W) of zero."""
    bound = window**-0.5
    return jax.random.uniform(key, (window, channels), minval=-bound, maxval=bound)


def over_rms(x: Array) -> Array:
    """The array over the root of its mean square along the last axis."""
    numbers = wide(x)
    square = (numbers * numbers).mean(axis=-1, keepdims=True)
    return (numbers * jax.lax.rsqrt(square + 1e-5)).astype(x.dtype)
