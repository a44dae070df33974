"""Scenes: each answer against a reader of the question, and what the splits share."""

import random
import re

import numpy as np
import pytest

from rnnjax.data.painted_digits import COLOURS, PALETTE, held_out
from rnnjax.tasks.vqa import scenes

SPLITS = ("train", "validation", "test")
STEPS = {"right": (0, 1), "left": (0, -1), "below": (1, 0), "above": (-1, 0)}


def at(place):
    vertical, horizontal = place.split()
    return int(vertical == "bottom"), int(horizontal == "right")


def true_answer(question, digits):
    """The answer, found by looking at every digit."""
    seen = {at(place): (colour, value) for place, colour, value in digits}

    def one(what):
        """The only digit that a description fits."""
        if found := re.fullmatch(r"(?:digit in the )?((?:top|bottom) (?:left|right))", what):
            return seen[at(found[1])]
        if found := re.fullmatch(r"digit (right|left|below|above)(?: of)? the (.*)", what):
            (down, across), other = STEPS[found[1]], one(found[2])
            (place,) = [where for where, its in seen.items() if its == other]
            return seen[place[0] + down, place[1] + across]
        what = what.removesuffix(" one")
        (fits,) = [its for its in seen.values() if what in (its[0], str(its[1]))]
        return fits

    if found := re.fullmatch(r"How many digits are (\w+)\?", question):
        return str(sum(found[1] in ("there", colour) for colour, _ in seen.values()))
    if found := re.fullmatch(r"Which digit is (?:in )?(?:the )?([\w ]+)\?", question):
        what = found[1]
        relation = re.match(r"right of|left of|below|above", what)
        return str(one(f"digit {what}" if relation else what)[1])
    if found := re.fullmatch(r"Which colour is the ([\w ]+)\?", question):
        return one(found[1])[0]
    if found := re.fullmatch(r"Are the (\w+) and the (\w+) digit the same\?", question):
        return "yes" if one(found[1])[1] == one(found[2])[1] else "no"
    if found := re.fullmatch(r"Where is the (\w+)(?: digit)?\?", question):
        (place,) = [p for p, *its in digits if found[1] in (its[0], str(its[1]))]
        return place
    found = re.fullmatch(r"Do the (.*) and the (.*) digit have the same colour\?", question)
    return "yes" if one(found[1])[0] == one(found[2])[0] else "no"


@pytest.mark.parametrize("split", SPLITS)
def test_answers_are_true(split):
    kinds = set()
    for seed in range(400):
        rng = random.Random(seed)
        digits = scenes.draw_digits(rng, split)
        for question in scenes.ask(digits, rng):
            assert question.answer == true_answer(question.text, digits), (question, digits)
            kinds.add(question.kind)
    assert len(kinds) == 7


def test_digits_are_painted_where_and_as_the_scene_says():
    for n, scene in enumerate(scenes.make_scenes("test", 60, side=32)):
        digits = scenes.draw_digits(random.Random(f"test {n}"), "test")
        for place in scenes.PLACES:
            row, column = at(place)
            quarter = scene.image[16 * row : 16 * row + 16, 16 * column : 16 * column + 16]
            brightest = quarter.reshape(-1, 3)[quarter.max(axis=-1).argmax()].astype(float)
            here = [one.colour for one in digits if one.place == place]
            if here:
                hues = [np.linalg.norm(np.divide(PALETTE[c], max(PALETTE[c])) -
                                       brightest / brightest.max()) for c in COLOURS]  # fmt: skip
                assert COLOURS[int(np.argmin(hues))] == here[0]
            else:
                assert brightest.max() < 120


def test_training_never_shows_what_is_held_out_and_every_scene_of_the_test_does():
    pairs = {
        split: [
            {(one.colour, one.value) for one in scenes.draw_digits(random.Random(n), split)}
            for n in range(600)
        ]
        for split in SPLITS
    }
    known = set.union(*pairs["train"])
    assert len(known) == 50
    assert set.union(*pairs["validation"]) <= known
    assert all(its - known for its in pairs["test"])
    assert set.union(*pairs["test"]) - known == {
        (colour, digit) for colour in COLOURS for digit in range(10) if held_out(colour, digit)
    }
