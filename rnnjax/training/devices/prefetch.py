"""Batches on the device before they are needed."""

import itertools
import json
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol

from rnnjax.training.devices.placement import LOCAL, Placement

PyTree = Any


class DataIterator(Protocol):
    """What the training loop reads: an iterator that knows where it is.

    The arrays of a batch must not be written to after they were handed out: on the CPU the
    device may use the same memory.
    """

    def __iter__(self) -> "DataIterator": ...

    def __next__(self) -> PyTree: ...

    def get_state(self) -> Any:
        """The position after the last batch handed out; JSON-able."""

    def set_state(self, state: Any) -> None:
        """Goes to a position that `get_state` gave."""


class Loaded(NamedTuple):
    """A batch on the device.

    Attributes:
        batch: the batch.
        position: JSON text of the iterator's position right after this batch.
        last: no batch follows.
    """

    batch: PyTree
    position: str
    last: bool


def prefetch(batches: DataIterator, limit: int, placement: Placement = LOCAL) -> Iterator[Loaded]:
    """Yields at most `limit` batches, each sent to its devices while the one before is in use."""
    ahead: Loaded | None = None
    for batch in itertools.islice(batches, limit):
        loaded = Loaded(placement.put_batch(batch), json.dumps(batches.get_state()), last=False)
        if ahead is not None:
            yield ahead
        ahead = loaded
    if ahead is not None:
        yield ahead._replace(last=True)
