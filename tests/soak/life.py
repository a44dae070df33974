"""One life of the toy run: a process that trains until it is done or something happens to it."""

import dataclasses
import mmap
import multiprocessing
import os
import resource
import signal
import sys
import time
from pathlib import Path

import jax
import numpy as np

from experiments import cli
from rnnjax import training
from tests.training import toy

SAVE_EVERY, EVAL_EVERY, LOG_EVERY = 25, 60, 10
SECONDS_A_STEP = 0.004
TIMEOUT = 300.0
FAULTS = {
    "SIGKILL": -signal.SIGKILL,
    "SIGTERM": training.EXIT_SAVED,
    "SIGINT": training.EXIT_SAVED,
    "disk fills": 2,
    "checkpoint truncated": -signal.SIGKILL,
    "checkpoint bit-flipped": -signal.SIGKILL,
    "clock jumps": -signal.SIGKILL,
}
"""What may happen, and the exit code that it leads to."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """What happens to a process.

    Attributes:
        kind: one of `FAULTS`.
        step: at which.
        delay: seconds after the step has begun.
        amount: bytes that a file may still have, or seconds that the clock jumps.
    """

    kind: str
    step: int
    delay: float = 0.0
    amount: int = 0


@dataclasses.dataclass(frozen=True)
class End:
    """How a life ended.

    Attributes:
        code: exit code, as of `subprocess`.
        step: the last one begun.
        said: what the process printed.
    """

    code: int
    step: int
    said: str


def live(
    folder: Path, num_steps: int, fault: Fault | None, seconds_a_step: float = SECONDS_A_STEP
) -> End:
    """Starts or resumes the run in a folder and lets the fault happen to it.

    The process is forked from this one, which must not have used a device: so a life begins without
    the seconds that Python takes to import everything.
    """
    at = mmap.mmap(-1, 8)  # shared with the process, and there whatever becomes of it
    said, say = os.pipe()  # no file: the disk may be full
    process = multiprocessing.get_context("fork").Process(
        target=_train, args=(folder, num_steps, _Batches(fault, at, seconds_a_step), say)
    )
    process.start()
    os.close(say)
    deadline = time.monotonic() + TIMEOUT
    if fault is not None and fault.kind != "disk fills":
        while process.is_alive() and _step(at) < fault.step and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(fault.delay)
        name = fault.kind if fault.kind.startswith("SIG") else "SIGKILL"
        if process.is_alive():
            os.kill(process.pid, signal.Signals[name])
    process.join(max(deadline - time.monotonic(), 0.1))
    if process.is_alive():
        process.kill()
        process.join()
        raise TimeoutError(f"no end of the run in {folder} within {TIMEOUT:.0f} s; fault: {fault}")
    with open(said, encoding="utf-8", errors="replace") as file:
        return End(process.exitcode, _step(at), file.read())


class _Batches(toy.Batches):
    """Those of the toy, not too fast; they tell how far the run is and carry out a fault."""

    def __init__(self, fault: Fault | None, at: mmap.mmap, seconds_a_step: float):
        super().__init__()
        self._fault, self._at, self._seconds_a_step = fault, at, seconds_a_step

    def __next__(self):
        time.sleep(self._seconds_a_step)
        if self._fault and self.index >= self._fault.step:
            self._befall(self._fault)
            self._fault = None
        self._at[:] = self.index.to_bytes(8, "little")
        return super().__next__()

    def _befall(self, fault: Fault) -> None:
        if fault.kind == "disk fills":
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (fault.amount, hard))
        if fault.kind == "clock jumps":
            clock = time.time
            time.time = lambda: clock() + fault.amount


def _step(at: mmap.mmap) -> int:
    return int.from_bytes(at[:], "little")


def _train(folder: Path, num_steps: int, batches: _Batches, say: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        os.dup2(say, stream.fileno())
    with cli.plain_errors():
        ended = toy.run(
            folder / "run",
            num_steps,
            log_every=LOG_EVERY,
            eval_every=EVAL_EVERY,
            checkpoint_every=SAVE_EVERY,
            batches=batches,
        )
    leaves = jax.tree_util.tree_leaves_with_path(ended.state)
    arrays = {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}
    np.savez(folder / "final.npz", **arrays)
