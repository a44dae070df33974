"""`--profile=100:110`: a trace of some steps of a training run.

It is written into ``profile/`` of the workdir, by the first process alone: all of them run the same
program. XProf and TensorBoard read that folder, Perfetto the file ``*.trace.json.gz`` within.
"""

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import jax

from rnnjax.errors import UserError
from rnnjax.training import atomic_files
from rnnjax.training.processes.group import is_first
from rnnjax.training.profiling.operations import measure, write_profile
from rnnjax.training.profiling.tables import profile_text
from rnnjax.training.reporting.progress import say
from rnnjax.training.state import TrainState
from rnnjax.training.step import Metrics, TrainStep

FOLDER = "profile"


class TracedSteps(NamedTuple):
    """Which steps to trace; the first update of a run is step 1.

    Attributes:
        first: of them.
        last: of them.
    """

    first: int
    last: int

    def __str__(self) -> str:
        return f"--profile={self.first}:{self.last}"


def parse_steps(text: str, num_steps: int) -> TracedSteps:
    """Reads what `--profile` says.

    Args:
        text: such as 100:110.
        num_steps: of the run.

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
    """Traces some of the steps made inside, and says and writes what they spend their time on.

    Args:
        train_step: see `make_train_step`.
        steps: which; None: none of them.
        workdir: of the run.
        step: updates made before.

    Yields:
        What to call instead of `train_step`, in steps that follow each other; without anything to
        trace it is `train_step` itself.
    """
    if steps is None or not is_first():
        yield train_step
        return
    if step >= steps.last:
        say(f"{steps}: nothing is traced, for this run goes on from step {step}.")
        yield train_step
        return
    tracer = _Tracer(train_step, steps, workdir / FOLDER, step)
    try:
        yield tracer
    finally:
        tracer.end()


class _Tracer:
    def __init__(self, train_step: TrainStep, steps: TracedSteps, folder: Path, step: int):
        self._train_step, self._folder, self._step = train_step, folder, step
        self._steps = steps._replace(first=max(steps.first, step + 1))
        self._tracing = False

    def __call__(self, state: TrainState, batch: Any) -> tuple[TrainState, Metrics]:
        self._step += 1
        if self._step == self._steps.first:
            jax.block_until_ready(state)
            self._start()
        if not self._tracing:
            return self._train_step(state, batch)
        with jax.profiler.StepTraceAnnotation("train", step_num=self._step):
            state, metrics = self._train_step(state, batch)
        if self._step == self._steps.last:
            jax.block_until_ready((state, metrics))
            self._stop()
            self._tell()
        return state, metrics

    def end(self) -> None:
        if self._tracing:
            self._stop()
        if self._step < self._steps.last:
            say(f"{self._steps}: there is no table, for the run ended after step {self._step}.")

    def _start(self) -> None:
        options = jax.profiler.ProfileOptions()
        options.python_tracer_level = 0
        options.host_tracer_level = 1
        options.session_id = self._session
        with atomic_files.writing(self._folder):
            shutil.rmtree(self._trace_folder, ignore_errors=True)
            self._folder.mkdir(exist_ok=True)
        jax.profiler.start_trace(self._folder, profiler_options=options)
        self._tracing = True

    def _stop(self) -> None:
        self._tracing = False
        with atomic_files.writing(self._folder):
            jax.profiler.stop_trace()

    def _tell(self) -> None:
        name = f"jit_{getattr(self._train_step, '__name__', '')}"
        traces = list(self._trace_folder.glob("*.xplane.pb"))
        profile = measure(traces[0], name, *self._steps) if traces else None
        if profile is None:
            say(f"{self._steps}: the trace in {self._trace_folder} tells of no operation.")
            return
        write_profile(self._folder, profile)
        say(f"{profile_text(profile)}\nTrace: {self._trace_folder}")

    @property
    def _session(self) -> str:
        return f"steps_{self._steps.first}_{self._steps.last}"

    @property
    def _trace_folder(self) -> Path:
        return self._folder / "plugins" / "profile" / self._session
