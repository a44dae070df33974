"""The last result of a function, kept."""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """Keeps what was made for a number that is often asked for many times in a row.

    Unlike a method under `functools.lru_cache` its owner can be sent to another process.
    """

    def __init__(self) -> None:
        """Keeps nothing yet."""
        self._kept: tuple[int, T] | None = None

    def of(self, number: int, make: Callable[[int], T]) -> T:
        """What `make` gives for the number, made anew if the number before was another."""
        if self._kept is None or self._kept[0] != number:
            self._kept = (number, make(number))
        return self._kept[1]
