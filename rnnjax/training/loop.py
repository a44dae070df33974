"""The training loop: it knows no task, waits for no step, and forgets nothing."""

import functools
import json
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rnnjax.errors import UserError
from rnnjax.training.checkpoints.best_so_far import LoopOptions, Standing, score_of
from rnnjax.training.checkpoints.checkpoints import Checkpoints
from rnnjax.training.checkpoints.reading import Meta
from rnnjax.training.checkpoints.workdir import Workdir
from rnnjax.training.devices.placement import LOCAL, Placement
from rnnjax.training.devices.prefetch import DataIterator, Loaded, prefetch
from rnnjax.training.processes.group import any_of, count, is_first
from rnnjax.training.processes.interruption import Interrupted, Interruption
from rnnjax.training.profiling import TracedSteps, traced
from rnnjax.training.reporting.meter import Meter, NonFinite
from rnnjax.training.reporting.metrics_log import MetricsLog
from rnnjax.training.reporting.progress import Progress, describe, say
from rnnjax.training.state import TrainState, evaluation_params, is_sound
from rnnjax.training.step import TrainStep

Evaluate = Callable[[Any], dict[str, float]]

PATIENCE = 0.03
"""How much of the time since the last save the steps wait, at most, until this one is on the disk.

A kill that comes later costs no more than one interval between saves. Where writing takes longer,
it goes on beside the steps, and a kill meanwhile costs up to two.
"""


class TrainingDiverged(UserError):
    """The loss, the gradients or the weights are no longer finite."""


EXIT_LOST = 69
"""Exit code after `ProcessLost`: EX_UNAVAILABLE of sysexits.h."""


class ProcessLost(UserError):
    """Another process of this run ended, or cannot be reached."""


class TrainResult(NamedTuple):
    """How a training run ended.

    Attributes:
        state: the final state.
        step: updates made.
        reason: 'done', 'stopped early' or 'the data ended'.
        standing: the best and the latest evaluation.
        data_wait: the share of the time in which the device had nothing to do because a batch was
            not there, at most, 0 to 1; None: too few steps to tell.
    """

    state: TrainState
    step: int
    reason: str
    standing: Standing
    data_wait: float | None


def train(
    train_step: TrainStep,
    state: TrainState,
    batches: DataIterator,
    *,
    workdir: Workdir,
    options: LoopOptions,
    evaluate: Evaluate | None = None,
    placement: Placement = LOCAL,
    profile: TracedSteps | None = None,
) -> TrainResult:
    """Trains up to `options.num_steps`, going on from the newest whole checkpoint if there is one.

    A run that was killed and started again ends with the same parameters, bit for bit, as one
    that was not: the state, the position in the data and the standing are all in the checkpoint.

    Args:
        train_step: see `make_train_step`.
        state: see `create_state`; it is donated.
        batches: the training data.
        workdir: see `open_workdir`.
        options: see `LoopOptions`.
        evaluate: ``(params) -> metrics``; gets the averaged parameters where there are any.
        placement: where state and batches live; a checkpoint fits any.
        profile: steps to trace.

    Returns:
        How it ended.

    Raises:
        TrainingDiverged: something is not finite; such a state is never saved.
        ProcessLost: another process of this run is gone.
        UserError: the checkpoints or the workdir cannot be used, or an option is out of range.
        Interrupted: SIGINT or SIGTERM came; the state is saved. An evaluation that was under way
            is finished first, since it belongs to the state.
        KeyboardInterrupt: a second one came; what was saved before is whole.
    """
    options.validate()
    with workdir.in_use(), workdir.checkpoints(options.keep_last) as checkpoints:
        standing = Standing()
        if restored := checkpoints.restore(state):
            state, meta = restored
            batches.set_state(meta.position)
            standing = Standing(**meta.standing)
            say(f"Resuming {workdir.path} from step {meta.step}.")
        checkpoints.check_space(state)
        state = placement.put_state(state)
        loaded = functools.partial(prefetch, batches, placement=placement)
        try:
            with traced(train_step, profile, workdir.path, int(state.step)) as step:
                return _run(step, state, loaded, standing, evaluate, checkpoints, workdir, options)
        except NonFinite as fault:
            checkpoints.wait()
            raise TrainingDiverged(_advice(fault, checkpoints.newest())) from None
        except jax.errors.JaxRuntimeError as error:
            if count() == 1:
                raise
            raise ProcessLost(_loss_of_process(error, checkpoints.newest())) from error


