"""Ctrl-C and a scheduler's SIGTERM: the first one saves and stops, the second one ends at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from rnnjax.training.reporting.progress import say

EXIT_SAVED = 75
"""Exit code after `Interrupted`: EX_TEMPFAIL of sysexits.h, try the same again."""
EXIT_STOPPED = 130
"""Exit code of a command that was stopped at once: by a second signal, or before it trained."""

SECONDS_TO_ANSWER = 1.0
"""Time that the main thread has to answer the second signal itself."""


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM came and the state was saved; the same run goes on from there."""


class Interruption:
    """While entered, the first SIGINT or SIGTERM only sets `requested`; the second one stops.

    So a signal never stops the training halfway through a step. JAX lets signals be answered while
    it waits for a device, 0.10 also while it compiles. With 0.11 they wait for the compiler; there
    `end_at_second_signal` ends a command. Outside of the main thread, where Python delivers no
    signals, it changes nothing.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        say(f"{signal.Signals(number).name}: saving after this step; once more to stop at once.")


@contextlib.contextmanager
def end_at_second_signal(
    end: Callable[[], object], first: Callable[[], bool] = lambda: False
) -> Iterator[None]:
    """While entered, calls `end` after a second SIGINT or SIGTERM that Python does not answer.

    Python's handlers run between two instructions of the main thread. JAX 0.10 lets them run while
    it compiles, 0.11 does not, and a large model compiles for minutes.

    Args:
        end: ends the process; called from another thread.
        first: whether the first signal is enough, as there is nothing to save; called there, too.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    left = threading.Event()

    def watch() -> None:
        signals = 0
        with open(reader, "rb", buffering=0) as numbers:
            while signals < 2 and not (signals and first()):
                number = numbers.read(1)
                if not number:
                    return
                signals += number[0] in (signal.SIGINT, signal.SIGTERM)
            if not left.wait(SECONDS_TO_ANSWER):
                end()

    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        left.set()
        signal.set_wakeup_fd(before)
        os.close(writer)
