"""The layer of S5: a diagonal state space with a step size for each state unit."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_size, wide
from rnnjax.cells.diagonal import diagonal_cell, linear_maps
from rnnjax.cells.origin import cell_factory
from rnnjax.errors import UserError
from rnnjax.typing import Array, DType, PRNGKey


class S5Params(NamedTuple):
    """Of N complex state units, H outputs; `w_b`, `w_c` and `w_d` are those of `lru`.

    Attributes:
        log_decay: `[N]`, log of -Re(Lambda).
        frequency: `[N]`, Im(Lambda).
        log_step: `[N]`, log of Delta.
    """

    log_decay: Array
    frequency: Array
    log_step: Array
    w_b: Array
    w_c: Array
    w_d: Array


@cell_factory
def s5(
    hidden_size: int,
    *,
    state_size: int | None = None,
    min_step: float = 0.001,
    max_step: float = 0.1,
    compute_dtype: DType | None = None,
) -> Cell:
    """The linear layer of S5; the carry is h, its real part, then the imaginary one.

    ::

        Lambda = -exp(log_decay) + 1j frequency,   Delta = exp(log_step)
        a = exp(Lambda Delta)
        h_t = a h_tm1 + (a - 1) / Lambda (x_t B)
        y_t = 2 Re(h_t C) + x_t w_d

    The N units stand for 2N that are conjugate in pairs. At first Lambda has the eigenvalues of
    HiPPO's normal matrix, and Delta is log-uniform between two steps. The logarithm of the decay
    (as in S4D; the real part itself in S5) keeps every unit stable. The layer is linear in its
    inputs: the activation belongs between two of them.

    Args:
        hidden_size: H, the outputs.
        state_size: N, complex units; None: H.
        min_step, max_step: the smallest and the largest Delta at first.
        compute_dtype: dtype of the matmul operands; the carry stays in the params' dtype.

    Raises:
        UserError: a size or a step is out of range.

    References:
        Smith, Warrington & Linderman 2023, "Simplified state space layers for sequence modeling"
        (arXiv:2208.04933), section 3 and appendix B, with one block; w_d is diagonal there, as D
        is H.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    units = hidden_size if state_size is None else check_size("state_size", state_size)
    check_compute_dtype(compute_dtype)
    if not 0 < min_step <= max_step:
        raise UserError(f"steps satisfy 0 < min_step <= max_step; got {min_step} and {max_step}")

    def init(key: PRNGKey, input_size: int) -> S5Params:
        input_size = check_size("input_size", input_size)
        keys = jax.random.split(key, 4)
        return S5Params(
            log_decay=jnp.full(units, math.log(0.5)),
            frequency=hippo_frequencies(units),
            log_step=jax.random.uniform(
                keys[0], (units,), minval=math.log(min_step), maxval=math.log(max_step)
            ),
            **linear_maps(keys[1:], input_size, units, hidden_size, counted=2),
        )

    def dynamics(params: S5Params) -> tuple[Array, Array]:
        decay = -jnp.exp(wide(params.log_decay))
        eigenvalues = jax.lax.complex(decay, wide(params.frequency))
        a_minus_1 = jnp.expm1(eigenvalues * jnp.exp(wide(params.log_step)))  # small, as Delta is
        return a_minus_1 + 1, a_minus_1 / eigenvalues

    return diagonal_cell(hidden_size, units, init, dynamics, counted=2, compute_dtype=compute_dtype)


def hippo_frequencies(units: int) -> Array:
    """`[N]`, the positive imaginary parts of the eigenvalues of HiPPO's normal matrix of 2N rows.

    The matrix is -1/2 on its diagonal and ``-sqrt((2i + 1)(2j + 1)) / 2`` below it, and
    antisymmetric otherwise (equation 9 of appendix B.1.1 in S5's paper).
    """
    root = jnp.sqrt(2 * jnp.arange(2 * units) + 1.0)
    below = jnp.tril(root[:, None] * root, -1) / 2
    return jnp.linalg.eigvalsh(1j * (below - below.T))[units:]
