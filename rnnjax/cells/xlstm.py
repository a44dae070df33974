"""The cells of the xLSTM: exponential gates, and a memory of one number or of a matrix a unit."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, affine, check_heads, check_size, dot, zeros
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.memory import Entry, MemorySpec
from rnnjax.cells.origin import cell_factory
from rnnjax.typing import Array, DType, PRNGKey


class SLSTMParams(NamedTuple):
    """`w_ih [D, 4H]`, `w_hh [H, 4H]` and `b [4H]`, packed i, f, g, o."""

    w_ih: Array
    w_hh: Array
    b: Array


class SLSTMCarry(NamedTuple):
    """`c`, `n`, `m` and `h`, each `[B, H]`; c and n are divided by exp(m)."""

    c: Array
    n: Array
    m: Array
    h: Array


class MLSTMParams(NamedTuple):
    """`w_ih [D, 4H + 2N]` and `b [4H + 2N]`, packed q, k, v, o, then i and f of the N heads."""

    w_ih: Array
    b: Array


class MLSTMCarry(NamedTuple):
    """`c [B, N, P + 1, P]` (values times keys, then a row n) and `m [B, N]`, P = H / N.

    c is divided by exp(m).
    """

    c: Array
    m: Array


@cell_factory
def slstm(
    hidden_size: int,
    *,
    forget_bias: float = 1.0,
    input_init: str | Initializer = "glorot_uniform",
    recurrent_init: str | Initializer = "orthogonal",
    compute_dtype: DType | None = None,
) -> Cell:
    """The scalar LSTM (sLSTM): an exponential input gate; the carry is `SLSTMCarry`.

    ::

        a = x_t w_ih + h_tm1 w_hh + b                    of i, f, g, o
        i_t = exp(a_i),  f_t = sigmoid(a_f),  o_t = sigmoid(a_o)
        c_t = f_t c_tm1 + i_t tanh(a_g)
        n_t = f_t n_tm1 + i_t
        y_t = h_t = o_t c_t / n_t

    c and n are kept divided by ``exp(m_t)``, ``m_t = max(log f_t + m_tm1, a_i)``, so that no gate
    overflows. The recurrent matrix is whole: a head for all units.

    Args:
        hidden_size, input_init, recurrent_init, compute_dtype: see `rnn`.
        forget_bias: initial b_f.

    References:
        Beck et al. 2024, "xLSTM: extended long short-term memory" (arXiv:2405.04517), section 2.2,
        equations 8-17.
    """
    hidden_size = check_size("hidden_size", hidden_size)

    def init(key: PRNGKey, input_size: int) -> SLSTMParams:
        key_ih, key_hh = jax.random.split(key)
        return SLSTMParams(
            w_ih=gate_matrices(key_ih, input_init, input_size, hidden_size, 4),
            w_hh=gate_matrices(key_hh, recurrent_init, hidden_size, hidden_size, 4),
            b=jnp.zeros((4, hidden_size)).at[1].set(forget_bias).reshape(-1),
        )

    def initial_carry(params: SLSTMParams, batch_shape: tuple[int, ...]) -> SLSTMCarry:
        none = zeros(batch_shape, hidden_size, params.b)
        return SLSTMCarry(none, none, none + _nothing(params.b), none)

    def step(params: SLSTMParams, carry: SLSTMCarry, u_t: Array) -> tuple[SLSTMCarry, Array]:
        a_i, a_f, a_g, a_o = jnp.split(u_t + dot(carry.h, params.w_hh, compute_dtype), 4, axis=-1)
        kept = jax.nn.log_sigmoid(a_f) + carry.m
        m_t = jnp.maximum(kept, a_i)
        i_t, f_t = jnp.exp(a_i - m_t), jnp.exp(kept - m_t)  # of what is divided by exp(m_t)
        c_t = f_t * carry.c + i_t * jnp.tanh(a_g)
        n_t = f_t * carry.n + i_t
        h_t = jax.nn.sigmoid(a_o) * c_t / n_t
        return SLSTMCarry(c_t, n_t, m_t, h_t), h_t

    return Cell(init, initial_carry, affine(compute_dtype), step, lambda input_size: hidden_size)


@cell_factory
def mlstm(
    hidden_size: int,
    *,
    num_heads: int | None = None,
    forget_bias: float = 1.0,
    input_init: str | Initializer = "glorot_uniform",
    compute_dtype: DType | None = None,
) -> Cell:
    """The matrix LSTM (mLSTM): a memory of keys and values; the carry is `MLSTMCarry`.

    ::

        q_t, v_t = x_t w_q + b_q, x_t w_v + b_v          of each of N heads, P = H / N numbers
        k_t = (x_t w_k + b_k) / sqrt(P)
        i_t = exp(x_t w_i + b_i),  f_t = sigmoid(x_t w_f + b_f)     a number a head
        C_t = f_t C_tm1 + i_t v_t k_t^T
        n_t = f_t n_tm1 + i_t k_t
        y_t = sigmoid(x_t w_o + b_o) * C_t q_t / max(|n_t . q_t|, 1)

    C and n are kept divided by ``exp(m_t)``, ``m_t = max(log f_t + m_tm1, a_i)``, so that no gate
    overflows; then the 1 of the divisor is ``exp(-m_t)``. No gate sees the carry.

    Args:
        hidden_size, input_init, compute_dtype: see `rnn`.
        num_heads: N, which divides H; None: the most of 4, 2 and 1 that do.
        forget_bias: initial b_f.

    Raises:
        UserError: `num_heads` does not divide `hidden_size`.

    References:
        Beck et al. 2024, "xLSTM: extended long short-term memory" (arXiv:2405.04517), section 2.3,
        equations 19-27.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    heads = check_heads(hidden_size, num_heads)
    size = hidden_size // heads

    def init(key: PRNGKey, input_size: int) -> MLSTMParams:
        key_wide, key_gates = jax.random.split(key)
        wide = gate_matrices(key_wide, input_init, input_size, hidden_size, 4)
        gates = gate_matrices(key_gates, input_init, input_size, heads, 2)
        b = jnp.zeros(4 * hidden_size + 2 * heads).at[-heads:].set(forget_bias)
        return MLSTMParams(jnp.concatenate([wide, gates], axis=1), b)

    def initial_carry(params: MLSTMParams, batch_shape: tuple[int, ...]) -> MLSTMCarry:
        c = zeros((*batch_shape, heads, size + 1), size, params.b)
        return MLSTMCarry(c, c[..., 0, 0] + _nothing(params.b))

    def parts(u: Array, first: int, last: int) -> list[Array]:
        """Some of q, k, v and o, of each head."""
        wide = u[..., first * hidden_size : last * hidden_size]
        heads_of_all = wide.reshape(*u.shape[:-1], (last - first) * heads, size)
        return jnp.split(heads_of_all, last - first, axis=-2)

    def entry(params: MLSTMParams, u: Array) -> Entry:
        del params
        q, k, v = parts(u, 0, 3)
        a_i, a_f = jnp.split(u[..., 4 * hidden_size :], 2, axis=-1)
        counted = jnp.concatenate([v, jnp.ones_like(v[..., :1])], axis=-1)
        return Entry(q, k / math.sqrt(size), counted, jax.nn.log_sigmoid(a_f), a_i)

    def output(params: MLSTMParams, found: Array, m: Array | None, u: Array) -> Array:
        del params
        assert m is not None
        # exp(-m) overflows where the input gate has been shut since the beginning; y is 0 there.
        one = jnp.exp(-jnp.maximum(m, jnp.log(jnp.finfo(m.dtype).tiny)))
        divisor = jnp.maximum(jnp.abs(found[..., -1]), one)
        (a_o,) = parts(u, 3, 4)
        y = jax.nn.sigmoid(a_o) * found[..., :-1] / divisor[..., None]
        return y.reshape(*y.shape[:-2], hidden_size)

    spec = MemorySpec(entry, output)
    project = affine(compute_dtype)
    return Cell(init, initial_carry, project, spec.step, lambda input_size: hidden_size, spec=spec)


def _nothing(like: Array) -> float:
    """The logarithm m of a memory that holds nothing: as small as can be added to."""
    return float(jnp.finfo(jnp.result_type(like)).min) / 2
