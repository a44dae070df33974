"""Files that each process opens for itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")


class Reopened(Generic[T]):
    """An open file that can be sent to another process, where it is opened again."""

    def __init__(self, opener: Callable[[Path], T], path: Path):
        """Opens the file; raises what `opener` raises."""
        self._opener, self._path = opener, path.absolute()
        self._opened: T | None = opener(path)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_opened": None}

    def get(self) -> T:
        """What `opener` gave in this process."""
        if self._opened is None:
            self._opened = self._opener(self._path)
        return self._opened


def mapped(path: Path) -> np.ndarray:
    """The array of an .npy file, in a memory map; raises what numpy raises."""
    return np.load(path, mmap_mode="r", allow_pickle=False).view(np.ndarray)
