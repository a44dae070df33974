"""The training loop."""

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.errors import UserError, counted, did_you_mean
from rnnjax.training.checkpoints.checkpoints import Checkpoints
from rnnjax.training.checkpoints.reading import Meta
from rnnjax.training.checkpoints.workdir import Workdir
from rnnjax.training.config import TrainingConfig
from rnnjax.training.devices.placement import LOCAL, DataIterator, Placement, prefetch
from rnnjax.training.optimizers.averaging import NEVER
from rnnjax.training.processes.group import any_of, count, is_first
from rnnjax.training.processes.signals import Interrupted, Interruption
from rnnjax.training.profiling.tracing import TracedSteps, traced
from rnnjax.training.reporting.meter import Meter, NonFinite
from rnnjax.training.reporting.metrics_log import MetricsLog
from rnnjax.training.reporting.progress import Measures, Progress, describe, say
from rnnjax.training.reporting.report import RESULTS
from rnnjax.training.state import TrainState, evaluation_params, is_finite
from rnnjax.training.step import TrainStep

SAVE_SHARE = 0.03
"""The steps wait for a save at most this share of the time since the save before.

A kill that comes later costs no more than one interval between saves. Where writing takes longer,
it goes on beside the steps, and a kill in that time costs up to two.
"""

NO_MEMORY = "RESOURCE_EXHAUSTED"
"""In the error of a device whose memory is too small."""

EXIT_LOST = 69
"""Exit code after `ProcessLost`: EX_UNAVAILABLE of sysexits.h."""


class TrainingDiverged(UserError):
    """The loss, the gradients or the weights are no longer finite."""


class ProcessLost(UserError):
    """Another process of this run ended, or cannot be reached, by an error of JAX."""

    def __init__(self, error: Exception, next_life: str):
        super().__init__(
            "Another process of this run was lost, or the network failed "
            f"({str(error).splitlines()[0]}).\n"
            f"Start all processes again with the same commands: {next_life}."
        )


class BestSoFar(NamedTuple):
    """The best evaluation of a run so far, and the latest; every checkpoint holds it.

    Attributes:
        best_score: the lowest score so far that decides; one to maximise is negated.
        best_step: when that was.
        stale: evaluations since.
        scores: those of all evaluations.
    """

    best_score: float | None = None
    best_step: int = 0
    stale: int = 0
    evaluation: dict[str, float] = {}  # noqa: RUF012
    scores: Sequence[float] = ()

    def after(self, step: int, score: float, evaluation: dict[str, float]) -> "BestSoFar":
        """The same after one more evaluation."""
        scores = [*self.scores, score]
        if self.best_score is None or score < self.best_score:
            return BestSoFar(score, step, 0, evaluation, scores)
        return self._replace(stale=self.stale + 1, evaluation=evaluation, scores=scores)

    def stagnates(self, patience: int) -> bool:
        """Whether the latest score is worse than the best one before the last `patience`.

        That is the trigger of Merity et al. 2018, algorithm 1: with v the latest of the `scores`
        and n = `patience`, whether more than n came before it and v > min of those but the last n.
        """
        earlier = self.scores[: -1 - patience]
        return bool(earlier) and self.scores[-1] > min(earlier)

    def reason_to_stop(self, step: int, num_steps: int, patience: int) -> str:
        """'done', 'stopped early', or '' to go on."""
        if step >= num_steps:
            return "done"
        return "stopped early" if 0 < patience <= self.stale else ""


class TrainResult(NamedTuple):
    """How a training run ended.

    Attributes:
        step: updates made.
        reason: 'done', 'stopped early' or 'the data ended'.
        data_wait: the share of the time in which the device had nothing to do because a batch was
            not there, at most, 0 to 1; None: too few steps to tell.
    """

    state: TrainState
    step: int
    reason: str
    best_so_far: BestSoFar
    data_wait: float | None


