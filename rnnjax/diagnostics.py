"""Diagnostics of recurrent networks: activations, gates, gradients and Jacobians through time."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jax.typing import ArrayLike

from rnnjax.cells.cell import Cell, dot
from rnnjax.cells.gru import GRUParams
from rnnjax.cells.linear import LinearSpec
from rnnjax.cells.lstm import LSTMCarry, LSTMParams, normalise
from rnnjax.cells.structure import carry_that_fits, params_that_fit
from rnnjax.errors import UserError
from rnnjax.typing import Array, Carry, Params


class LayerTrace(NamedTuple):
    """One recurrent layer over a sequence.

    Attributes:
        cell, params: the layer.
        xs: its inputs, `[T, B, D]`.
        before, after: the carry before and after each step, leaves `[T, B, H]`.
        reverse: whether it reads from the last step to the first.
    """

    cell: Cell
    params: Params
    xs: Array
    before: Carry
    after: Carry
    reverse: bool = False

    def in_reading_order(self) -> Self:
        """The layer with the step that it reads first at 0, as one that reads forwards."""
        if not self.reverse:
            return self
        turned = jax.tree.map(lambda leaf: leaf[::-1], (self.xs, self.before, self.after))
        return type(self)(self.cell, self.params, *turned)


class Saturation(NamedTuple):
    """Fraction of the time `[H]` that each unit's gate is closed (`left`) or open (`right`)."""

    left: Array
    right: Array


def trace(
    cell: Cell, params: Params, xs: Array, carry: Carry | None = None
) -> tuple[LayerTrace, ...]:
    """Runs a cell over a sequence and keeps the carry of every step of every recurrent layer.

    Args:
        cell, params, xs: as for `unroll`, combinations of cells included; `xs [T, B, D]`.
        carry: before the first step; the initial carry if None.

    Returns:
        The layers, in the order in which they run.

    Raises:
        UserError: params or carry are those of another cell.
    """
    params = params_that_fit(cell, params, xs.shape[-1])
    initial = cell.initial_carry(params, xs.shape[1:-1])
    carry = initial if carry is None else carry_that_fits(cell, initial, carry)
    layers: list[LayerTrace] = []

    def run(cell, params, carry, initial, xs, key, *, reverse=False):
        if cell.over_time is not None:

            def run_child(*child, reverse=False, outer=reverse):
                return run(*child, reverse=reverse != outer)

            return cell.over_time(run_child, params, carry, initial, xs, key)

        def step(before, u_t):
            after, y_t = cell.step(params, before, u_t)
            return after, (before, after, y_t)

        carry, (before, after, ys) = jax.lax.scan(
            step, carry, cell.project(params, xs), reverse=reverse
        )
        if jax.tree.leaves(carry):
            layers.append(LayerTrace(cell, params, xs, before, after, reverse))
        return carry, ys

    run(cell, params, carry, initial, xs, None)
    return tuple(layers)


def activations(layer: LayerTrace) -> Array:
    """The activation after each step, `[T, B, H]`.

    It is tanh(c_t) of an LSTM, the carry of a cell with a carry of one array, and y_t of others.

    References:
        Karpathy, Johnson & Fei-Fei 2015, "Visualizing and understanding recurrent networks",
        section 4.2.
    """
    if isinstance(layer.after, LSTMCarry):
        return jnp.tanh(layer.after.c)
    if isinstance(layer.after, jax.Array):
        return layer.after
    inputs, step = layer.cell.project(layer.params, layer.xs), layer.cell.step
    assert step is not None  # a layer that was traced has one
    return jax.vmap(functools.partial(step, layer.params))(layer.before, inputs)[1]


