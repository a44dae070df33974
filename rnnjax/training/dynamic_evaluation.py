"""Dynamic evaluation: a model that goes on learning from the text that it is tested on."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from rnnjax.training.step import LossFn, Metrics, make_eval_step

PyTree = Any


class DynamicState(NamedTuple):
    """What goes from batch to batch: the adapted parameters, the optimizer's state, the carry."""

    params: PyTree
    opt_state: PyTree
    carry: PyTree


def make_dynamic_eval_step(
    loss_fn: LossFn, optimizer: optax.GradientTransformation
) -> tuple[
    Callable[[PyTree, PyTree], DynamicState],
    Callable[[PyTree, DynamicState, PyTree], tuple[DynamicState, Metrics]],
]:
    """Makes an evaluation step that scores a batch, and then learns from it.

    ::

        score batch n with theta_n;   theta_{n+1} = theta_n + optimizer(d loss_n / d theta_n)

    No batch is scored by parameters that have seen it. All rows of a batch share the parameters:
    with one row, each window is scored by a model that has read all the text before it.

    Args:
        loss_fn: the task; it is called with key None.
        optimizer: its gradient is that of the batch's mean loss; `optax.sgd(learning_rate)`.

    Returns:
        `init(params, carry) -> DynamicState`, and a step for `rnnjax.training.evaluate`,
        `(params, DynamicState, batch) -> (DynamicState, sums)`, which does not use `params`.

    References:
        Mikolov et al. 2010, "Recurrent neural network based language model"; Krause et al. 2018,
        "Dynamic evaluation of neural sequence models", section 3.
    """
    static = make_eval_step(loss_fn)

    def init(params: PyTree, carry: PyTree) -> DynamicState:
        return DynamicState(params, optimizer.init(params), carry)

    @jax.jit
    def step(_: PyTree, state: DynamicState, batch: PyTree) -> tuple[DynamicState, Metrics]:
        def objective(params):
            carry, sums = static(params, state.carry, batch)
            total, count = sums["loss"]
            return total / jnp.maximum(count, 1), (carry, sums)

        gradient, (carry, sums) = jax.grad(objective, has_aux=True)(state.params)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        return DynamicState(optax.apply_updates(state.params, updates), opt_state, carry), sums

    return init, step
