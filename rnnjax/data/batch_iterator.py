"""Batches for training, which never run out, made ahead by a thread or by processes."""

import collections
import concurrent.futures
import copy
import functools
import multiprocessing
import os
import pickle
import signal
import threading
import weakref
from collections.abc import Callable, Collection, Sequence
from typing import Any, Self

import cloudpickle
import numpy as np

from rnnjax.errors import UserError, check_at_least

Batch = dict[str, np.ndarray]

_AHEAD = 2
"""Groups of batches that are made before they are asked for, by each thread or process."""


class EndlessBatches:
    """Batches of B rows; the one at an index is a function of the index.

    A subclass makes the rows `_rows` of a batch in `__getitem__`, and in `_make_plan` what the
    batches of an epoch have in common.

    Attributes:
        made_together: how many batches in a row are made in one piece of work.
        time_major: names of the arrays of a batch that are [T, B, ...]; the others are [B, ...].
    """

    made_together = 1
    time_major: Collection[str] = ()

    def __init__(self, batch_size: int, seed: int):
        check_at_least(1, batch_size=batch_size)
        self._batch_size, self._seed = batch_size, seed % (1 << 64)
        self._rows = np.arange(batch_size)
        self._latest: tuple[int, Any] = -1, None

    def __getitem__(self, index: int) -> Batch:
        raise NotImplementedError

    def of_rows(self, rows: np.ndarray) -> Self:
        """The same batches with some rows only, ascending, as one of several processes has them."""
        part = copy.copy(self)
        part._rows = rows
        return part

    def _plan(self, epoch: int) -> Any:
        latest = self._latest  # Read once: another thread may replace it.
        if latest[0] != epoch:
            latest = self._latest = epoch, self._make_plan(epoch)
        return latest[1]

    def _make_plan(self, epoch: int) -> Any:
        raise NotImplementedError


class BatchIterator:
    """Batches in order, from any position on; the next ones are made while one is in use.

    Which batches come, and what `get_state` says, does not depend on how many workers make them.
    """

    def __init__(
        self, batches: EndlessBatches, rows: np.ndarray | None = None, *, workers: int = 0
    ):
        """Starts at the first batch.

        Args:
            rows: of each batch, those that this process makes, ascending; None: all.
            workers: processes that make them side by side; 0: a thread of this one.
        """
        self._batches = batches if rows is None else batches.of_rows(rows)
        self._workers = workers
        self._next_index = 0
        self._group: Sequence[Batch] = ()
        self._futures: collections.deque[concurrent.futures.Future] = collections.deque()
        self._submit: Callable[[int], concurrent.futures.Future] | None = None
        self._end: Callable[[], object] = lambda: None

    @property
    def time_major(self) -> Collection[str]:
        """Names of the arrays of a batch that are [T, B, ...]; the others are [B, ...]."""
        return self._batches.time_major

    def __iter__(self) -> "BatchIterator":
        return self

    def __next__(self) -> Batch:
        """The next batch.

        Raises:
            UserError: a worker ended, for example because memory ran out; or what the source says.
        """
        number, place = divmod(self._next_index, self._batches.made_together)
        if place == 0 or self._submit is None:
            self._group = self._make(number)
        self._next_index += 1
        return self._group[place]

    def _make(self, number: int) -> Sequence[Batch]:
        """The group of batches of a number; those that follow it are begun."""
        if self._submit is None:
            self._submit = self._start()
        try:
            while len(self._futures) <= _AHEAD * max(self._workers, 1):
                self._futures.append(self._submit(number + len(self._futures)))
            return self._futures.popleft().result()
        except concurrent.futures.BrokenExecutor as error:
            raise UserError(
                "one of the processes that make batches has ended early. If memory ran out, "
                "--config.data_workers=0 makes them in this process"
            ) from error

    def _start(self) -> Callable[[int], concurrent.futures.Future]:
        """Starts the thread or the processes; `(number) -> future group` of them."""
        executor: concurrent.futures.Executor
        make: Callable[[int], list[Batch]]
        if self._workers == 0:
            executor = concurrent.futures.ThreadPoolExecutor(1)
            make = functools.partial(_group, self._batches)
        else:
            executor = concurrent.futures.ProcessPoolExecutor(
                self._workers,
                multiprocessing.get_context("spawn"),
                initializer=_as_worker,
                initargs=(cloudpickle.dumps(self._batches),),  # which may hold local functions
            )
            make = _group_of_worker
        # Also at the end of the program: before Python takes apart what closing needs.
        self._end = weakref.finalize(self, executor.shutdown, cancel_futures=True)
        return lambda number: executor.submit(make, number)

    def get_state(self) -> dict[str, int]:
        """The position after the last batch handed out."""
        return {"next_index": self._next_index}

    def set_state(self, state: dict[str, int]) -> None:
        """Goes to a position that `get_state` gave, in this process or another."""
        self.close()
        self._next_index = state["next_index"]

    def close(self) -> None:
        """Ends the workers; another batch would start new ones."""
        self._end()
        self._futures.clear()
        self._submit = None


def _group(batches: EndlessBatches, number: int) -> list[Batch]:
    """The group of batches with this number."""
    size = batches.made_together
    return [batches[n] for n in range(number * size, (number + 1) * size)]


_batches_of_worker: EndlessBatches
"""In a worker: what it makes."""


def _group_of_worker(number: int) -> list[Batch]:
    return _group(_batches_of_worker, number)


def _as_worker(batches: bytes) -> None:
    """Leaves signals to the parent, which has a step to finish and asks for batches until then."""
    global _batches_of_worker
    _batches_of_worker = pickle.loads(batches)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends a worker when its parent ends, also by SIGKILL."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
