"""How much of the training time goes by because the next batch is not there."""

import functools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import TypeVar

import jax

COMPILATION = "/jax/core/compile/backend_compile_duration"
Batch = TypeVar("Batch")


class DataWait:
    """Measures the share of the time in which the device idles for want of a batch.

    The host reads ahead of the device: that it waits for a batch costs nothing as long as the
    device is busy. So a wait counts only if the device is found idle at its end, and then as a
    whole: the share is an upper bound. Steps at which something is compiled do not count at all.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._compiled = 0
        self._waited = self._total = 0.0
        self._reported = 0.0, 0.0

    def watch(self, batches: Iterator[Batch], idle: Callable[[], bool]) -> Iterator[Batch]:
        """Hands batches on.

        Args:
            batches: where they come from.
            idle: whether the device has done all steps so far; must not wait.
        """
        while True:
            began = time.perf_counter()
            try:
                batch = next(batches)
            except StopIteration:
                return
            now, compiled = time.perf_counter(), _compilations()[COMPILATION]
            if self._since is not None and compiled == self._compiled:
                self._total += now - self._since
                self._waited += now - began if idle() else 0.0
            self._since, self._compiled = now, compiled
            yield batch

    def pause(self) -> None:
        """What follows is no training, until `go_on`."""
        if self._since is not None and _compilations()[COMPILATION] == self._compiled:
            self._total += time.perf_counter() - self._since
        self._since = None

    def go_on(self) -> None:
        """Training goes on."""
        self._since, self._compiled = time.perf_counter(), _compilations()[COMPILATION]

    def share(self) -> float | None:
        """Of the time so far, 0 to 1; None: none was measured."""
        return self._waited / self._total if self._total else None

    def share_since_last(self) -> float | None:
        """Of the time since this was last asked, 0 to 1; None: none was measured."""
        waited, total = self._waited - self._reported[0], self._total - self._reported[1]
        self._reported = self._waited, self._total
        return waited / total if total else None


@functools.cache
def _compilations() -> Counter[str]:
    """How often JAX did what in this process since the first call, compilations among it."""
    seen: Counter[str] = Counter()

    def note(event: str, duration_secs: float, **_: object) -> None:
        seen[event] += 1

    jax.monitoring.register_event_duration_secs_listener(note)
    return seen
