"""Batches for training that never run out, of which each process can make its own rows."""

import copy
from typing import Any, Self

import numpy as np

from rnnjax.data.buckets import check_positive

Batch = dict[str, np.ndarray]

ENDLESS = 1 << 62
"""Number of batches for training: they never run out."""


class EndlessBatches:
    """Batches of B rows; the one at an index is a function of the index.

    A subclass makes the rows `_rows` of a batch in `__getitem__`, and in `_make_plan` what the
    batches of an epoch have in common.

    Attributes:
        made_together: how many batches in a row are made in one piece of work.
    """

    made_together = 1

    def __init__(self, batch_size: int, seed: int):
        check_positive(batch_size=batch_size)
        self._batch_size, self._seed = batch_size, seed % (1 << 64)
        self._rows = np.arange(batch_size)
        self._latest: tuple[int, Any] = -1, None

    def __len__(self) -> int:
        return ENDLESS

    def __getitem__(self, index: int) -> Batch:
        raise NotImplementedError

    def of_rows(self, rows: np.ndarray) -> Self:
        """The same batches, with some of their rows only: as one of several processes makes them.

        Args:
            rows: which, ascending.
        """
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
