"""`--profile=100:110`: a trace of some steps of a training run.

It is written into ``profile/`` of the workdir, by the first process alone: all of them run the same
program. XProf and TensorBoard read that folder, Perfetto reads the file ``*.trace.json.gz`` in it.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax
from jax.experimental.compilation_cache.compilation_cache import reset_cache

from rnnjax.errors import UserError
from rnnjax.training import atomic_files
from rnnjax.training.processes.group import is_first
from rnnjax.training.profiling.operations import measure, profile_text, write_profile
from rnnjax.training.reporting.progress import say
from rnnjax.training.state import TrainState
from rnnjax.training.step import Metrics, TrainStep

FOLDER = "profile"


class TracedSteps(NamedTuple):
    """The first and the last step to trace; the first update of a run is step 1."""

    first: int
    last: int

    def __str__(self) -> str:
        return f"--profile={self.first}:{self.last}"


def parse_steps(text: str, num_steps: int) -> TracedSteps:
    """Reads what `--profile` says, such as 100:110.

    Raises:
        UserError: it is written otherwise, or the run has no such steps.
    """
    found = re.fullmatch(r"(\d+):(\d+)", text)
    if not found:
        raise UserError(f"--profile is written FIRST:LAST, such as 100:110; got {text!r}")
    steps = TracedSteps(int(found[1]), int(found[2]))
    if steps.first > steps.last:
        raise UserError(f"{steps} ends before it begins: write --profile={found[2]}:{found[1]}")
    if steps.first < 1 or steps.last > num_steps:
        raise UserError(f"{steps}: the steps of this run are 1 to {num_steps}")
    return steps


@contextlib.contextmanager
def traced(
    train_step: TrainStep, steps: TracedSteps | None, workdir: Path, step: int
) -> Iterator[TrainStep]:
    """Traces some of the steps made inside; prints and stores how long their operations took.

    It yields what to call instead of `train_step`, in steps that follow on `step`; without anything
    to trace it is `train_step` itself.
    """
    if steps is None or not is_first():
        yield train_step
        return
    if step >= steps.last:
        say(f"{steps}: nothing is traced, for this run goes on from step {step}.")
        yield train_step
        return
    steps = steps._replace(first=max(steps.first, step + 1))
    folder = workdir / FOLDER
    session = f"steps_{steps.first}_{steps.last}"
    trace_folder = folder / "plugins" / "profile" / session
    options = jax.profiler.ProfileOptions()
    options.python_tracer_level = 0
    options.host_tracer_level = 1
    options.session_id = session
    trace = contextlib.ExitStack()

    def traced_step(state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        nonlocal step
        step += 1
        if not steps.first <= step <= steps.last:
            return train_step(state, batch)
        if step == steps.first:
            jax.block_until_ready(state)
            with atomic_files.writing(folder):
                shutil.rmtree(trace_folder, ignore_errors=True)
                folder.mkdir(exist_ok=True)
            trace.enter_context(_trace(folder, trace_folder, options))
        with jax.profiler.StepTraceAnnotation("train", step_num=step):
            state, metrics = train_step(state, batch)
        if step == steps.last:
            jax.block_until_ready((state, metrics))
            trace.close()
            _report(f"jit_{getattr(train_step, '__name__', '')}", steps, folder, trace_folder)
        return state, metrics

    try:
        with _without_cache():
            yield traced_step
    finally:
        trace.close()
        if step < steps.last:
            say(f"{steps}: there is no table, for the run ended after step {step}.")


@contextlib.contextmanager
def _trace(folder: Path, trace_folder: Path, options: Any) -> Iterator[None]:
    """As `jax.profiler.trace`; one that cannot be written is a UserError, and nothing is left."""
    with atomic_files.writing(trace_folder):
        try:
            with jax.profiler.trace(folder, profiler_options=options):
                yield
        except (OSError, jax.errors.JaxRuntimeError) as error:
            shutil.rmtree(trace_folder, ignore_errors=True)
            raise OSError(str(error)) from error


@contextlib.contextmanager
def _without_cache() -> Iterator[None]:
    """While entered, JAX compiles programs anew instead of reading them from its cache on the disk.

    Those have other numbers in the events of a trace than in its metadata.
    """
    before = jax.config.jax_enable_compilation_cache  # type: ignore[attr-defined]
    jax.config.update("jax_enable_compilation_cache", False)
    reset_cache()  # it looks at the setting only once
    try:
        yield
    finally:
        jax.config.update("jax_enable_compilation_cache", before)
        reset_cache()


def _report(program: str, steps: TracedSteps, folder: Path, trace_folder: Path) -> None:
    traces = list(trace_folder.glob("*.xplane.pb"))
    profile = measure(traces[0], program, *steps) if traces else None
    if profile is None:
        say(f"{steps}: the trace in {trace_folder} has no operation of the training step.")
        return
    write_profile(folder, profile)
    say(f"{profile_text(profile)}\nTrace: {trace_folder}")
