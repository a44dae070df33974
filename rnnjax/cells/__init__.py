"""Recurrent cells as records of pure functions, and the combinators that join them.

The cells themselves are names of `rnnjax`.
"""

from rnnjax.cells.linear import LinearSpec
from rnnjax.cells.memory import Entry, MemorySpec
from rnnjax.cells.stacked import stacked_form

__all__ = ["Entry", "LinearSpec", "MemorySpec", "stacked_form"]
