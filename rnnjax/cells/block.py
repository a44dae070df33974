"""Residual blocks, of which the deep stacks of today are made."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_size, dot
from rnnjax.cells.combinators import residual, stack
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.mamba2 import over_rms
from rnnjax.cells.origin import cell_factory
from rnnjax.cells.pointwise import pointwise
from rnnjax.cells.rnn import Activation
from rnnjax.typing import Array, DType, PRNGKey


class GatedMLPParams(NamedTuple):
    """`w_in [D, 2 E D]`, packed gate, value, and `w_out [E D, D]`."""

    w_in: Array
    w_out: Array


@cell_factory
def residual_block(
    cell: Cell,
    *,
    expansion: int = 3,
    activation: Activation = jax.nn.gelu,
    compute_dtype: DType | None = None,
) -> Cell:
    """A recurrent layer and a gated MLP, each normalised before and added to what it reads.

    ::

        z_t = x_t + cell(rms_norm(x_t))
        y_t = z_t + gated_mlp(rms_norm(z_t))

    Args:
        cell: a cell whose output is as wide as its input, such as `rg_lru(D)`, or
            `stack([mamba2(2 * D), dense(D)])` for inputs of size D.
        expansion, activation, compute_dtype: of the `gated_mlp`.

    Raises:
        UserError: at `init`, where the output of the cell is not as wide as its input.

    References:
        De et al. 2024, "Griffin" (arXiv:2402.19427), section 2.1; Beck et al. 2024, "xLSTM"
        (arXiv:2405.04517), section 2.4.
    """
    mlp = gated_mlp(expansion, activation=activation, compute_dtype=compute_dtype)
    return stack([residual(stack([rms_norm(), cell])), residual(stack([rms_norm(), mlp]))])


@cell_factory
def rms_norm() -> Cell:
    """`y_t = scale * x_t / sqrt(mean of x_t^2)`: a cell without a carry; `scale [D]` starts at 1.

    References:
        Zhang & Sennrich 2019, "Root mean square layer normalization".
    """

    def apply(scale: Array, x: Array, key: PRNGKey | None = None) -> Array:
        del key
        return over_rms(x.astype(scale.dtype)) * scale

    return pointwise(lambda key, size: jnp.ones(size), apply, lambda size: size, apply)


@cell_factory
def gated_mlp(
    expansion: int = 3,
    *,
    activation: Activation = jax.nn.gelu,
    init: str | Initializer = "glorot_uniform",
    compute_dtype: DType | None = None,
) -> Cell:
    """`y_t = (activation(x_t w_gate) * (x_t w_value)) w_out`, as a cell without a carry.

    Args:
        expansion: E; the hidden layer has E times the size of the input.
        activation: of the gate; `jax.nn.gelu` makes GEGLU, `jax.nn.silu` SwiGLU.
        init, compute_dtype: of each matrix; see `rnn`.

    References:
        Shazeer 2020, "GLU variants improve transformer" (arXiv:2002.05202).
    """
    expansion = check_size("expansion", expansion)
    check_compute_dtype(compute_dtype)

    def make(key: PRNGKey, input_size: int) -> GatedMLPParams:
        key_in, key_out = jax.random.split(key)
        inner = expansion * input_size
        return GatedMLPParams(
            gate_matrices(key_in, init, input_size, inner, 2),
            gate_matrices(key_out, init, inner, input_size, 1),
        )

    def apply(params: GatedMLPParams, x: Array, key: PRNGKey | None = None) -> Array:
        del key
        gate, value = jnp.split(dot(x, params.w_in, compute_dtype), 2, axis=-1)
        return dot(activation(gate) * value, params.w_out, compute_dtype)

    return pointwise(make, apply, lambda size: size, apply)
