"""The Elman cell with tanh or ReLU and a hand-written backward pass."""

import jax
import jax.numpy as jnp

from rnnjax.cells.rnn import Activation, RNNSpec
from rnnjax.engines import fused
from rnnjax.engines.fused_plan import Family, Rows, State
from rnnjax.typing import Array


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


def _family_of(spec: RNNSpec) -> Family | str:
    found = (family for known, family in _FAMILIES if known is spec.activation)
    return next(found, "it has the derivatives of jnp.tanh and jax.nn.relu only")


FUSED_RNN = fused.engine("fused_rnn", "the Elman cell", RNNSpec, _family_of)
