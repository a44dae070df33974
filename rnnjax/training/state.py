"""The state of a training run."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnnjax.training.optimizers.averaging import NEVER, Average

PyTree = Any


class TrainState(NamedTuple):
    """The state of a run, but for the position in the data.

    Attributes:
        opt_state: the optimizer's state.
        carry: what the model hands from one window to the next; any pytree, or None.
        rng: raw key data (uint32); the key of step n is ``fold_in(rng, n)``.
        step: updates made, int32 scalar.
        ema: averaged parameters, or None.
        average_start: updates before a triggered average began, int32 scalar, `NEVER` before the
            trigger; None: the average has no trigger.
    """

    params: PyTree
    opt_state: PyTree
    carry: PyTree
    rng: jax.Array
    step: jax.Array
    ema: PyTree
    average_start: jax.Array | None = None


def create_state(
    params: PyTree,
    optimizer: optax.GradientTransformation,
    *,
    carry: PyTree = None,
    seed: int = 0,
    average: Average | None = None,
) -> TrainState:
    """Makes the state before the first step.

    Every array is copied: the training step donates its state, so no buffer may be shared with
    the caller or between two leaves.

    Args:
        optimizer: see `make_optimizer`.
        carry: the initial one of all batch rows.
        seed: of all randomness inside the training step.
        average: see `make_average`; None: no averaged parameters.
    """

    @jax.jit  # one program, where a program for each shape would take seconds to compile
    def make(params, carry):
        state = TrainState(
            params=params,
            opt_state=optimizer.init(params),
            carry=carry,
            rng=jax.random.key_data(jax.random.key(seed)),
            step=jnp.zeros((), jnp.int32),
            ema=params if average else None,
            average_start=jnp.full((), NEVER, jnp.int32) if average and average.triggered else None,
        )
        return jax.tree.map(lambda x: jnp.array(x, x.dtype), state)

    return make(params, carry)


def evaluation_params(state: TrainState) -> PyTree:
    """The parameters to evaluate and sample with: the averaged ones where there are any."""
    return state.params if state.ema is None else state.ema


def num_parameters(params: PyTree) -> int:
    """How many numbers the arrays of a pytree hold."""
    return sum(array.size for array in jax.tree.leaves(params))


@jax.jit
def is_finite(state: TrainState) -> jax.Array:
    """Whether a state is worth saving: parameters finite, no nan anywhere."""
    weights, others = (state.params, state.ema), state._replace(params=None, ema=None)
    sound = [jnp.isfinite(x).all() for x in jax.tree.leaves(weights)]
    sound += [~jnp.isnan(x).any() for x in jax.tree.leaves(others)]
    return jnp.array(sound).all()
