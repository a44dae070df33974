"""Real signals, sent to a real process at every moment of its life."""

import functools
import itertools
import signal
import subprocess
import time

import pytest

from rnnjax import training
from rnnjax.training.atomic_files import find_fault
from tests.training import test_resume, toy

NUM_STEPS = 32

start = functools.partial(test_resume.start, num_steps=NUM_STEPS)

INTERRUPTIONS = [
    ("compiling", signal.SIGTERM),
    ("stepping", signal.SIGINT),
    ("evaluating", signal.SIGTERM),
    ("saving", signal.SIGINT),
]


@pytest.fixture
def toy_process(tmp_path):
    """`(moment) -> process`, which is there."""
    processes = []

    def begin(moment):
        process = start(tmp_path / "run", tmp_path / "run.npz", moment, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout.readline() == f"{moment}\n"
        return process

    yield begin
    for process in processes:
        process.kill()


def test_a_run_saves_at_a_signal_whatever_it_does_and_ends_with_the_same_bits(
    toy_process, tmp_path
):
    steps = [0]
    for moment, number in INTERRUPTIONS:
        process = toy_process(moment)
        process.send_signal(number)
        _, said = process.communicate(timeout=100)
        assert process.returncode == training.EXIT_SAVED, said
        newest = sorted((tmp_path / "run/checkpoints").iterdir())[-1]
        steps.append(int(newest.name.removeprefix("step_")))
        assert f"{number.name}: saving after this step" in said
        assert f"Interrupted; saved at step {steps[-1]}." in said
        assert find_fault(newest) is None
    assert steps[1] == 1
    # Each run does little besides: at most it saves, then does one more step.
    assert all(0 < after - before <= 8 for before, after in itertools.pairwise(steps))
    expected, got = (
        test_resume.final_state(tmp_path / name, tmp_path / f"{name}.npz", NUM_STEPS)
        for name in ("whole", "run")
    )
    for name, array in expected.items():
        assert got[name].tobytes() == array.tobytes(), name
    losses = [
        {row["step"]: row["loss"] for row in toy.rows(folder, "valid")}
        for folder in (tmp_path / "run", tmp_path / "whole")
    ]
    assert losses[0] == losses[1]
    assert set(losses[0]) == {7, 14, 21, 28, 32}


def test_a_second_signal_does_not_wait_for_the_compiler(toy_process, tmp_path):
    process = toy_process("compiling long")
    process.send_signal(signal.SIGTERM)
    while "SIGTERM: saving" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(1)  # so that it is the compiler that the second one meets
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=100)
    assert process.returncode == training.EXIT_STOPPED
    assert time.monotonic() - began < 3
    assert not list((tmp_path / "run").glob("checkpoints/*"))


def test_a_second_signal_between_instructions_is_an_exception(tmp_path):
    """So whoever trains inside of a larger program keeps the program."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    class Impatient(toy.Batches):
        def __next__(self):
            if self.index == 8:
                signal.raise_signal(signal.SIGTERM)
                signal.raise_signal(signal.SIGINT)
            return super().__next__()

    with pytest.raises(KeyboardInterrupt) as raised:
        toy.run(tmp_path, 16, batches=Impatient())
    assert raised.type is KeyboardInterrupt
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    # The save of step 6, which had begun, is not waited for; that of step 5 was.
    saved = sorted((tmp_path / "checkpoints").glob("step_*"))
    assert saved[0].name == "step_00000005"
    assert find_fault(saved[0]) is None
