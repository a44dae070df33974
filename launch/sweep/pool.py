"""Processes side by side, each with cores of its own, and a line that tells how far they are."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from launch.sweep.plan import Planned
from rnnjax.errors import UserError
from rnnjax.training import Interrupted, atomic_files

ROOT = Path(__file__).parents[2]
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_LINES = 10.0


class _Child(NamedTuple):
    run: Planned
    process: subprocess.Popen
    slot: int
    began: float


def run_all(experiment: str, runs: Sequence[Planned], num_jobs: int) -> dict[str, int]:
    """Runs what is not finished, `num_jobs` processes at a time.

    Ctrl-C and SIGTERM are passed on to the processes, which save what they have; the same sweep
    then goes on from there.

    Args:
        experiment: its name.
        runs: see `plan`.
        num_jobs: processes at a time; the cores that this process may use are shared out to them.

    Returns:
        The exit codes of those that failed, by name.

    Raises:
        UserError: `num_jobs` is not positive, or a log cannot be written.
        Interrupted: the sweep was interrupted, and its runs have saved.
        KeyboardInterrupt: it was interrupted twice, and its runs were killed.
    """
    if num_jobs < 1:
        raise UserError(f"--jobs is 1 or more; got {num_jobs}")
    waiting = [run for run in runs if run.results() is None]
    finished = len(runs) - len(waiting)
    shares = share_out(usable_cores(), num_jobs)
    free = list(range(num_jobs))
    running: list[_Child] = []
    failed: dict[str, int] = {}
    seconds: list[float] = []
    line = _Line(experiment, len(runs))
    with _sigterm_as_interrupt(), line:
        try:
            while waiting or running:
                while waiting and free:
                    running.append(_start(experiment, waiting.pop(0), free.pop(0), shares))
                for child in [child for child in running if child.process.poll() is not None]:
                    running.remove(child)
                    free.append(child.slot)
                    if child.process.returncode:
                        failed[child.run.name] = child.process.returncode
                    else:
                        finished += 1
                        seconds.append(time.monotonic() - child.began)
                left = _seconds_left(waiting, running, seconds, num_jobs)
                line.show(finished, [child.run for child in running], len(failed), left)
                time.sleep(SECONDS_BETWEEN_LOOKS)
        except BaseException as error:
            _stop(running)
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted from None
            raise
    return failed


def usable_cores() -> list[int]:
    """The cores that this process may use, where the system tells."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def share_out(cores: Sequence[int], num_jobs: int) -> list[list[int]]:
    """Cores for each of some jobs: all are used, none twice while there are enough.

    Args:
        cores: at least one.
        num_jobs: at least 1.
    """
    if num_jobs >= len(cores):
        return [[cores[job % len(cores)]] for job in range(num_jobs)]
    ends = [job * len(cores) // num_jobs for job in range(num_jobs + 1)]
    return [list(cores[a:b]) for a, b in itertools.pairwise(ends)]


def _start(experiment: str, run: Planned, slot: int, shares: list[list[int]]) -> _Child:
    """Starts a process on its share of the cores: it makes as many threads as it has cores."""
    share = shares[slot]
    environment = os.environ | {"OMP_NUM_THREADS": str(len(share)), "PYTHONPATH": _python_path()}
    own = usable_cores()
    with atomic_files.writing(run.log), open(run.log, "ab") as log:
        try:
            _pin(share)
            process = subprocess.Popen(
                run.command(experiment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        finally:
            _pin(own)
    return _Child(run, process, slot, time.monotonic())


def _python_path() -> str:
    """Where these very sources are, before whatever else was given."""
    given = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(ROOT), *([given] if given else [])])


def _pin(cores: list[int]) -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)


def _stop(running: list[_Child]) -> None:
    for child in running:
        child.process.terminate()
    try:
        for child in running:
            child.process.wait()
    except KeyboardInterrupt:
        for child in running:
            child.process.kill()
        raise


@contextmanager
def _sigterm_as_interrupt() -> Iterator[None]:
    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _seconds_left(
    waiting: list[Planned], running: list[_Child], seconds: list[float], num_jobs: int
) -> float | None:
    """From how long runs took; before one has ended, from how far those that run have come."""
    now = time.monotonic()
    progress = {child.run.name: child.run.step() / child.run.num_steps for child in running}
    if seconds:
        whole = sum(seconds) / len(seconds)
    elif any(progress.values()):
        child = max(running, key=lambda child: progress[child.run.name])
        whole = (now - child.began) / progress[child.run.name]
    else:
        return None
    return whole * (len(waiting) + sum(1 - min(p, 1) for p in progress.values())) / num_jobs


class _Line:
    """A line that is written over on a terminal, and a line now and then in a file."""

    def __init__(self, experiment: str, num_runs: int):
        self._experiment, self._num_runs = experiment, num_runs
        self._last, self._last_time = (-1, -1), -SECONDS_BETWEEN_LINES
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> "_Line":
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal:
            sys.stderr.write("\n")

    def show(
        self, finished: int, running: list[Planned], num_failed: int, left: float | None
    ) -> None:
        """Shows how far the sweep is, if that is due."""
        now = time.monotonic()
        news = (finished, num_failed) != self._last
        if not news and now - self._last_time < (1 if self._terminal else SECONDS_BETWEEN_LINES):
            return
        self._last, self._last_time = (finished, num_failed), now
        steps = ", ".join(f"{run.name} {run.step()}/{run.num_steps}" for run in running)
        text = f"{self._experiment}: {finished}/{self._num_runs} finished"
        text += f", {num_failed} failed" if num_failed else ""
        text += f"; {steps}" if steps else ""
        text += "" if left is None or not running else f"; about {_clock(left)} left"
        if self._terminal:
            width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
            sys.stderr.write("\r" + text[:width].ljust(width))
        else:
            sys.stderr.write(text + "\n")
        sys.stderr.flush()


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
