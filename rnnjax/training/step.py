"""One training step and one evaluation step, each a single jitted function."""

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import nnx

from rnnjax.training.config import TrainingConfig
from rnnjax.training.devices.placement import LOCAL, Placement
from rnnjax.training.optimizers.averaging import Average, make_average
from rnnjax.training.optimizers.factory import make_optimizer, make_schedule
from rnnjax.training.state import TrainState, create_state

PyTree = Any
Metrics = dict[str, Any]


class Loss(NamedTuple):
    """The result of a loss function: sums and counts, never means.

    Attributes:
        total: sum of the loss over the units (characters, tags, pixels) that count; nats where
            it is a negative log-likelihood.
        count: how many units that was.
        carry: to begin the next batch with; None for a model without memory.
        metrics: further sums by name: an array is a sum over the same `count` units, a pair is
            a sum with a count of its own.
        work: what the speed is counted by where that is not `count`: tokens, for one, where the
            loss counts sentences.
        rate_scale: a factor of the learning rate of this update; None: 1.
    """

    total: jax.Array
    count: jax.Array  # type: ignore[assignment]
    carry: PyTree = None
    metrics: dict[str, jax.Array | tuple[jax.Array, jax.Array]] = {}  # noqa: RUF012
    work: jax.Array | None = None
    rate_scale: jax.Array | None = None


LossFn = Callable[[PyTree, PyTree, PyTree, jax.Array | None], Loss]
"""``(params, carry, batch, key) -> Loss``; key None: evaluation, without randomness."""

TrainStep = Callable[[TrainState, PyTree], tuple[TrainState, Metrics]]


def loss_of_params(graph: nnx.GraphDef, loss: Callable[..., Loss]) -> LossFn:
    """`loss(model, batch, key)`, or with a carry behind these, by the parameters of the model."""

    def of_params(params: PyTree, carry: PyTree, batch: PyTree, key: jax.Array | None) -> Loss:
        memory = () if carry is None else (carry,)
        return loss(nnx.merge(graph, params), batch, key, *memory)

    return of_params


def _sums(loss: Loss) -> dict[str, tuple[jax.Array, jax.Array]]:
    metrics = {
        name: value if isinstance(value, tuple) else (value, loss.count)
        for name, value in loss.metrics.items()
    }
    return {"loss": (loss.total, loss.count), **metrics}


def make_train_step(
    loss_fn: LossFn,
    optimizer: optax.GradientTransformation,
    *,
    clip_norm: float | None = None,
    average: Average | None = None,
    rates: optax.Schedule | None = None,
    placement: Placement = LOCAL,
) -> TrainStep:
    """Makes the jitted training step; it donates the state it is given.

    The gradient is that of ``total / count`` with respect to the parameters alone: the carry is
    an input, and nothing flows through it into the window before. The key is
    ``fold_in(state.rng, state.step)``, so the state and the batch decide everything.

    Args:
        optimizer: see `make_optimizer`.
        clip_norm: the norm at which `optimizer` clips, to report how often it does; None or 0:
            it does not clip.
        average: the same as given to `create_state`.
        rates: the schedule of `optimizer`, to report it; None: it is not reported.
        placement: where state and batches live.

    Returns:
        ``(state, batch) -> (state, metrics)``. The metrics stay on the device: 'sums' holds
        (sum, count) pairs by name, 'loss' among them; 'work' is what the speed is counted by;
        'grad_norm' is the global L2 norm before clipping, 'clipped' whether it exceeded
        `clip_norm`, 'finite' whether the loss and the norm are, 'learning_rate' is that of the
        update.
    """

    def train_step(state: TrainState, batch: PyTree) -> tuple[TrainState, Metrics]:
        key = jax.random.fold_in(jax.random.wrap_key_data(state.rng), state.step)

        def objective(params):
            loss = loss_fn(params, state.carry, batch, key)
            with jax.named_scope("loss"):
                return loss.total / jnp.maximum(loss.count, 1), loss

        with placement.tracing():
            grads, loss = jax.grad(objective, has_aux=True)(state.params)
        step = state.step + 1
        with jax.named_scope("optimizer"):
            updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
            if (scale := loss.rate_scale) is not None:
                updates = jax.tree.map(lambda update: scale * update, updates)
            params = optax.apply_updates(state.params, updates)
            ema = average and average.update(state.ema, params, step, state.average_start)
            grad_norm = optax.tree.norm(grads)
        metrics = {
            "sums": _sums(loss),
            "work": loss.count if loss.work is None else loss.work,
            "grad_norm": grad_norm,
            "clipped": grad_norm > clip_norm if clip_norm else jnp.zeros((), bool),
            "finite": jnp.isfinite(loss.total) & jnp.isfinite(grad_norm),
        }
        if rates is not None:
            metrics["learning_rate"] = jnp.asarray(rates(state.step))
        state = TrainState(params, opt_state, loss.carry, state.rng, step, ema, state.average_start)
        return placement.keep_state(state), metrics

    return jax.jit(train_step, donate_argnums=0)


def make_eval_step(
    loss_fn: LossFn, placement: Placement = LOCAL
) -> Callable[[PyTree, PyTree, PyTree], tuple[PyTree, Metrics]]:
    """Makes the jitted evaluation step.

    Args:
        loss_fn: the task; it is called with key None.

    Returns:
        ``(params, carry, batch) -> (carry, sums)``, `sums` as in the training step.
    """

    def eval_step(params: PyTree, carry: PyTree, batch: PyTree) -> tuple[PyTree, Metrics]:
        with placement.tracing():
            loss = loss_fn(params, carry, batch, None)
        return placement.keep_carry(loss.carry), _sums(loss)

    return jax.jit(eval_step)


class Task(NamedTuple):
    """The inputs of a training step as shapes: enough to compile it.

    Attributes:
        params: `jax.ShapeDtypeStruct`s.
        carry: the same, of all rows of a batch; None for a model without memory.
        batch: the same, of the largest batch.
        units: how many units, such as characters, the loss counts in that batch.
        unit: what they are called.
        time_major: names of the batch's arrays that are [T, B, ...]; the others are [B, ...].
    """

    loss_fn: LossFn
    params: Any
    carry: Any
    batch: Any
    units: int
    unit: str
    time_major: Collection[str] = ()


def make_training(
    config: TrainingConfig, loss_fn: LossFn, placement: Placement = LOCAL
) -> tuple[TrainStep, Callable[[Any, Any], TrainState]]:
    """The training step of a config, and how the state before the first step is made.

    Returns:
        The step (see `make_train_step`) and `(params, carry) -> state` (see `create_state`).

    Raises:
        UserError: a setting is out of range.
    """
    TrainingConfig.validate(config)  # not what the task asks of its data
    optimizer, average = make_optimizer(config), make_average(config)

    def new_state(params: Any, carry: Any) -> TrainState:
        return create_state(params, optimizer, carry=carry, seed=config.seed, average=average)

    step = make_train_step(
        loss_fn,
        optimizer,
        clip_norm=config.clip_norm,
        average=average,
        rates=make_schedule(config),
        placement=placement,
    )
    return step, new_state