def train(
    train_step: TrainStep,
    state: TrainState,
    batches: DataIterator,
    *,
    config: TrainingConfig,
    workdir: Workdir,
    measures: Measures,
    evaluate: Callable[[Any], dict[str, float]] | None = None,
    sample: Callable[[Any], str] | None = None,
    placement: Placement = LOCAL,
    profile: TracedSteps | None = None,
) -> TrainResult:
    """Trains up to `config.num_steps`, from the newest intact checkpoint if there is one.

    A run that was killed and started again ends with the same parameters, bit for bit, as one
    that was not: the state, the position in the data and the best so far are all in the checkpoint.

    Args:
        train_step: see `make_train_step`.
        state: see `make_training` and `create_state`; it is donated.
        config: when to end, log, evaluate and save.
        workdir: see `open_workdir`.
        measures: which metric decides which checkpoint is best, and what is counted.
        evaluate: ``(params) -> metrics``; gets the averaged parameters where there are any.
        sample: ``(params) -> text``, what the model writes at the time of an evaluation, for the
            report; gets the same parameters.
        placement: where state and batches live; a checkpoint fits any.
        profile: steps to trace.

    Returns:
        How it ended, with the state on the default device.

    Raises:
        TrainingDiverged: something is not finite; such a state is never saved.
        ProcessLost: another process of this run is lost.
        UserError: the checkpoints or the workdir cannot be used.
        Interrupted: SIGINT or SIGTERM came; the state is saved. An evaluation that has begun is
            finished first, since it belongs to the state.
        KeyboardInterrupt: a second signal came; earlier checkpoints are intact.
    """
    best, reason, interrupted = BestSoFar(), "", False
    with workdir.in_use(), workdir.checkpoints() as checkpoints, _explained_failures(checkpoints):
        if restored := checkpoints.restore(state):
            state, meta = restored
            batches.set_state(meta.position)
            best = BestSoFar(**meta.best_so_far)
            say(f"Resuming {workdir.path} from step {meta.step}.")
        checkpoints.check_space(state)
        state = placement.put_state(state)
        step = int(state.step)
        reason = best.reason_to_stop(step, config.num_steps, config.patience)
        if not reason and is_first():
            (workdir.path / RESULTS).unlink(missing_ok=True)  # of a run that was shorter
        with (
            traced(train_step, profile, workdir.path, step) as train_step,
            MetricsLog(workdir.path, step) as log,
            Progress(step, config.num_steps, config.row_every, measures) as progress,
            Interruption() as interruption,
        ):

            def emit(row: dict[str, float]) -> None:
                log.write("train", row)
                progress.show(row)

            meter = Meter(step, emit)
            last_save = time.perf_counter()
            to_make = 0 if reason else config.num_steps - step
            for loaded in meter.watch(prefetch(batches, to_make, placement)):
                state, metrics = train_step(state, loaded.batch)
                step += 1
                meter.add(metrics)

                logging = _is_due(config.row_every, step)
                evaluating = loaded.last or _is_due(config.eval_every, step)
                saving = loaded.last or _is_due(config.checkpoint_every, step)
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
                    params = evaluation_params(state)
                    evaluation = evaluate(params)
                    score = _score_of(evaluation, step, measures)
                    best = best.after(step, score, evaluation)
                    log.write("valid", {"step": step, **evaluation})
                    if sample is not None:
                        log.write("sample", {"step": step, "text": sample(params)})
                    said = describe(evaluation, measures.unit, measures.scale)
                    say(f"step {step}: {measures.evaluated} {said}")
                    start = state.average_start
                    if (
                        start is not None
                        and int(start) == NEVER  # it has a trigger and has not begun
                        and best.stagnates(config.average_patience)
                    ):
                        state = state._replace(average_start=jnp.full_like(start, step))
                        say(f"step {step}: averaging begins, as the validation does not improve")
                reason = best.reason_to_stop(step, config.num_steps, config.patience)
                if saving or reason or best.best_step == step:
                    began = time.perf_counter()
                    if not is_finite(state):
                        raise NonFinite(step, "the weights it gave were not finite")
                    meta = Meta(
                        step,
                        score,
                        workdir.config,
                        workdir.extra,
                        json.loads(loaded.position),
                        best._asdict(),
                    )
                    checkpoints.start_save(state, meta)
                    checkpoints.wait(SAVE_SHARE * (began - last_save))
                    now = time.perf_counter()
                    log.write("save", {"step": step, "share": (now - began) / (now - last_save)})
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
    reason = reason or "the data ended"
    if reason == "stopped early":
        say(
            f"Stopped early at step {step}: the best of the last "
            f"{counted(best.stale + 1, 'evaluation')} is that at step {best.best_step} "
            f"(--config.patience={config.patience})."
        )
    return TrainResult(placement.gather(state), step, reason, best, meter.data_wait)


def _score_of(evaluation: dict[str, float], step: int, measures: Measures) -> float:
    """The number by which evaluations are compared, lower is better: one to maximise is negated.

    Raises:
        UserError: the evaluation lacks the metric.
        NonFinite: it is not finite.
    """
    metric = measures.metric
    if metric not in evaluation:
        hint = did_you_mean(metric, evaluation)
        raise UserError(f"The evaluation gives no metric '{metric}': {hint}")
    value = evaluation[metric]
    if not math.isfinite(value):
        raise NonFinite(step, f"the evaluation gave {metric} = {value}")
    return -value if measures.higher_is_better else value


def _is_due(every: int, step: int) -> bool:
    return every > 0 and step % every == 0


@contextmanager
def _explained_failures(checkpoints: Checkpoints) -> Iterator[None]:
    """Turns values that are not finite, and lost processes, into messages that say what to do."""
    try:
        yield
    except NonFinite as fault:
        checkpoints.wait()
        remedy = "Try a lower learning rate, a lower clip norm or a longer warm-up"
        if checkpoint := checkpoints.newest():
            rest = (
                f"The last good checkpoint is {checkpoint}.\n{remedy}, in a new workdir "
                f"with --restore_from={checkpoint} to keep what was learned."
            )
        else:
            rest = f"No checkpoint was saved before that.\n{remedy}."
        raise TrainingDiverged(
            f"The training diverged at step {fault.step}: {fault.what}.\n{rest}"
        ) from None
    except jax.errors.JaxRuntimeError as error:
        if count() == 1 or NO_MEMORY in str(error):
            raise
        checkpoint = checkpoints.newest()
        rest = f"they go on from {checkpoint}" if checkpoint else "no checkpoint was saved so far"
        raise ProcessLost(error, rest) from error
