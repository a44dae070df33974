"""The training step and the first state of a run, from a config and a loss function."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rnnjax.training.config import TrainingConfig
from rnnjax.training.devices.placement import LOCAL, Placement
from rnnjax.training.optimizers.averaging import make_average
from rnnjax.training.optimizers.factory import make_optimizer
from rnnjax.training.state import TrainState, create_state
from rnnjax.training.step import LossFn, TrainStep, make_train_step


class Task(NamedTuple):
    """What an experiment trains, in shapes: enough to compile its training step.

    Attributes:
        loss_fn: the task.
        params: `jax.ShapeDtypeStruct`s.
        carry: the same, of all rows of a batch; None for a model without memory.
        batch: the same, of the largest batch.
        units: how many units, such as characters, the loss counts in that batch.
        unit: what they are called.
    """

    loss_fn: LossFn
    params: Any
    carry: Any
    batch: Any
    units: int
    unit: str


def make_training(
    config: TrainingConfig, loss_fn: LossFn, placement: Placement = LOCAL
) -> tuple[TrainStep, Callable[[Any, Any], TrainState]]:
    """The training step of a config, and how the state before the first step is made.

    Args:
        config: optimizer, schedule and averaging.
        loss_fn: the task.
        placement: where to train.

    Returns:
        The step (see `make_train_step`) and `(params, carry) -> state` (see `create_state`).

    Raises:
        UserError: a setting is out of range.
    """
    TrainingConfig.validate(config)  # not what the task asks of its data
    rates = config.rates()
    optimizer = make_optimizer(
        config.optimizer,
        learning_rate=rates,
        clip_norm=config.clip_norm,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
    )
    average = make_average(config.average, decay=config.decay, start_step=config.average_start)

    def new_state(params: Any, carry: Any) -> TrainState:
        return create_state(params, optimizer, carry=carry, seed=config.seed, average=average)

    step = make_train_step(
        loss_fn,
        optimizer,
        clip_norm=config.clip_norm,
        average=average,
        rates=rates,
        placement=placement,
    )
    return step, new_state
