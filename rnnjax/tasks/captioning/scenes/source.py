"""Digit scenes: pictures with captions, composed for each index."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.data.named_splits import SPLITS
from rnnjax.data.painted_digits import COLOURS, SIZES, Box, cutouts, held_out, instances, paint
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.captioning.scenes.grammar import (
    CLEAR_GAP,
    Group,
    Region,
    apart,
    around,
    caption_of,
    relation,
)

ENDLESS = 1 << 62
"""Number of scenes of training: they never run out."""

EVALUATION_SCENES = 1000
"""Number of scenes of validation and of test."""

SMALLEST_SIDE = 48
"""The smallest side of scenes, in pixels, at which all digits fit."""

COUNTS = (
    ((1,), (2,), (3,)),
    ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1)),
    ((1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)),
)
"""How many digits the groups of a scene have, for scenes of one, two and three groups."""

SPACING = (2, 5)
"""Least and most pixels between a digit and the next one of its group."""

SHIFT = 4
"""Most pixels that the next one is moved along the side of the one that it is put beside."""

_GROUPS = (1, 2, 2, 3)
_TRIES = 40

Draw = Callable[[], float]
"""Gives another random number in [0, 1) at every call."""


class Scene(NamedTuple):
    """A picture and what it shows.

    Attributes:
        image: uint8 [side, side, 3], red, green and blue.
        caption: its words.
        regions: for each word the boxes of the digits that it refers to, or None; see
            `grammar.caption_of`.
        groups: the groups of digits, in the order of the caption.
    """

    image: np.ndarray
    caption: tuple[str, ...]
    regions: tuple[Region, ...]
    groups: tuple[Group, ...]


class DigitScenes:
    """Scenes of one to four handwritten digits, captioned "a red seven above two blue threes".

    One to three groups of digits, small or large, each in a colour of its own, lie on a dark
    background without touching. `grammar` defines the caption of a scene. About a quarter of the
    scenes have one group, half of them two, a quarter three.

    The splits share no handwritten digit: see `painted_digits.instances`. Training and validation
    never show one of the pairs of colour and digit that `painted_digits.held_out` names; in the
    test split every scene shows at least one of them. These divisions are the same for every seed.

    The scene at an index is a function of seed, split, side and index.

    Attributes:
        split: train, validation or test.
    """

    def __init__(self, split: str, *, seed: int = 0, side: int = 56):
        """Opens a split.

        Args:
            side: height and width of the images, in pixels.

        Raises:
            UserError: there is no such split, or the images would be too small.
        """
        if split not in SPLITS:
            raise UserError(f"digit scenes have no split {split!r}: {did_you_mean(split, SPLITS)}")
        if side < SMALLEST_SIDE:
            raise UserError(f"digit scenes need a side of at least {SMALLEST_SIDE}, got {side}")
        self.split, self._seed, self._side = split, seed % (1 << 64), side
        self._instances = instances(split)
        self._cutouts = {size: cutouts(size) for size in SIZES}

    def __len__(self) -> int:
        return ENDLESS if self.split == "train" else EVALUATION_SCENES

    def __getitem__(self, index: int) -> Scene:
        """The scene at an index, 0 <= index < len(self)."""
        index = int(index)
        if not 0 <= index < len(self):
            raise IndexError(index)
        rng = np.random.default_rng([self._seed, SPLITS.index(self.split), index])
        groups = self._compose(_numbers(rng).__next__)
        digits = [
            (self._cutouts[group.size][instance], group.colour, box)
            for group in groups
            for instance, box in zip(group.instances, group.boxes, strict=True)
        ]
        return Scene(paint(digits, self._side, rng), *caption_of(groups), groups)

    def __iter__(self) -> Iterator[Scene]:
        return (self[index] for index in range(len(self)))

    def _compose(self, draw: Draw) -> tuple[Group, ...]:
        """Plans groups until all of them find a place; after some tries another plan is made."""
        while True:
            plan = self._plan(draw)
            shapes = [
                [self._cutouts[group.size][instance].shape for instance in group.instances]
                for group in plan
            ]
            for _ in range(_TRIES):
                places = _place_groups(shapes, self._side, draw)
                if places is not None:
                    pairs = zip(plan, places, strict=True)
                    return tuple(group._replace(boxes=boxes) for group, boxes in pairs)

    def _plan(self, draw: Draw) -> list[Group]:
        """The groups of a scene in the order of their colours, without boxes."""
        counts = _one_of(COUNTS[_one_of(_GROUPS, draw) - 1], draw)
        colours = sorted(range(len(COLOURS)), key=lambda _: draw())[: len(counts)]
        unusual = int(draw() * len(counts)) if self.split == "test" else None
        groups = []
        for n, (count, colour) in enumerate(zip(counts, sorted(colours), strict=True)):
            digits = list(range(10))
            if self.split != "test" or n == unusual:
                digits = [d for d in digits if held_out(COLOURS[colour], d) == (n == unusual)]
            digit = _one_of(digits, draw)
            chosen = tuple(_one_of(self._instances[digit], draw) for _ in range(count))
            groups.append(Group(digit, COLOURS[colour], _one_of(SIZES, draw), chosen, ()))
        return groups


def _place_groups(
    shapes: Sequence[Sequence[tuple[int, int]]], side: int, draw: Draw
) -> list[tuple[Box, ...]] | None:
    """Tries once to find boxes for the digits of all groups; None if they do not fit.

    The boxes around the groups are CLEAR_GAP pixels apart, and the first group has a clear
    `relation` to each of the others.
    """
    placed: list[tuple[Box, ...]] = []
    hulls: list[Box] = []
    for members in shapes:
        group = _place_group(members, side, draw)
        if group is None:
            return None
        hull = around(group)
        if hulls and relation(hulls[0], hull) is None:
            return None
        if not all(apart(hull, other, CLEAR_GAP) for other in hulls[1:]):
            return None
        placed.append(group)
        hulls.append(hull)
    return placed


def _place_group(
    shapes: Sequence[tuple[int, int]], side: int, draw: Draw
) -> tuple[Box, ...] | None:
    """The first digit may be anywhere; each further one is put beside the one before it."""
    (height, width), *others = shapes
    top, left = int(draw() * (side - height + 1)), int(draw() * (side - width + 1))
    boxes = [Box(top, left, top + height, left + width)]
    for height, width in others:
        box = _beside(boxes[-1], height, width, draw)
        if min(box.top, box.left) < 0 or max(box.bottom, box.right) > side:
            return None
        if not all(apart(box, other, SPACING[0]) for other in boxes):
            return None
        boxes.append(box)
    return tuple(boxes)


def _beside(box: Box, height: int, width: int, draw: Draw) -> Box:
    least, most = SPACING
    space = least + int(draw() * (most - least + 1))
    shift = int(draw() * (2 * SHIFT + 1)) - SHIFT
    which = int(draw() * 4)
    if which < 2:
        left = box.left + shift
        top = box.bottom + space if which == 0 else box.top - space - height
    else:
        top = box.top + shift
        left = box.right + space if which == 2 else box.left - space - width
    return Box(top, left, top + height, left + width)


def _numbers(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.random(64).tolist()


def _one_of(items: Sequence, draw: Draw):
    return items[int(draw() * len(items))]
