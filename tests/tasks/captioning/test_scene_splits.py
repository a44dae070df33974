"""Splits and order of the scenes of digits."""

import hashlib
import itertools
import subprocess
import sys

import pytest

from rnnjax.data.painted_digits import held_out
from rnnjax.tasks.captioning.scenes import DigitScenes
from rnnjax.tasks.captioning.scenes.grammar import COLOURS
from tests.tasks.captioning.scene_reader import some_scenes


def pairs_of(scene):
    return {(group.colour, group.digit) for group in scene.groups}


def instances_of(split):
    return {i for scene in split for group in scene.groups for i in group.instances}


def test_splits_share_no_handwritten_digit():
    used = [instances_of(split) for split in some_scenes().values()]
    assert all(len(instances) > 150 for instances in used)
    assert len(set.union(*used)) == sum(len(instances) for instances in used)


def test_training_has_all_pairs_but_those_that_every_test_scene_has_one_of():
    source = DigitScenes("train", seed=7)
    known = set.union(*(pairs_of(source[i]) for i in range(1200)))
    assert len(known) == 50
    assert {colour for colour, _ in known} == set(COLOURS)
    assert {digit for _, digit in known} == set(range(10))
    for scene in some_scenes()["train"] + some_scenes()["validation"]:
        assert pairs_of(scene) <= known
    for scene in some_scenes()["test"]:
        assert pairs_of(scene) - known
    for colour, digit in known:
        assert not held_out(colour, digit)
    new = set.union(*map(pairs_of, some_scenes()["test"])) - known
    assert len(new) == 10
    assert all(held_out(colour, digit) for colour, digit in new)
    assert {digit for _, digit in new} == set(range(10))


def test_what_is_held_out_does_not_depend_on_the_seed():
    others = [DigitScenes("train", seed=8)[i] for i in range(300)]
    assert not instances_of(others) & instances_of(some_scenes()["test"])
    assert not any(held_out(*pair) for scene in others for pair in pairs_of(scene))


DIGEST = """
import hashlib
from rnnjax.tasks.captioning.scenes import DigitScenes
source = DigitScenes("test", seed=3)
digest = hashlib.sha256()
for index in (5, 0, 17):
    scene = source[index]
    digest.update(scene.image.tobytes() + repr(scene[1:]).encode())
print(digest.hexdigest())
"""


def test_scenes_are_the_same_in_every_process_and_order():
    other = subprocess.run(
        [sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True
    ).stdout
    source = DigitScenes("test", seed=3)
    scenes = {index: source[index] for index in (17, 0, 5)}
    digest = hashlib.sha256()
    for index in (5, 0, 17):
        digest.update(scenes[index].image.tobytes() + repr(scenes[index][1:]).encode())
    assert digest.hexdigest() == other.strip()


def test_seed_split_and_index_each_make_another_scene():
    images = [
        DigitScenes(split, seed=seed)[index].image.tobytes()
        for split in ("train", "validation", "test")
        for seed in (0, 1, -1)
        for index in (0, 1, 999)
    ]
    assert len(set(images)) == 27


def test_no_split_repeats_the_compositions_of_another():
    """Colours and counts at an index, which another seed would make anew."""
    composed = {
        split: [[(group.colour, len(group.boxes)) for group in scene.groups] for scene in some]
        for split, some in some_scenes().items()
    }
    for one, other in itertools.combinations(composed.values(), 2):
        same = sum(a == b for a, b in zip(one, other, strict=True))
        assert same < 0.2 * len(one)


def test_evaluation_ends_and_training_does_not():
    source = DigitScenes("validation")
    assert len(source) == 1000
    with pytest.raises(IndexError):
        source[1000]
    with pytest.raises(IndexError):
        source[-1]
    assert DigitScenes("train")[10**15].caption
