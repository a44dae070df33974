"""Ctrl-C and a scheduler's SIGTERM, answered between two steps."""

import signal
import threading
from typing import Any

from rnnjax.training.reporting.progress import say

EXIT_SAVED = 75
"""Exit code after `Interrupted`: EX_TEMPFAIL of sysexits.h, try the same again."""
EXIT_STOPPED = 130
"""Exit code of a command that was stopped at once: by a second signal, or before it trained."""


class Interrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM came and the state was saved; the same run goes on from there."""


class Interruption:
    """While entered, the first SIGINT or SIGTERM only sets `requested`; the second one stops.

    So the training state is never caught halfway through a step. JAX lets signals be answered while
    it waits for a device, 0.10 also while it compiles. With 0.11 they wait for the compiler; there
    `ends_at_the_second_signal` ends a command. Outside of the main thread, where Python delivers no
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
