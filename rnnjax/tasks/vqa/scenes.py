"""Scenes that are made up: handwritten digits in colours, two to four in the quarters of an image.

The question kinds are

    place               Which digit is in the top left?
    where               Where is the red digit?   Where is the 7?
    digit               Which digit is red?
    colour              Which colour is the 7?   Which colour is the digit in the top left?
    count               How many digits are there?   How many digits are red?
    relation            Which digit is above the red one?   Which colour is the digit left of the 7?
    same or different   Are the red and the blue digit the same?   Do the top left and the top right
                        digit have the same colour?

A digit is called by its colour, or its value, only where no other digit of the scene has it.
"""

import itertools
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from rnnjax.data.named_splits import SPLITS
from rnnjax.data.painted_digits import COLOURS, Box, cutouts, held_out, instances, paint
from rnnjax.tasks.vqa.questions import AskedImage, Question

SIDE = 24
"""The least height and width of a scene, in pixels."""

SCENES = {"train": 40000, "validation": 300, "test": 1000}
PLACES = ("top left", "top right", "bottom left", "bottom right")
RELATIONS = {
    ("top right", "top left"): "right of",
    ("top left", "top right"): "left of",
    ("bottom right", "bottom left"): "right of",
    ("bottom left", "bottom right"): "left of",
    ("top left", "bottom left"): "above",
    ("top right", "bottom right"): "above",
    ("bottom left", "top left"): "below",
    ("bottom right", "top right"): "below",
}
"""Where a digit in the first place lies, seen from one in the second."""

TWICE = ("relation", "same or different")
"""Kinds that training scenes ask two questions of, as they take two digits."""

AGAIN = 0.4
"""How often a digit has the colour, and how often the value, of one that is there already."""


class Digit(NamedTuple):
    """A digit of a scene: one of PLACES, one of COLOURS, and 0 to 9."""

    place: str
    colour: str
    value: int


def make_scenes(split: str, count: int | None = None, *, side: int = SIDE) -> list[AskedImage]:
    """The scenes of a split, the same in every run: one question of each kind that can be asked.

    The splits share no handwritten digit. Training and validation never show the pairs of colour
    and digit that `held_out` names; every scene of the test has one of them at least.

    Args:
        count: how many; None: all of them.
        side: height and width of the images, in pixels, `SIDE` at least.
    """
    made = []
    for n in range(SCENES[split] if count is None else count):
        rng = random.Random(f"{split} {n}")
        digits = draw_digits(rng, split)
        asked = [*ask(digits, rng)]
        image = _paint(digits, split, rng, n, side)
        if split == "train":
            asked += [one for one in ask(digits, rng) if one.kind in TWICE]
        made.append(AskedImage(f"scene {n}", image, tuple(asked)))
    return made


def draw_digits(rng: random.Random, split: str) -> list[Digit]:
    """The digits of a scene, in the order of PLACES."""
    while True:
        digits: list[Digit] = []
        for place in sorted(rng.sample(PLACES, rng.choice((2, 3, 3, 4, 4))), key=PLACES.index):
            again = [rng.choice(digits) if digits and rng.random() < AGAIN else None for _ in "cv"]
            colour = again[0].colour if again[0] else rng.choice(COLOURS)
            value = again[1].value if again[1] else rng.randrange(10)
            digits.append(Digit(place, colour, value))
        if any(held_out(one.colour, one.value) for one in digits) == (split == "test"):
            return digits


def ask(digits: Sequence[Digit], rng: random.Random) -> Iterator[Question]:
    """Asks a question of each kind about the digits of a scene, where there is one to ask."""
    one, other = rng.sample(digits, 2)
    yield Question(f"Which digit is in the {one.place}?", str(one.value), "place")
    colours, values = (Counter(column) for column in list(zip(*digits, strict=True))[1:])
    of_colour = {digit.colour: digit for digit in digits if colours[digit.colour] == 1}
    names: dict[Digit, list[str]] = {digit: [] for digit in digits}
    for digit in digits:
        if digit.colour in of_colour:
            names[digit].append(f"{digit.colour} one")
        if values[digit.value] == 1:
            names[digit].append(str(digit.value))
    if of_colour:
        colour = rng.choice(sorted(of_colour))
        yield Question(f"Which digit is {colour}?", str(of_colour[colour].value), "digit")
    if called := [(digit, name) for digit in digits for name in names[digit]]:
        digit, name = rng.choice(called)
        name = name.replace(" one", " digit")
        yield Question(f"Where is the {name}?", digit.place, "where")
    known = [f"digit in the {other.place}"] + [str(other.value)] * (values[other.value] == 1)
    yield Question(f"Which colour is the {rng.choice(known)}?", other.colour, "colour")
    if rng.random() < 0.3:
        yield Question("How many digits are there?", str(len(digits)), "count")
    else:
        colour = rng.choice([rng.choice(digits).colour, rng.choice(COLOURS)])
        yield Question(f"How many digits are {colour}?", str(colours[colour]), "count")
    pairs = [
        (a, f"{RELATIONS[a.place, b.place]} the {name}")
        for a, b in itertools.permutations(digits, 2)
        if (a.place, b.place) in RELATIONS
        for name in names[b]
    ]
    if pairs:
        digit, where = rng.choice(pairs)
        if rng.random() < 0.5:
            yield Question(f"Which digit is {where}?", str(digit.value), "relation")
        else:
            yield Question(f"Which colour is the digit {where}?", digit.colour, "relation")
    yield _same_or_different(digits, of_colour, rng)


def _same_or_different(
    digits: Sequence[Digit], of_colour: Mapping[str, Digit], rng: random.Random
) -> Question:
    """About the values of two digits, or about their colours; half the time the same ones."""
    by_value = len(of_colour) > 1 and rng.random() < 0.5
    pairs = list(itertools.permutations(of_colour.values() if by_value else digits, 2))
    wanted = rng.random() < 0.5
    rng.shuffle(pairs)
    are_same = [a.value == b.value if by_value else a.colour == b.colour for a, b in pairs]
    same = wanted if wanted in are_same else not wanted
    a, b = pairs[are_same.index(same)]
    text = (
        f"Are the {a.colour} and the {b.colour} digit the same?"
        if by_value
        else f"Do the {a.place} and the {b.place} digit have the same colour?"
    )
    return Question(text, "yes" if same else "no", "same or different")


def _paint(
    digits: Sequence[Digit], split: str, rng: random.Random, number: int, side: int
) -> np.ndarray:
    painted, half = [], side // 2
    for place, colour, value in digits:
        ink = cutouts("small")[rng.choice(instances(split)[value])]
        height, width = ink.shape
        row, column = divmod(PLACES.index(place), 2)
        top = row * half + rng.randint(0, half - height)
        left = column * half + rng.randint(0, half - width)
        painted.append((ink, colour, Box(top, left, top + height, left + width)))
    noise = np.random.default_rng([SPLITS.index(split), number])
    return paint(painted, side, noise)
