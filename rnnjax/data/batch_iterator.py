"""Batches one after another, made ahead by a thread or by processes of their own."""

import multiprocessing
import os
import signal
import threading
import weakref
from collections.abc import Iterator, Sequence
from typing import Protocol

import grain
import grain.experimental
import numpy as np
from absl import flags

from rnnjax.data.endless_batches import Batch
from rnnjax.errors import UserError

_AHEAD = 2
"""Groups of batches that are made before they are asked for, by each thread or process."""


class Source(Protocol):
    """Endless batches by their index: `TrainingWindows`, `TrainingBatches`.

    `of_rows` gives the same batches with some of their rows only.

    Attributes:
        made_together: how many batches in a row it makes in one piece of work.
    """

    @property
    def made_together(self) -> int: ...  # noqa: D102

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Batch: ...

    def of_rows(self, rows: np.ndarray) -> "Source": ...  # noqa: D102


class BatchIterator:
    """The batches of a source in order, from any position on; see `iterator`.

    Which batches come, and what `get_state` says, does not depend on how many workers make them.
    """

    def __init__(self, batches: Source, workers: int):
        self._batches, self._workers = batches, workers
        self._next_index = 0
        self._running: list[grain.DatasetIterator] = []
        self._group: Sequence[Batch] = ()
        # Also at the end of the program: before Python takes apart what closing needs.
        weakref.finalize(self, _close, self._running)

    def __iter__(self) -> "BatchIterator":
        return self

    def __next__(self) -> Batch:
        """The next batch.

        Raises:
            UserError: a worker ended, for example because memory ran out; or what the source says.
        """
        number, place = divmod(self._next_index, self._batches.made_together)
        if not self._running:
            self._running.append(iter(_ahead(_Groups(self._batches, number), self._workers)))
            self._group = _read(self._running[0])
        elif place == 0:
            self._group = _read(self._running[0])
        self._next_index += 1
        return self._group[place]

    def get_state(self) -> dict[str, int]:
        """The position after the last batch handed out."""
        return {"next_index": self._next_index}

    def set_state(self, state: dict[str, int]) -> None:
        """Goes to a position that `get_state` gave, in this process or another."""
        self.close()
        self._next_index = state["next_index"]

    def close(self) -> None:
        """Ends the workers; another batch would start new ones."""
        _close(self._running)


def iterator(batches: Source, rows: np.ndarray | None = None, *, workers: int = 0) -> BatchIterator:
    """The batches in order; the next ones are made while one is in use.

    Args:
        batches: by index.
        rows: of each batch, those that this process makes, ascending; None: all.
        workers: processes that make them side by side; 0: a thread of this one.
    """
    return BatchIterator(batches if rows is None else batches.of_rows(rows), workers)


def _read(groups: Iterator[Sequence[Batch]]) -> Sequence[Batch]:
    try:
        return next(groups)
    except RuntimeError as error:
        if not str(error).startswith("Worker process was terminated"):
            raise
        raise UserError(
            f"one of the processes that make batches ended ({error}). If memory ran out, "
            f"--config.data_workers=0 makes them in this process"
        ) from error


def _close(running: list[grain.DatasetIterator]) -> None:
    while running:
        running.pop().close()


class _Groups:
    """What is made together, by its number, from one of them on."""

    def __init__(self, batches: Source, first: int):
        self._batches, self._first = batches, first

    def __len__(self) -> int:
        return len(self._batches) // self._batches.made_together - self._first

    def __getitem__(self, index: int) -> list[Batch]:
        size = self._batches.made_together
        start = (self._first + int(index)) * size
        return [self._batches[n] for n in range(start, start + size)]


def _ahead(groups: _Groups, workers: int) -> grain.IterDataset:
    in_order = grain.MapDataset.source(groups)
    if workers == 0:
        thread = grain.ReadOptions(num_threads=1, prefetch_buffer_size=_AHEAD)
        return in_order.to_iter_dataset(thread)
    if not flags.FLAGS.is_parsed():
        # Grain asks for its own flags, which a program without absl.app.run never parses.
        flags.FLAGS.mark_as_parsed()
    here = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    processes = grain.MultiprocessingOptions(num_workers=workers, per_worker_buffer_size=_AHEAD)
    # Shared memory would have to be cleaned up after every kind of death.
    through_pipes = grain.experimental.DatasetOptions(min_shm_size=1 << 62)
    batches = grain.experimental.WithOptionsIterDataset(
        in_order.to_iter_dataset(here), through_pipes
    )
    return batches.mp_prefetch(processes, worker_init_fn=_as_worker)


def _as_worker(number: int, count: int) -> None:
    """Leaves signals to the parent, which has a step to finish and asks for batches until then."""
    del number, count
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """However the parent ends: after a SIGKILL nobody else would end its workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
