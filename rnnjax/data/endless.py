"""What all shuffled batches for training have in common."""

import copy
from typing import Self

import numpy as np

from rnnjax.data.buckets import check_positive
from rnnjax.data.streams import ENDLESS


class EndlessBatches:
    """Batches of B rows that never run out; the one at an index is a function of the index.

    What makes a batch takes the rows `_rows` of the B that there are.
    """

    made_together = 1

    def __init__(self, batch_size: int, seed: int):
        """Begins with all rows.

        Args:
            batch_size: B.
            seed: any integer; `_seed` is what numpy takes.

        Raises:
            UserError: B is not positive.
        """
        check_positive(batch_size=batch_size)
        self._batch_size, self._seed = batch_size, seed % (1 << 64)
        self._rows = np.arange(batch_size)

    def __len__(self) -> int:
        return ENDLESS

    def of_rows(self, rows: np.ndarray) -> Self:
        """The same batches, with some of their rows only: as one of several processes makes them.

        Args:
            rows: which, ascending.
        """
        part = copy.copy(self)
        part._rows = rows
        return part
