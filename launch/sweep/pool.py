"""Processes side by side, each with cores of its own, and a line about their progress."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from launch.sweep.plan import Planned
from rnnjax.errors import UserError
from rnnjax.training import Interrupted, atomic_files

ROOT = Path(__file__).parents[2]
SECONDS_BETWEEN_LOOKS = 0.2
SECONDS_BETWEEN_LINES = 10.0


class _Child(NamedTuple):
    run: Planned
    process: subprocess.Popen
    cores: list[int]


def run_all(experiment: str, runs: Sequence[Planned], num_jobs: int) -> dict[str, int]:
    """Runs those that are not finished, `num_jobs` processes at a time, which share the cores.

    Ctrl-C and SIGTERM are passed on to the processes, which save and stop; the same sweep then
    goes on from there.

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
    free = share_out(usable_cores(), num_jobs)
    running: list[_Child] = []
    failed: dict[str, int] = {}
    shown, shown_at = (-1, -1), 0.0
    # Whoever called may ignore Ctrl-C (a shell does for `&`), or have little patience with saving.
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        while waiting or running:
            while waiting and free:
                running.append(_start(experiment, waiting.pop(0), free.pop(0)))
            for child in [child for child in running if child.process.poll() is not None]:
                running.remove(child)
                free.append(child.cores)
                if child.process.returncode:
                    failed[child.run.name] = child.process.returncode
            finished = len(runs) - len(waiting) - len(running) - len(failed)
            pause = 1 if sys.stderr.isatty() else SECONDS_BETWEEN_LINES
            if (finished, len(failed)) != shown or time.monotonic() - shown_at > pause:
                shown, shown_at = (finished, len(failed)), time.monotonic()
                text = f"{experiment}: {finished}/{len(runs)} finished"
                text += f", {len(failed)} failed" if failed else ""
                _show(text + _describe(running))
            time.sleep(SECONDS_BETWEEN_LOOKS)
    except BaseException as error:
        _stop(running)
        if isinstance(error, KeyboardInterrupt):
            raise Interrupted from None
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if sys.stderr.isatty():
            sys.stderr.write("\n")
    return failed


def usable_cores() -> list[int]:
    """The cores that this process may use; all of them where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def share_out(cores: Sequence[int], num_jobs: int) -> list[list[int]]:
    """Cores for each of some jobs: all are used, none twice while there are enough."""
    if num_jobs >= len(cores):
        return [[cores[job % len(cores)]] for job in range(num_jobs)]
    return [share.tolist() for share in np.array_split(cores, num_jobs)]


def _start(experiment: str, run: Planned, cores: list[int]) -> _Child:
    """Starts a process on some cores: it makes as many threads as it has cores."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    own = usable_cores()
    with atomic_files.writing(run.log), open(run.log, "ab") as log:
        try:
            _pin(cores)
            process = subprocess.Popen(
                run.command(experiment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": str(len(cores)), "PYTHONPATH": path},
                start_new_session=True,
            )
        finally:
            _pin(own)
    return _Child(run, process, cores)


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


def _describe(running: list[_Child]) -> str:
    """How far the processes are."""
    runs = [child.run for child in running]
    steps = ", ".join(f"{run.name} {run.step()}/{run.num_steps}" for run in runs)
    return f"; {steps}" if steps else ""


def _show(text: str) -> None:
    """Prints a line; on a terminal it replaces the one before."""
    if sys.stderr.isatty():
        width = os.get_terminal_size(sys.stderr.fileno()).columns - 1
        text = "\r" + text[:width].ljust(width)
    else:
        text += "\n"
    print(text, end="", file=sys.stderr, flush=True)
