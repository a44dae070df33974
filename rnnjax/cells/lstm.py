"""Long short-term memory, from the 1997 cell to LSTMP and layer normalisation."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_size, dot, wide, zeros
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.origin import cell_factory
from rnnjax.errors import UserError
from rnnjax.typing import Array, DType, PRNGKey


class LSTMCarry(NamedTuple):
    """Cell state `c [B, H]` and hidden state `h [B, H]` (`[B, P]` with a projection)."""

    c: Array
    h: Array


class Norms(NamedTuple):
    """Gains and biases of the three layer normalisations."""

    gain_ih: Array
    gain_hh: Array
    gain_c: Array
    bias_c: Array


class LSTMParams(NamedTuple):
    """`w_ih [D, 4H]`, `w_hh [H, 4H]`, `b [4H]`, packed i, f, g, o.

    Without a forget gate of its own the packing is i, g, o. The parts that a variant does not
    have are None: `w_peep [3, H]` (or `[2, H]`), packed i, f, o; `w_hr [H, P]`; `norms`.
    """

    w_ih: Array
    w_hh: Array
    b: Array
    w_peep: Array | None = None
    w_hr: Array | None = None
    norms: Norms | None = None


class LSTMSpec(NamedTuple):
    """The options of a standard LSTM (gates i, f, g, o and no extras) for the fused engine."""

    compute_dtype: DType | None


@cell_factory
def lstm(
    hidden_size: int,
    *,
    forget_gate: bool = True,
    forget_bias: float = 1.0,
    coupled: bool = False,
    peepholes: bool = False,
    projection_size: int | None = None,
    layer_norm: bool = False,
    stochastic_gates: bool = False,
    input_init: str | Initializer = "glorot_uniform",
    recurrent_init: str | Initializer = "orthogonal",
    compute_dtype: DType | None = None,
) -> Cell:
    """Long short-term memory; the carry is `LSTMCarry(c, h)`.

    ::

        i_t = sigmoid(x_t w_ii + h_tm1 w_hi + b_i)
        f_t = sigmoid(x_t w_if + h_tm1 w_hf + b_f)
        g_t = tanh   (x_t w_ig + h_tm1 w_hg + b_g)
        o_t = sigmoid(x_t w_io + h_tm1 w_ho + b_o)
        c_t = f_t * c_tm1 + i_t * g_t
        h_t = o_t * tanh(c_t)
        y_t = h_t

    Args:
        hidden_size: H, the size of c.
        forget_gate: False gives the cell of 1997: f_t = 1.
        forget_bias: initial value of b_f, part of the initialisation.
        coupled: f_t = 1 - i_t.
        peepholes: i_t and f_t also read `p * c_tm1`, and o_t reads `p * c_t`.
        projection_size: P; h_t = (o_t * tanh(c_t)) w_hr, and the output has size P.
        layer_norm: the pre-activations are `LN(x_t w_ih) + LN(h_tm1 w_hh) + b`, and h_t reads
            `LN(c_t)`.
        stochastic_gates: with a key, i, f and o are Bernoulli samples of their sigmoids, and the
            gradient passes straight through; without a key they are the sigmoids.
        input_init, recurrent_init, compute_dtype: see `rnn`.

    Raises:
        UserError: `coupled` without a forget gate, or a size below 1.

    References:
        Hochreiter & Schmidhuber 1997. Forget gate: Gers et al. 2000; its bias of 1: Jozefowicz et
        al. 2015. Peepholes: Gers & Schmidhuber 2000. Coupled gates: Greff et al. 2017. LSTMP:
        Sak et al. 2014. Layer normalisation: Ba et al. 2016, supplement, equations 20-22.
        Straight-through: Bengio et al. 2013, section 4.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    check_compute_dtype(compute_dtype)
    if projection_size is not None:
        projection_size = check_size("projection_size", projection_size)
    if coupled and not forget_gate:
        raise UserError("coupled=True sets f = 1 - i, but forget_gate=False removes f; choose one")
    own_forget_gate = forget_gate and not coupled
    num_gates = 4 if own_forget_gate else 3
    output_size = projection_size or hidden_size

    def init(key: PRNGKey, input_size: int) -> LSTMParams:
        key_ih, key_hh, key_hr = jax.random.split(key, 3)
        b = jnp.zeros((num_gates, hidden_size))
        if own_forget_gate:
            b = b.at[1].set(forget_bias)
        num_peepholes = 3 if own_forget_gate else 2
        gain = jnp.ones(num_gates * hidden_size)
        norms = Norms(gain, gain, jnp.ones(hidden_size), jnp.zeros(hidden_size))
        return LSTMParams(
            w_ih=gate_matrices(key_ih, input_init, input_size, hidden_size, num_gates),
            w_hh=gate_matrices(key_hh, recurrent_init, output_size, hidden_size, num_gates),
            b=b.reshape(-1),
            w_peep=jnp.zeros((num_peepholes, hidden_size)) if peepholes else None,
            w_hr=gate_matrices(key_hr, input_init, hidden_size, projection_size, 1)
            if projection_size
            else None,
            norms=norms if layer_norm else None,
        )

    def initial_carry(params: LSTMParams, batch_shape: tuple[int, ...]) -> LSTMCarry:
        return LSTMCarry(
            c=zeros(batch_shape, hidden_size, params.w_hh),
            h=zeros(batch_shape, output_size, params.w_hh),
        )

    def project(params: LSTMParams, x: Array, key: PRNGKey | None = None):
        u = dot(x, params.w_ih, compute_dtype)
        if params.norms is not None:
            u = normalise(u) * params.norms.gain_ih
        u = u + params.b
        if not stochastic_gates:
            return u
        noise_shape = (*u.shape[:-1], 3, hidden_size)
        return u, None if key is None else jax.random.uniform(key, noise_shape, u.dtype)

    def step(params: LSTMParams, carry: LSTMCarry, u_t) -> tuple[LSTMCarry, Array]:
        u_t, noise = u_t if stochastic_gates else (u_t, None)
        recurrent = dot(carry.h, params.w_hh, compute_dtype)
        if params.norms is not None:
            recurrent = normalise(recurrent) * params.norms.gain_hh
        a_i, *a_f, a_g, a_o = jnp.split(u_t + recurrent, num_gates, axis=-1)  # i, (f,) g, o
        peep_i, *peep_f, peep_o = (0.0, 0.0, 0.0) if params.w_peep is None else params.w_peep

        i_t = _gate(a_i + peep_i * carry.c, noise, 0)
        if own_forget_gate:
            f_t = _gate(a_f[0] + peep_f[0] * carry.c, noise, 1)
        else:
            f_t = 1 - i_t if coupled else jnp.ones_like(i_t)
        c_t = f_t * carry.c + i_t * jnp.tanh(a_g)
        o_t = _gate(a_o + peep_o * c_t, noise, 2)
        seen_c = c_t
        if params.norms is not None:
            seen_c = normalise(c_t) * params.norms.gain_c + params.norms.bias_c
        h_t = o_t * jnp.tanh(seen_c)
        if params.w_hr is not None:
            h_t = dot(h_t, params.w_hr, compute_dtype)
        return LSTMCarry(c_t, h_t), h_t

    standard = own_forget_gate and not (
        peepholes or projection_size or layer_norm or stochastic_gates
    )
    return Cell(
        init=init,
        initial_carry=initial_carry,
        project=project,
        step=step,
        output_size=lambda input_size: output_size,
        spec=LSTMSpec(compute_dtype) if standard else None,
    )


def _gate(a: Array, noise: Array | None, row: int) -> Array:
    probability = jax.nn.sigmoid(a)
    if noise is None:
        return probability
    sample = (noise[..., row, :] < probability).astype(a.dtype)
    return probability + jax.lax.stop_gradient(sample - probability)


def normalise(a: Array, epsilon: float = 1e-6) -> Array:
    """The vectors along the last axis, of mean 0 and variance 1."""
    centred = wide(a) - wide(a).mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return (centred * jax.lax.rsqrt(variance + epsilon)).astype(a.dtype)