def _run(
    train_step: TrainStep,
    state: TrainState,
    batches: Callable[[int], Iterator[Loaded]],
    standing: Standing,
    evaluate: Evaluate | None,
    checkpoints: Checkpoints,
    workdir: Workdir,
    options: LoopOptions,
) -> TrainResult:
    step = int(state.step)
    reason = standing.reason_to_stop(step, options)
    with (
        MetricsLog(workdir.path, step) if is_first() else nullcontext() as log,
        Progress(step, options.num_steps, options.unit, options.speed_unit) as progress,
        Interruption() as interruption,
    ):

        def write(split: str, row: dict[str, float]) -> None:
            if log:
                log.write(split, row)

        def emit(row: dict[str, float]) -> None:
            write("train", row)
            progress.show(row)

        meter = Meter(step, emit)
        interrupted = False
        last_save = time.perf_counter()
        for loaded in meter.watch(batches(0 if reason else options.num_steps - step)):
            state, metrics = train_step(state, loaded.batch)
            step += 1
            meter.add(metrics)

            logging = _is_due(options.log_every, step)
            evaluating = loaded.last or _is_due(options.eval_every, step)
            saving = loaded.last or _is_due(options.checkpoint_every, step)
            # Several processes stop at the same step: they ask each other only now and then.
            if count() == 1 or logging or evaluating or saving:
                interrupted = any_of(interruption.requested)
            saving = saving or interrupted
            if not (evaluating or saving):
                if logging:
                    meter.close()
                continue

            meter.flush()
            score = None
            if evaluate and evaluating:
                evaluation = evaluate(evaluation_params(state))
                standing = standing.after(step, evaluation, options)
                score = score_of(step, evaluation, options)
                write("valid", {"step": step, **evaluation})
                say(f"step {step}: validation {describe(evaluation, options.unit)}")
            reason = standing.reason_to_stop(step, options)
            if saving or reason or standing.best_step == step:
                began = time.perf_counter()
                if not is_sound(state):
                    raise NonFinite(step, "the weights it gave were not finite")
                position = json.loads(loaded.position)
                remembered = standing._asdict()
                checkpoints.start_save(
                    state, Meta(step, score, workdir.config, workdir.extra, position, remembered)
                )
                checkpoints.wait(PATIENCE * (began - last_save))
                now = time.perf_counter()
                write("save", {"step": step, "share": (now - began) / (now - last_save)})
                last_save = now
            if interrupted and not reason:
                checkpoints.wait()
                say(f"Interrupted; saved at step {step}. The same command goes on from there.")
                raise Interrupted
            if reason:
                break
            meter.restart_clock()
        checkpoints.wait()
    if step == 0:
        raise UserError("The training data holds no batch.")
    return TrainResult(state, step, reason or "the data ended", standing, meter.data_wait)


def _is_due(every: int, step: int) -> bool:
    return every > 0 and step % every == 0


def _loss_of_process(error: Exception, checkpoint: Path | None) -> str:
    rest = f"they go on from {checkpoint}" if checkpoint else "no checkpoint was saved so far"
    return (
        "Another process of this run was lost, or the network failed "
        f"({str(error).splitlines()[0]}).\n"
        f"Start all processes again with the same commands: {rest}."
    )


def _advice(fault: NonFinite, checkpoint: Path | None) -> str:
    remedy = "Try a lower learning rate, a lower clip norm or a longer warm-up"
    if checkpoint is None:
        rest = f"No checkpoint was saved before that.\n{remedy}."
    else:
        rest = (
            f"The last good checkpoint is {checkpoint}.\n{remedy}, in a new workdir "
            f"with --restore_from={checkpoint} to keep what was learned."
        )
    return f"The training diverged at step {fault.step}: {fault.what}.\n{rest}"
