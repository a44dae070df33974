"""A whole training run from a config and a loss function."""

from collections.abc import Callable
from typing import Any, NamedTuple

from rnnjax.training.checkpoints.best_so_far import LoopOptions
from rnnjax.training.checkpoints.workdir import Workdir
from rnnjax.training.config import TrainingConfig
from rnnjax.training.devices.placement import LOCAL, Placement
from rnnjax.training.devices.prefetch import DataIterator
from rnnjax.training.loop import TrainResult, train
from rnnjax.training.optimizers.averaging import make_average
from rnnjax.training.optimizers.factory import make_optimizer
from rnnjax.training.profiling import TracedSteps
from rnnjax.training.state import TrainState, create_state
from rnnjax.training.step import LossFn, TrainStep, make_train_step


class Task(NamedTuple):
    """What an experiment trains, in shapes: enough to compile its training step.

    Attributes:
        loss_fn: the task.
        params: `jax.ShapeDtypeStruct`s.
        carry: the same, of all rows of a batch; None for a model without memory.
        batch: the same, of the largest batch that there is.
        units: what that batch holds of what the loss counts, such as characters.
        unit: what that is.
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
    """
    optimizer = make_optimizer(
        config.optimizer,
        learning_rate=config.learning_rate,
        schedule=config.schedule,
        warmup_steps=config.warmup_steps,
        decay_every=config.decay_every,
        num_steps=config.num_steps,
        clip_norm=config.clip_norm,
        weight_decay=config.weight_decay,
        momentum=config.momentum,
    )
    average = make_average(
        config.average, decay=config.average_decay, start_step=config.average_start
    )

    def new_state(params: Any, carry: Any) -> TrainState:
        return create_state(params, optimizer, carry=carry, seed=config.seed, average=average)

    step = make_train_step(
        loss_fn,
        optimizer,
        clip_norm=config.clip_norm,
        average=average,
        placement=placement,
    )
    return step, new_state


def fit(
    config: TrainingConfig,
    loss_fn: LossFn,
    params: Any,
    batches: DataIterator,
    *,
    workdir: Workdir,
    carry: Any = None,
    evaluate: Callable[[Any], dict[str, float]] | None = None,
    metric: str = "loss",
    higher_is_better: bool = False,
    unit: str = "",
    speed_unit: str = "",
    placement: Placement = LOCAL,
    profile: TracedSteps | None = None,
) -> TrainResult:
    """Trains as the config says; what is in the workdir is resumed.

    Args:
        config: optimizer, schedule, averaging, and how often to do what.
        loss_fn: the task.
        params: initial parameters.
        batches: training data.
        workdir: see `open_workdir`.
        carry: initial carry of all rows of a batch.
        evaluate: `(params) -> metrics`.
        metric: the evaluation metric that decides which checkpoint is best.
        higher_is_better: whether more of it is better.
        unit: what the loss counts, for the display.
        speed_unit: what the speed counts, for the display; empty: the same.
        placement: where to train; see `choose_placement`.
        profile: steps to trace.

    Returns:
        How it ended, with the state on the default device; see `train` for what it raises.
    """
    step, new_state = make_training(config, loss_fn, placement)
    result = train(
        step,
        new_state(params, carry),
        batches,
        workdir=workdir,
        options=LoopOptions(
            num_steps=config.num_steps,
            log_every=config.log_every,
            eval_every=config.eval_every,
            checkpoint_every=config.checkpoint_every,
            patience=config.patience,
            metric=metric,
            higher_is_better=higher_is_better,
            unit=unit,
            speed_unit=speed_unit,
        ),
        evaluate=evaluate,
        placement=placement,
        profile=profile,
    )
    return result._replace(state=placement.gather(result.state))
