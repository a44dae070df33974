"""Rectangles of pixels, and how two of them lie to each other."""

from collections.abc import Iterable
from typing import NamedTuple

CLEAR_GAP = 3
"""Pixels that are free between two things of which one is said to be above the other."""

CLEAR_RATIO = 1.5
"""How much further apart, at least, they are in that direction than in the other."""


class Box(NamedTuple):
    """A rectangle of pixels: rows top to bottom - 1, columns left to right - 1."""

    top: int
    left: int
    bottom: int
    right: int


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box that holds all of some boxes."""
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return Box(min(tops), min(lefts), max(bottoms), max(rights))


def apart(a: Box, b: Box, gap: int) -> bool:
    """Whether at least `gap` whole rows or columns lie between two boxes."""
    vertical = max(b.top - a.bottom, a.top - b.bottom)
    horizontal = max(b.left - a.right, a.left - b.right)
    return max(vertical, horizontal) >= gap


def relation(a: Box, b: Box) -> tuple[str, ...] | None:
    """The words that say where `a` lies, seen from `b`.

    The direction is the one in which the centres are further apart, the vertical or the horizontal.

    Args:
        a: what is spoken of.
        b: what it is compared to.

    Returns:
        above, below, left of or right of, word by word; None where that would not be plain to see:
        where fewer than CLEAR_GAP pixels lie between the two in that direction, or the distance of
        the centres is less than CLEAR_RATIO times the distance in the other direction.
    """
    down = b.top + b.bottom - a.top - a.bottom
    across = b.left + b.right - a.left - a.right
    if abs(down) >= CLEAR_RATIO * abs(across):
        if b.top - a.bottom >= CLEAR_GAP:
            return ("above",)
        if a.top - b.bottom >= CLEAR_GAP:
            return ("below",)
    if abs(across) >= CLEAR_RATIO * abs(down):
        if b.left - a.right >= CLEAR_GAP:
            return ("left", "of")
        if a.left - b.right >= CLEAR_GAP:
            return ("right", "of")
    return None
