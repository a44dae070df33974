"""The language of digit scenes: which caption a scene has, and what each of its words points at.

    caption   = phrase | phrase relation phrase | phrase relation phrase "and" relation phrase
    phrase    = number [size] colour noun
    number    = "a" | "two" | "three"
    size      = "small" | "large"
    relation  = "above" | "below" | "left" "of" | "right" "of"

A phrase names a group: all digits of one colour, which are of one kind and one size. These rules
leave every scene exactly one caption:

- Groups are named in the order of COLOURS. No two groups of a scene have the same colour.
- The noun is plural where the number is.
- Sizes are said in scenes that have digits of both sizes, there for every group, and in no others.
- Every relation says where the first group lies, seen from the group after the relation; a group
  lies where the box around its digits does. See `boxes.relation`.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rnnjax.tasks.captioning.scenes.boxes import Box, around, relation

COLOURS = ("red", "yellow", "green", "blue", "purple", "white")
SIZES = ("small", "large")
NUMBERS = ("a", "two", "three")
SINGULAR = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
PLURAL = (
    *("zeros", "ones", "twos", "threes", "fours"),
    *("fives", "sixes", "sevens", "eights", "nines"),
)
RELATIONS = (("above",), ("below",), ("left", "of"), ("right", "of"))

VOCABULARY = tuple(
    sorted({*COLOURS, *SIZES, *NUMBERS, *SINGULAR, *PLURAL, *sum(RELATIONS, ()), "and"})
)
"""Every word of every caption."""

MAX_WORDS = 17
"""Words of the longest captions: three phrases of four, two relations of two, and one "and"."""

Region = tuple[Box, ...] | None


class Group(NamedTuple):
    """All digits of one colour in a scene.

    Attributes:
        digit: 0 to 9.
        colour: one of COLOURS.
        size: one of SIZES.
        instances: which handwritten digits, as indices into scikit-learn's `load_digits`.
        boxes: where each of them is, in the same order.
    """

    digit: int
    colour: str
    size: str
    instances: tuple[int, ...]
    boxes: tuple[Box, ...]


class Caption(NamedTuple):
    """The words of a caption, and what they point at.

    Attributes:
        words: each in VOCABULARY.
        regions: for each word the boxes that it speaks of: for the number words "two" and "three",
            sizes, colours and nouns those of all digits of their group; None for the article "a",
            for "and" and for the words of relations, which point at nothing.
    """

    words: tuple[str, ...]
    regions: tuple[Region, ...]


def caption_of(groups: Sequence[Group]) -> Caption:
    """The caption of a scene.

    Args:
        groups: of the scene, one to three, in any order.

    Returns:
        The only caption that the rules allow.

    Raises:
        ValueError: where a group lies, seen from another, is not plain to see.
    """
    groups = sorted(groups, key=lambda group: COLOURS.index(group.colour))
    sizes_differ = len({group.size for group in groups}) > 1
    first, *others = groups
    said = _phrase(first, sizes_differ)
    for n, other in enumerate(others):
        where = relation(around(first.boxes), around(other.boxes))
        if where is None:
            raise ValueError(f"no relation between {first} and {other}")
        said += [(word, None) for word in (("and", *where) if n else where)]
        said += _phrase(other, sizes_differ)
    words, regions = zip(*said, strict=True)
    return Caption(words, regions)


def _phrase(group: Group, with_size: bool) -> list[tuple[str, Region]]:
    many = len(group.boxes) > 1
    words = [
        *([group.size] if with_size else []),
        group.colour,
        (PLURAL if many else SINGULAR)[group.digit],
    ]
    number = NUMBERS[len(group.boxes) - 1]
    return [(number, group.boxes if many else None), *((word, group.boxes) for word in words)]
