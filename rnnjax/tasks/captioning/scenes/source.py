"""Digit scenes: pictures with captions, composed anew for every index."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.data.endless_batches import ENDLESS
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.captioning.scenes.digits import SPLITS, cutouts, instances
from rnnjax.tasks.captioning.scenes.grammar import COLOURS, SIZES, Group, Region, caption_of
from rnnjax.tasks.captioning.scenes.layout import Draw, lay_out
from rnnjax.tasks.captioning.scenes.painting import Stroke, paint

EVALUATION_SCENES = 1000
"""How many scenes validation and test have each."""

SMALLEST_SIDE = 48
"""Scenes must not be smaller, in pixels, for all their digits to find a place."""

COUNTS = (
    ((1,), (2,), (3,)),
    ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3), (3, 1)),
    ((1, 1, 1), (2, 1, 1), (1, 2, 1), (1, 1, 2)),
)
"""How many digits the groups of a scene have, for scenes of one, two and three groups."""

_GROUPS = (1, 2, 2, 3)
_TRIES = 40


class Scene(NamedTuple):
    """A picture and what it shows.

    Attributes:
        image: uint8 [side, side, 3], red, green and blue.
        caption: its words.
        regions: for each word the boxes of the digits that it speaks of, or None; see
            `grammar.Caption`.
        groups: what there is to see, in the order of the caption.
    """

    image: np.ndarray
    caption: tuple[str, ...]
    regions: tuple[Region, ...]
    groups: tuple[Group, ...]


class DigitScenes:
    """Scenes of one to four handwritten digits, captioned "a red seven above two blue threes".

    One to three groups of digits, small or large, each in a colour of its own, lie on a dark ground
    without touching. `grammar` tells how a scene gets its caption. About a quarter of the scenes
    have one group, half of them two, a quarter three.

    The splits share no handwritten digit: see `digits.instances`. Training and validation never
    show one of the pairs of colour and digit that `held_out` names; in the test split every scene
    shows at least one of them. These divisions are the same for every seed.

    The scene at an index is a function of seed, split, side and index.

    Attributes:
        split: train, validation or test.
    """

    def __init__(self, split: str, *, seed: int = 0, side: int = 56):
        """Opens a split.

        Args:
            split: train, validation or test.
            seed: of the scenes.
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
        strokes = [
            Stroke(self._cutouts[group.size][instance], group.colour, box)
            for group in groups
            for instance, box in zip(group.instances, group.boxes, strict=True)
        ]
        return Scene(paint(strokes, self._side, rng), *caption_of(groups), groups)

    def __iter__(self) -> Iterator[Scene]:
        return (self[index] for index in range(len(self)))

    def _compose(self, draw: Draw) -> tuple[Group, ...]:
        """Plans scenes until one finds its place; a crowded plan more often has to give way."""
        while True:
            plan = self._plan(draw)
            shapes = [
                [self._cutouts[group.size][instance].shape for instance in group.instances]
                for group in plan
            ]
            for _ in range(_TRIES):
                places = lay_out(shapes, self._side, draw)
                if places is not None:
                    pairs = zip(plan, places, strict=True)
                    return tuple(group._replace(boxes=boxes) for group, boxes in pairs)

    def _plan(self, draw: Draw) -> list[Group]:
        """The groups of a scene in the order of their colours, without a place."""
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


def held_out(colour: str, digit: int) -> bool:
    """Whether only the test split shows this digit in this colour.

    For each digit it is one colour of the six, for each colour one digit or two.

    Args:
        colour: one of `grammar.COLOURS`.
        digit: 0 to 9.
    """
    return digit % len(COLOURS) == COLOURS.index(colour)


def _numbers(rng: np.random.Generator) -> Iterator[float]:
    while True:
        yield from rng.random(64).tolist()


def _one_of(things: Sequence, draw: Draw):
    return things[int(draw() * len(things))]
