"""The Elman cell with tanh or ReLU and a hand-written backward pass."""

import jax
import jax.numpy as jnp

from rnnjax.cells.rnn import Activation, RNNSpec
from rnnjax.engines import fused
from rnnjax.engines.fused_plan import Family, Rows, State, Weights
from rnnjax.engines.problem import Engine, Problem
from rnnjax.typing import Array, Carry


def _family(activation: Activation, slope) -> Family:
    """A family whose derivative follows from its output: `slope(h_t)`."""

    def forward(a: Rows, a_last: Array | None, state: State):
        h_t = activation(a[0])
        return (h_t,), ()

    def prepare(kept: Rows, h_t: Array, dstate: State):
        return dstate[0] * slope(h_t)

    def backward(da):
        return (da,), (jnp.zeros_like(da),)

    return Family(forward, prepare, backward)


_FAMILIES = (
    (jnp.tanh, _family(jnp.tanh, lambda h_t: 1 - h_t**2)),
    (jax.nn.relu, _family(jax.nn.relu, lambda h_t: (h_t > 0).astype(h_t.dtype))),
)


def _family_of(spec: RNNSpec) -> Family | None:
    return next((family for known, family in _FAMILIES if known is spec.activation), None)


def _serves(problem: Problem) -> str | None:
    spec = problem.cell.spec
    if not isinstance(spec, RNNSpec):
        return "it is for the Elman cell"
    if _family_of(spec) is None:
        return "it has the derivatives of jnp.tanh and jax.nn.relu only"
    return fused.refusal(problem)


def run(problem: Problem, *, persistent: bool = False) -> tuple[Carry, Array]:
    """Runs the recurrence; with `persistent`, in kernels that keep the weights on the chip."""
    params = problem.params
    family = _family_of(problem.cell.spec)
    assert family is not None
    weights = Weights(params.w_ih, params.w_hh, params.b, None)
    return fused.run(problem, family, weights, persistent=persistent)


FUSED_RNN = Engine(name="fused_rnn", serves=_serves, run=run)
