"""The end of a command that is told twice to stop, also while Python carries out nothing."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator

PATIENCE = 1.0
"""Seconds that the main thread has to answer the second signal itself."""


@contextlib.contextmanager
def ends_at_the_second_signal(end: Callable[[], object]) -> Iterator[None]:
    """While entered, a second SIGINT or SIGTERM that is not answered leads to `end`.

    Python's handlers run between two instructions of the main thread. JAX 0.10 lets them run while
    it compiles, 0.11 does not, and a large model compiles for minutes.

    Args:
        end: ends the process; called from another thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrivals, told = os.pipe()
    os.set_blocking(told, False)
    left = threading.Event()
    before = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(arrivals, left, end), daemon=True).start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        os.close(told)


def _watch(arrivals: int, left: threading.Event, end: Callable[[], object]) -> None:
    requests = 0
    with open(arrivals, "rb", buffering=0) as numbers:
        while requests < 2:
            number = numbers.read(1)
            if not number:
                return
            requests += number[0] in (signal.SIGINT, signal.SIGTERM)
        if not left.wait(PATIENCE):
            end()
