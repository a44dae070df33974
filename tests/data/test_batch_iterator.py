"""The same batches from the same position, whoever makes them and however a worker ends."""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from rnnjax.data import Stream, TrainingWindows
from rnnjax.data.batch_iterator import BatchIterator
from rnnjax.data.corpus import joined_array
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.batches import SceneBatches
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary
from rnnjax.tasks.captioning.scenes import VOCABULARY, DigitScenes

BATCH_SIZE = 3
NUM_BATCHES = 3 * SceneBatches.made_together
"""A worker of two has to make its second piece of work."""


def scenes():
    scenes = DigitScenes("train", side=48)
    return SceneBatches(scenes, CaptionVocabulary.of(VOCABULARY), batch_size=BATCH_SIZE)


class Squares:
    """Batches that a worker can make without any library; some of them fail."""

    made_together = 2

    def __init__(self, fault_at=None, fault=None, size=4):
        self._fault_at, self._fault, self._size = fault_at, fault, size

    def __getitem__(self, index):
        if index == self._fault_at:
            if self._fault is None:
                os.kill(os.getpid(), signal.SIGKILL)
            raise self._fault
        return {"x": np.arange(self._size) * index**2, "process": np.array(os.getpid())}


def assert_same(batch, other):
    assert batch.keys() == other.keys()
    for name in batch:
        assert batch[name].dtype == other[name].dtype
        np.testing.assert_array_equal(batch[name], other[name])


def test_workers_make_the_same_batches_and_any_number_of_them_goes_on_from_a_position():
    expected = [scenes()[n] for n in range(NUM_BATCHES + 5)]
    with contextlib.closing(BatchIterator(scenes(), workers=2)) as batches:
        for n in range(NUM_BATCHES):
            assert batches.get_state() == {"next_index": n}
            assert_same(next(batches), expected[n])
        state = batches.get_state()
        batches.set_state({"next_index": 5})
        assert_same(next(batches), expected[5])
    for workers in (0, 1):
        with contextlib.closing(BatchIterator(scenes(), np.arange(2), workers=workers)) as resumed:
            resumed.set_state(state)
            for n in range(NUM_BATCHES, NUM_BATCHES + 5):
                some_rows = next(resumed)
                np.testing.assert_array_equal(some_rows["image"], expected[n]["image"][:2])
                np.testing.assert_array_equal(some_rows["words"], expected[n]["words"][:, :2])


def test_workers_share_the_pieces_of_work():
    makers, deadline = {os.getpid()}, time.monotonic() + 60
    with contextlib.closing(BatchIterator(Squares(), workers=2)) as batches:
        while len(makers) < 3:  # one of them starts later
            first, second = (int(next(batches)["process"]) for _ in range(2))
            assert first == second
            makers.add(first)
            assert time.monotonic() < deadline


def test_large_batches_that_nobody_takes_do_not_hold_up_the_end():
    batches = BatchIterator(Squares(size=1 << 18), workers=2)
    next(batches)
    began = time.monotonic()
    batches.close()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("workers", [0, 1])
def test_a_fault_of_the_source_is_told_as_it_is(workers):
    faulty = Squares(1, UserError("bad.png: no image"))
    with (
        contextlib.closing(BatchIterator(faulty, workers=workers)) as batches,
        pytest.raises(UserError) as error,
    ):
        next(batches)
    assert str(error.value) == "bad.png: no image"


def test_a_worker_that_is_killed_is_told():
    with (
        contextlib.closing(BatchIterator(Squares(2), workers=1)) as batches,
        pytest.raises(UserError, match=r"ended early.*--config\.data_workers=0"),
    ):
        list(batches)


OWNER = """
import time

from tests.data.test_batch_iterator import Squares, BatchIterator

if __name__ == "__main__":
    batches = BatchIterator(Squares(), workers=1)
    print(int(next(batches)["process"]), flush=True)
    time.sleep(60)
"""


@pytest.fixture
def owner(tmp_path):
    """A process that has a worker, and the worker's id."""
    script = tmp_path / "owner.py"
    script.write_text(OWNER)
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, str(script)],
        env={**os.environ, "PYTHONPATH": str(root)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] != "Z"


def test_a_worker_leaves_signals_to_its_parent_and_ends_with_it(owner):
    process, worker = owner
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(worker, number)
    time.sleep(0.5)
    assert lives(worker)
    process.kill()
    for _ in range(100):
        if not lives(worker):
            break
        time.sleep(0.1)
    assert not lives(worker)


def test_a_text_that_is_on_disk_for_one_process_only_is_refused(monkeypatch):
    monkeypatch.setattr("rnnjax.data.corpus.MEMORY_LIMIT", 10)
    stream = Stream(joined_array([np.arange(200)], np.uint8), np.array([0]))
    windows = TrainingWindows(stream, batch_size=2, window=5)
    with pytest.raises(UserError, match=r"--config\.data_workers=0"):
        pickle.dumps(windows)
    with (
        contextlib.closing(BatchIterator(windows, workers=1)) as batches,
        pytest.raises(UserError, match=r"--config\.data_workers=0"),
    ):
        next(batches)
    assert_same(next(BatchIterator(windows)), windows[0])
