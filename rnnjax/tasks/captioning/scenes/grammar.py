"""The language of digit scenes: the caption of a scene, and what each of its words refers to.

    caption   = phrase | phrase relation phrase | phrase relation phrase "and" relation phrase
    phrase    = number [size] colour noun
    number    = "a" | "two" | "three"
    size      = "small" | "large"
    relation  = "above" | "below" | "left" "of" | "right" "of"

A phrase names a group: all digits of one colour, which share one value and one size. These rules
give every scene exactly one caption:

- Groups are named in the order of COLOURS. No two groups of a scene have the same colour.
- The noun is plural where the number is.
- Sizes are named, for every group, in scenes that have digits of both sizes, and in no others.
- Every relation says where the first group is relative to the group after the relation. The
  position of a group is that of the box around its digits. See `relation`.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rnnjax.data.painted_digits import COLOURS, SIZES, Box

NUMBERS = ("a", "two", "three")
SINGULAR = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PLURAL = tuple(noun + ("es" if noun == "six" else "s") for noun in SINGULAR)
RELATIONS = (("above",), ("below",), ("left", "of"), ("right", "of"))

VOCABULARY = tuple(
    sorted({*COLOURS, *SIZES, *NUMBERS, *SINGULAR, *PLURAL, *sum(RELATIONS, ()), "and"})
)
"""All words of captions."""

MAX_WORDS = 17
"""Length of the longest captions: three phrases of four words, two relations of two, an "and"."""

CLEAR_GAP = 3
"""The least number of free pixels between two groups of which one is above the other."""

CLEAR_RATIO = 1.5
"""The least ratio of the distance in that direction to the distance in the other."""

Region = tuple[Box, ...] | None


class Group(NamedTuple):
    """All digits of one colour in a scene.

    Attributes:
        digit: 0 to 9.
        colour: one of COLOURS.
        size: one of SIZES.
        instances: which handwritten digits, as indices into scikit-learn's `load_digits`.
        boxes: the position of each of them, in the same order.
    """

    digit: int
    colour: str
    size: str
    instances: tuple[int, ...]
    boxes: tuple[Box, ...]


def around(boxes: Iterable[Box]) -> Box:
    """The smallest box that contains all of some boxes."""
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return Box(min(tops), min(lefts), max(bottoms), max(rights))


def apart(a: Box, b: Box, gap: int) -> bool:
    """Whether at least `gap` whole rows or columns lie between two boxes."""
    vertical = max(b.top - a.bottom, a.top - b.bottom)
    horizontal = max(b.left - a.right, a.left - b.right)
    return max(vertical, horizontal) >= gap


def relation(a: Box, b: Box) -> tuple[str, ...] | None:
    """The words that say where `a` is relative to `b`: above, below, left of or right of.

    The direction is the one in which the centres are further apart. None where it is unclear:
    fewer than CLEAR_GAP pixels lie between the two in that direction, or the distance of the
    centres is less than CLEAR_RATIO times the distance in the other direction.
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


def caption_of(groups: Sequence[Group]) -> tuple[tuple[str, ...], tuple[Region, ...]]:
    """The caption of a scene, the only one that the rules allow.

    Args:
        groups: of the scene, one to three, in any order.

    Returns:
        Its words, and for each word the boxes that it refers to. For "two" and "three", sizes,
        colours and nouns these are the boxes of all digits of the group. None for "a", "and" and
        the words of relations, which refer to nothing.

    Raises:
        ValueError: the relation between two groups is unclear.
    """
    groups = sorted(groups, key=lambda group: COLOURS.index(group.colour))
    sizes_differ = len({group.size for group in groups}) > 1
    first, *others = groups
    pairs = _phrase(first, sizes_differ)
    for n, other in enumerate(others):
        where = relation(around(first.boxes), around(other.boxes))
        if where is None:
            raise ValueError(f"no relation between {first} and {other}")
        pairs += [(word, None) for word in (("and", *where) if n else where)]
        pairs += _phrase(other, sizes_differ)
    words, regions = zip(*pairs, strict=True)
    return words, regions


def _phrase(group: Group, with_size: bool) -> list[tuple[str, Region]]:
    many = len(group.boxes) > 1
    noun = (PLURAL if many else SINGULAR)[group.digit]
    words = [*([group.size] if with_size else []), group.colour, noun]
    number = NUMBERS[len(group.boxes) - 1]
    return [(number, group.boxes if many else None), *((word, group.boxes) for word in words)]
