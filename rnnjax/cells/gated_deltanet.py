"""The gated DeltaNet: a memory of keys and values that forgets, and corrects what it holds."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_heads, check_size, dot, wide, zeros
from rnnjax.cells.convolution import convolved
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.mamba2 import Parts, initial_decay, initial_taps, over_rms
from rnnjax.cells.memory import Entry, MemorySpec
from rnnjax.cells.origin import cell_factory
from rnnjax.typing import Array, DType, PRNGKey


class GatedDeltaNetParams(NamedTuple):
    """Of M heads, P = H / M, a window of W.

    Attributes:
        w_ih: `[D, 4H + 2M]`, packed q, k, v, z, then a and beta of the heads.
        taps: `[W, 3H]`, of the convolution of q, k and v, this step first.
        b_dt: `[M]`.
        log_a: `[M]`.
        scale: `[P]`, of the normalisation.
    """

    w_ih: Array
    taps: Array
    b_dt: Array
    log_a: Array
    scale: Array


class GatedDeltaNetCarry(NamedTuple):
    """`c [B, M, P, P]` (values times keys), and `owed [B, W - 1, 3H]`."""

    c: Array
    owed: Array


@cell_factory
def gated_deltanet(
    hidden_size: int,
    *,
    num_heads: int | None = None,
    window: int = 4,
    input_init: str | Initializer = "glorot_uniform",
    compute_dtype: DType | None = None,
) -> Cell:
    """The gated DeltaNet; the carry is `GatedDeltaNetCarry`.

    ::

        (q, k, v), z_t, a_t, b_t = x_t w_ih
        q_t, k_t, v_t = silu(convolution over W steps of (q, k, v)), of each head
        q_t = q_t / |q_t| / sqrt(P),   k_t = k_t / |k_t|
        alpha_t = exp(-exp(log_a) softplus(a_t + b_dt)),  beta_t = sigmoid(b_t)    a number a head
        c_t = alpha_t c_tm1 (I - beta_t k_t k_t^T) + beta_t v_t k_t^T
        y_t = over_rms(c_t q_t) scale silu(z_t)

    The linear layer that closes the block is a `dense` layer of your own.

    Args:
        hidden_size, input_init, compute_dtype: see `rnn`.
        num_heads: M, which divides H; None: the most of 4, 2 and 1 that do.
        window: W, the steps that the convolution sees.

    Raises:
        UserError: a size is no positive integer, or `num_heads` does not divide `hidden_size`.

    References:
        Yang, Kautz & Hatamizadeh 2024, "Gated delta networks: improving Mamba2 with delta rule"
        (arXiv:2412.06464), equation 10 and section 3.4.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    window, heads = check_size("window", window), check_heads(hidden_size, num_heads)
    check_compute_dtype(compute_dtype)
    size = hidden_size // heads

    def init(key: PRNGKey, input_size: int) -> GatedDeltaNetParams:
        key_wide, key_gates, key_taps, key_decay = jax.random.split(key, 4)
        wide = gate_matrices(key_wide, input_init, input_size, hidden_size, 4)
        gates = gate_matrices(key_gates, input_init, input_size, heads, 2)
        return GatedDeltaNetParams(
            jnp.concatenate([wide, gates], axis=1),
            initial_taps(key_taps, window, 3 * hidden_size),
            *initial_decay(key_decay, heads),
            jnp.ones(size),
        )

    def initial_carry(
        params: GatedDeltaNetParams, batch_shape: tuple[int, ...]
    ) -> GatedDeltaNetCarry:
        return GatedDeltaNetCarry(
            zeros((*batch_shape, heads, size), size, params.scale),
            zeros((*batch_shape, window - 1), 3 * hidden_size, params.scale),
        )

    def project(params: GatedDeltaNetParams, x: Array, key: PRNGKey | None = None) -> Parts:
        del key
        u = dot(x, params.w_ih, compute_dtype)
        qkv, z, gates = jnp.split(u, [3 * hidden_size, 4 * hidden_size], axis=-1)
        return qkv, z, gates

    def lead(params: GatedDeltaNetParams, owed: Array, u_t: Parts) -> tuple[Array, Parts]:
        qkv, z, gates = u_t
        qkv, owed = convolved(params.taps * qkv[..., None, :], owed)
        return owed, (qkv, z, gates)

    def entry(params: GatedDeltaNetParams, u: Parts) -> Entry:
        qkv, _, gates = u
        q, k, v = jnp.split(jax.nn.silu(qkv).reshape(*qkv.shape[:-1], 3 * heads, size), 3, axis=-2)
        a, b = jnp.split(gates, 2, axis=-1)
        beta = jax.nn.sigmoid(b)
        log_alpha = -jnp.exp(params.log_a) * jax.nn.softplus(a + params.b_dt)
        q, v = _unit(q) * size**-0.5, beta[..., None] * v
        return Entry(q, _unit(k), v, log_alpha, erased=beta)

    def output(params: GatedDeltaNetParams, found: Array, m: Array | None, u: Parts) -> Array:
        del m
        _, z, _ = u
        return (over_rms(found) * params.scale).reshape(*z.shape) * jax.nn.silu(z)

    spec = MemorySpec(entry, output, lead)
    return Cell(init, initial_carry, project, spec.step, lambda input_size: hidden_size, spec=spec)


def _unit(x: Array) -> Array:
    """The vectors along the last axis, of length one."""
    numbers = wide(x)
    square = (numbers * numbers).sum(axis=-1, keepdims=True)
    return (numbers * jax.lax.rsqrt(square + 1e-6)).astype(x.dtype)
