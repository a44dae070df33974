"""Evaluation over a split, by a model as it is or by one that goes on learning from the split.

Each batch begins with the carry of the one before.
"""

import functools
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rnnjax.training.devices.placement import LOCAL, Placement
from rnnjax.training.step import LossFn, Metrics, make_eval_step

PyTree = Any
T = TypeVar("T")

DynamicState = tuple[PyTree, optax.OptState, PyTree]
"""The state between batches: the adapted parameters, the optimizer's state, the carry."""


def evaluate(
    eval_step: Callable[[PyTree, PyTree, PyTree], tuple[PyTree, dict[str, Any]]],
    params: PyTree,
    carry: PyTree,
    batches: Iterable[PyTree],
    placement: Placement = LOCAL,
) -> dict[str, float]:
    """Runs `eval_step` over all batches and divides the sums by the counts, once, at the end.

    Each batch is summed on the device; the batches are added in float64.

    Args:
        eval_step: see `make_eval_step`.
        carry: at the beginning of the split.
        batches: numpy batches in order.
        placement: where the parameters live, and where carry and batches are put.

    Returns:
        Means by name, 'loss' among them, and 'count', the number of units that the loss counts.
        A mean over nothing is nan.
    """
    totals: dict[str, np.ndarray] = defaultdict(lambda: np.zeros(2))

    def run(carry: PyTree) -> Iterator[Metrics]:
        for batch in batches:
            carry, sums = eval_step(params, carry, placement.put_whole(batch))
            yield sums

    for sums in _one_ahead(run(placement.put_carry(carry))):
        for name, total_and_count in jax.device_get(sums).items():
            totals[name] += np.array(total_and_count, np.float64)
    means = {name: float(sum_ / n) if n else math.nan for name, (sum_, n) in totals.items()}
    return {**means, "count": float(totals["loss"][1])}


def results_of(
    function: Callable[..., Any], model: Any, batches: Iterable[PyTree], *static: Any
) -> Iterator[tuple[PyTree, Any]]:
    """Yields each batch with what `function(model, *static, batch)` makes of it, in numpy arrays.

    It is compiled once for each function, structure of the model, `static` and shapes of a batch.
    The next batch runs while one is fetched.

    Args:
        function: one of a module, as another one would be compiled again in every call.
        model: a flax.nnx module that has parameters alone.
        batches: numpy batches in order.
        static: hashable.
    """
    graph, params = nnx.split(model, nnx.Param)
    running = ((batch, _of_batch(function, graph, static, params, batch)) for batch in batches)
    for batch, result in _one_ahead(running):
        yield batch, jax.device_get(result)


def _one_ahead(items: Iterable[T]) -> Iterator[T]:
    """Yields each item when the next one has been made, so that a device has work meanwhile."""
    ahead: Iterator[Any] = itertools.chain(items, [None])
    return (item for item, _ in itertools.pairwise(ahead))


def result_of(function: Callable[..., Any], model: Any, inputs: PyTree, *static: Any) -> Any:
    """What `function(model, *static, inputs)` makes, in numpy arrays; see `results_of`."""
    graph, params = nnx.split(model, nnx.Param)
    return jax.device_get(_of_batch(function, graph, static, params, inputs))


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _of_batch(function, graph, static, params, batch):
    return function(nnx.merge(graph, params), *static, batch)


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
        return params, optimizer.init(params), carry

    @jax.jit
    def step(_: PyTree, state: DynamicState, batch: PyTree) -> tuple[DynamicState, Metrics]:
        params, opt_state, carry = state

        def objective(params):
            new_carry, sums = static(params, carry, batch)
            total, count = sums["loss"]
            return total / jnp.maximum(count, 1), (new_carry, sums)

        gradient, (carry, sums) = jax.grad(objective, has_aux=True)(params)
        updates, opt_state = optimizer.update(gradient, opt_state, params)
        return (optax.apply_updates(params, updates), opt_state, carry), sums

    return init, step