def gates(layer: LayerTrace) -> dict[str, Array]:
    """The gates of a layer at every step, recomputed from its carries.

    ::

        LSTM:  i_t, f_t, o_t = sigmoid(x_t w_i + h_tm1 w_h + b)    (+ peepholes, layer norms)
        GRU:   r_t, z_t      = sigmoid(x_t w_i + h_tm1 w_h + b)

    Returns:
        `[T, B, H]` by name, as in the equations of `rnnjax.lstm` and `rnnjax.gru`: i, f, o or
        i, o without a forget gate of its own; r, z or z; a, the size of the factor of the old
        state, of a cell that is linear in it; nothing for another cell.
    """
    params, before = layer.params, layer.before
    compute_dtype = getattr(layer.cell.spec, "compute_dtype", None)
    if isinstance(params, LSTMParams):
        return _lstm_gates(layer, params, compute_dtype)
    if isinstance(params, GRUParams):
        inputs = jax.tree.leaves(layer.cell.project(params, layer.xs))[0]
        a = inputs + dot(before, params.w_hh, compute_dtype)
        *packed, _ = jnp.split(a, a.shape[-1] // before.shape[-1], axis=-1)  # (r,) z, n
        names = "rz" if len(packed) == 2 else "z"
        return {name: jax.nn.sigmoid(a) for name, a in zip(names, packed, strict=True)}
    if isinstance(layer.cell.spec, LinearSpec):
        a, _ = layer.cell.spec.coefficients(params, layer.cell.project(params, layer.xs))
        return {"a": jnp.abs(a)}
    return {}


def _lstm_gates(layer: LayerTrace, params: LSTMParams, compute_dtype: Any) -> dict[str, Array]:
    recurrent = dot(layer.before.h, params.w_hh, compute_dtype)
    if params.norms is not None:
        recurrent = normalise(recurrent) * params.norms.gain_hh
    a = jax.tree.leaves(layer.cell.project(params, layer.xs))[0] + recurrent
    a_i, *a_f, _, a_o = jnp.split(a, a.shape[-1] // layer.before.c.shape[-1], axis=-1)  # i(f)g o
    if params.w_peep is not None:
        p_i, *p_f, p_o = params.w_peep
        a_i = a_i + p_i * layer.before.c
        a_f = [a + p * layer.before.c for a, p in zip(a_f, p_f, strict=True)]
        a_o = a_o + p_o * layer.after.c
    packed = {"i": a_i, **dict(zip("f", a_f, strict=False)), "o": a_o}
    return {name: jax.nn.sigmoid(a) for name, a in packed.items()}


def saturation(gate: Array, *, low: float = 0.1, high: float = 0.9) -> Saturation:
    """How much of the time each unit's gate is closed (below `low`) and open (above `high`).

    The gate is `[..., H]`, numbers between 0 and 1.

    References:
        Karpathy, Johnson & Fei-Fei 2015, section 4.2, figure 3.
    """
    time = tuple(range(gate.ndim - 1))
    return Saturation((gate < low).mean(time), (gate > high).mean(time))


def persistence(values: Array, *, lag: int = 4) -> Array:
    """The autocovariance of each unit: how much it varies, and how long it keeps its value.

    ::

        mean over t of (v_t - v̄) (v_{t-lag} - v̄)

    It is 0 for a constant unit and for noise, and near the variance for one that switches rarely,
    such as a unit that follows quotations or the length of a line.

    The values are `[T, ..., H]`, and lag is in steps, below T; the result is `[..., H]`.
    """
    centred = values - values.mean(axis=0)
    return (centred[lag:] * centred[: len(values) - lag]).mean(axis=0)


def gradient_norms(
    step: Callable[[Carry, Any], tuple[Carry, Array]],
    carry: Carry,
    inputs: Any,
    *,
    max_distance: int,
    num_positions: int = 64,
) -> Array:
    """The norm of the gradient of each step's loss with respect to earlier carries.

    ::

        g_t,0 = d loss_t / d carry_t,    g_t,k = (d carry_{t-k+1} / d carry_{t-k})^T g_t,k-1
        norm_t,k = || d loss_t / d carry_{t-k} || = || g_t,k ||

    where carry_t is the carry before step t.

    Args:
        step: `(carry, x_t) -> (carry, loss_t)`, the loss a scalar.
        carry, inputs: before the first step, and of all steps, leaves `[T, ...]`.
        max_distance: K, in steps, below T.
        num_positions: at most so many steps t are used, evenly spread over K .. T-1.

    Returns:
        Euclidean norms over the whole carry, `[number of positions, K + 1]`.

    References:
        Bengio, Simard & Frasconi 1994, "Learning long-term dependencies with gradient descent is
        difficult"; Pascanu, Mikolov & Bengio 2013, section 2.
    """
    num_steps = len(jax.tree.leaves(inputs)[0])
    stride = max(1, -(-(num_steps - max_distance) // num_positions))
    positions = jnp.arange(max_distance, num_steps, stride)

    _, carries = jax.lax.scan(lambda carry, x_t: (step(carry, x_t)[0], carry), carry, inputs)
    norms = jax.vmap(optax.tree.norm)

    def at(places):
        return jax.tree.map(lambda leaf: leaf[places], (carries, inputs))

    def pull_back(carry, x_t, gradient):
        _, pull = jax.vjp(lambda c: step(c, x_t)[0], carry)
        return pull(gradient)[0]

    def one_step_back(gradient, distance):
        carries_back, inputs_back = at(positions - distance)
        gradient = jax.vmap(pull_back)(carries_back, inputs_back, gradient)
        return gradient, norms(gradient)

    gradient = jax.vmap(jax.grad(lambda c, x_t: step(c, x_t)[1]))(*at(positions))
    _, earlier = jax.lax.scan(one_step_back, gradient, jnp.arange(1, max_distance + 1))
    return jnp.concatenate([norms(gradient)[None], earlier]).T


def scaled_recurrence(params: Params, scale: float) -> Params:
    """The parameters of a layer with recurrent matrices of another largest singular value, `scale`.

    ::

        w <- scale * w / sigma_1(w)        for the square block w of each gate in `w_hh`

    Raises:
        UserError: the parameters have no matrix `w_hh` of square blocks.
    """
    w_hh = getattr(params, "w_hh", None)
    has_w_hr = getattr(params, "w_hr", None) is not None  # its blocks are [P, H]
    if w_hh is None or w_hh.ndim != 2 or has_w_hr:
        raise UserError(
            "only a layer whose params have a w_hh of square blocks [H, H] can be scaled; got "
            f"{type(params).__name__}{' with a projection' * has_w_hr}"
        )
    blocks = jnp.split(w_hh, w_hh.shape[1] // w_hh.shape[0], axis=1)
    scaled = [scale * block / jnp.linalg.norm(block, ord=2) for block in blocks]
    return params._replace(w_hh=jnp.concatenate(scaled, axis=1))


def step_jacobians(layer: LayerTrace, row: int = 0) -> Array:
    """The Jacobians of the steps of one row, `[T, N, N]`, N numbers in a carry. ::

        J_t[i, j] = d carry_{t+1}[i] / d carry_t[j]

    The layer is one in reading order.
    """
    step = layer.cell.step
    assert step is not None  # a layer that was traced has one
    inputs = layer.cell.project(layer.params, layer.xs)
    before, inputs = jax.tree.map(lambda leaf: leaf[:, row], (layer.before, inputs))

    def jacobian(carry, u_t):
        flat, unflatten = ravel_pytree(carry)
        return jax.jacobian(lambda c: ravel_pytree(step(layer.params, unflatten(c), u_t)[0])[0])(
            flat
        )

    return jax.vmap(jacobian)(before, inputs)


def product_singular_values(jacobians: ArrayLike, distances: Sequence[int]) -> np.ndarray:
    """The singular values of how the last carry depends on the one k steps before.

    ::

        d carry_T / d carry_{T-k} = J_{T-1} J_{T-2} ... J_{T-k}

    Multiplied in float64, because the singular values of a product spread over many orders.

    Args:
        jacobians: `[T, N, N]`, from `step_jacobians`.
        distances: k, each from 1 to T, ascending.

    Returns:
        Descending, `[number of distances, N]`.

    References:
        Pascanu, Mikolov & Bengio 2013, "On the difficulty of training recurrent neural networks",
        section 2: the gradient vanishes if all singular values of the steps stay below 1; it can
        only explode if some are above 1.
    """
    steps = np.asarray(jacobians, np.float64)
    product, found = np.eye(steps.shape[-1]), {}
    for k in range(1, max(distances) + 1):
        product = product @ steps[-k]
        if k in distances:
            found[k] = np.linalg.svd(product, compute_uv=False)
    return np.stack([found[k] for k in distances])


def memory_lengths(layer: LayerTrace) -> Array | None:
    """How many steps each unit remembers, `[H]`. ::

        1 / (1 - f),    f the mean over time and rows of the gate that keeps the old state

    That gate is f of an LSTM, z of a GRU and the factor a of a linear cell. A state that is only
    multiplied by f falls to 1/e in about so many steps. Infinite if f is 1; None for a cell without
    gates.
    """
    found, step = gates(layer), layer.cell.step
    if isinstance(layer.params, LSTMParams) and "f" not in found and step is not None:

        def c_of(c):
            inputs = layer.cell.project(layer.params, layer.xs)
            return step(layer.params, LSTMCarry(c, layer.before.h), inputs)[0].c

        found["f"] = jax.jvp(c_of, (layer.before.c,), (jnp.ones_like(layer.before.c),))[1]
    kept = found.get("f", found.get("z", found.get("a")))
    return None if kept is None else 1 / (1 - kept.mean(axis=tuple(range(kept.ndim - 1))))
