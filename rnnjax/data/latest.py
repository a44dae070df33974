"""The last result of a function, kept."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """A function of a number that is often asked for the same number many times in a row.

    Unlike `functools.lru_cache` around a bound method it can be sent to another process.
    """

    def __init__(self, function: Callable[[int], T]):
        """Keeps nothing yet."""
        self._function = function
        self._kept: tuple[int, T] | None = None

    def __call__(self, number: int) -> T:
        """What the function gives for the number."""
        if self._kept is None or self._kept[0] != number:
            self._kept = (number, self._function(number))
        return self._kept[1]
