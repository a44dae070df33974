"""Which tags may follow which, as arrays."""

from typing import NamedTuple

import numpy as np

from rnnjax.typing import Array


class Constraints(NamedTuple):
    """What a sequence of tags may look like; anything else is illegal.

    Attributes:
        transitions: bool [K, K], whether tag j may come right after tag i, at `[i, j]`.
        start: bool [K], whether a sequence may begin with a tag.
        end: bool [K], whether it may end with it.
    """

    transitions: np.ndarray | Array
    start: np.ndarray | Array
    end: np.ndarray | Array
