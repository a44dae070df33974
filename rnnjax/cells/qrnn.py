"""The quasi-recurrent network: gates from a convolution over time, and a running mean."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_size, dot, zeros
from rnnjax.cells.convolution import convolved
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.origin import cell_factory
from rnnjax.typing import Array, DType, PRNGKey


class QRNNParams(NamedTuple):
    """`w_ih [D, W * 3H]`, for each of W steps (this one first) packed n, f, o; `b [3H]`."""

    w_ih: Array
    b: Array


class QRNNCarry(NamedTuple):
    """`c [B, H]`, and `owed [B, W - 1, 3H]`, what earlier inputs add to later gates."""

    c: Array
    owed: Array


@cell_factory
def qrnn(
    hidden_size: int,
    *,
    window: int = 2,
    forget_bias: float = 0.0,
    input_init: str | Initializer = "glorot_uniform",
    compute_dtype: DType | None = None,
) -> Cell:
    """The quasi-recurrent network (QRNN) with fo-pooling; the carry is `QRNNCarry`.

    ::

        a_t = sum over j = 0 .. W - 1 of x_{t-j} w_j, + b        of n, f, o
        c_t = sigmoid(a_f) c_tm1 + (1 - sigmoid(a_f)) tanh(a_n)
        y_t = sigmoid(a_o) c_t

    Inputs before the first step of a document are zero.

    Args:
        hidden_size, input_init, compute_dtype: see `rnn`.
        window: W, the steps that a gate sees.
        forget_bias: initial b_f.

    References:
        Bradbury, Merity, Xiong & Socher 2017, "Quasi-recurrent neural networks"
        (arXiv:1611.01576), section 2.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    window = check_size("window", window)
    check_compute_dtype(compute_dtype)

    def init(key: PRNGKey, input_size: int) -> QRNNParams:
        return QRNNParams(
            w_ih=gate_matrices(key, input_init, input_size, hidden_size, 3 * window),
            b=jnp.zeros((3, hidden_size)).at[1].set(forget_bias).reshape(-1),
        )

    def initial_carry(params: QRNNParams, batch_shape: tuple[int, ...]) -> QRNNCarry:
        owed = zeros((*batch_shape, window - 1), 3 * hidden_size, params.b)
        return QRNNCarry(zeros(batch_shape, hidden_size, params.b), owed)

    def project(params: QRNNParams, x: Array, key: PRNGKey | None = None) -> Array:
        del key
        parts = dot(x, params.w_ih, compute_dtype)
        return parts.at[..., : 3 * hidden_size].add(params.b.astype(parts.dtype))

    def step(params: QRNNParams, carry: QRNNCarry, u_t: Array) -> tuple[QRNNCarry, Array]:
        del params
        parts = u_t.reshape(*u_t.shape[:-1], window, 3 * hidden_size)
        gates, owed = convolved(parts, carry.owed)
        a_n, a_f, a_o = jnp.split(gates, 3, axis=-1)
        f_t = jax.nn.sigmoid(a_f)
        c_t = f_t * carry.c + (1 - f_t) * jnp.tanh(a_n)
        return QRNNCarry(c_t, owed), jax.nn.sigmoid(a_o) * c_t

    return Cell(init, initial_carry, project, step, lambda input_size: hidden_size)
