"""Captions against an independent reader of them, and the images, splits and order of scenes."""

import hashlib
import itertools
import subprocess
import sys

import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.scenes import MAX_WORDS, VOCABULARY, DigitScenes, held_out
from rnnjax.tasks.captioning.scenes.digits import PALETTE
from rnnjax.tasks.captioning.scenes.grammar import COLOURS, PLURAL, SINGULAR

NAMES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
RAINBOW = ["red", "yellow", "green", "blue", "purple", "white"]
OPPOSITE = {"above": "below", "below": "above", "left of": "right of", "right of": "left of"}


class Untrue(Exception):
    pass


def demand(fact, why):
    if not fact:
        raise Untrue(why)


def digit_of(noun, count):
    """The digit that a noun names, by the spelling of English plurals."""
    for digit, name in enumerate(NAMES):
        plural = name + ("es" if name == "six" else "s")
        if noun == (name if count == 1 else plural):
            return digit
    raise Untrue(f"{noun} after {count}")


def read_phrase(words):
    """(count, size or None, colour, digit), taken from the front of `words`."""
    demand(len(words) >= 3, "an incomplete phrase")
    number = words.pop(0)
    demand(number in ("a", "two", "three"), "no number")
    count = ("a", "two", "three").index(number) + 1
    size = words.pop(0) if words[0] in ("small", "large") else None
    demand(len(words) >= 2, "an incomplete phrase")
    colour = words.pop(0)
    demand(colour in RAINBOW, "no colour")
    return count, size, colour, digit_of(words.pop(0), count)


def read_relation(words):
    word = words.pop(0)
    if word in ("left", "right"):
        demand(words and words.pop(0) == "of", "left of what")
        word += " of"
    demand(word in OPPOSITE, "no relation")
    return word


def centre(boxes):
    """Row and column of the middle of all of some boxes, doubled."""
    return (
        min(b.top for b in boxes) + max(b.bottom for b in boxes),
        min(b.left for b in boxes) + max(b.right for b in boxes),
    )


def lies(a, b, where):
    """Whether every box of `a` clearly lies there, seen from every box of `b`."""
    gap = {
        "above": lambda p, q: q.top - p.bottom,
        "below": lambda p, q: p.top - q.bottom,
        "left of": lambda p, q: q.left - p.right,
        "right of": lambda p, q: p.left - q.right,
    }[where]
    down, across = (abs(i - j) for i, j in zip(centre(a), centre(b), strict=True))
    along, aside = (down, across) if where in ("above", "below") else (across, down)
    return min(gap(p, q) for p in a for q in b) >= 3 and 2 * along >= 3 * aside


def verify(caption, scene):
    """Raises Untrue unless the caption says, by the rules of the language, what is to be seen."""
    words = list(caption)
    phrases, relations = [read_phrase(words)], []
    while words:
        if relations:
            demand(words.pop(0) == "and" and words, "what more")
        relations.append(read_relation(words))
        phrases.append(read_phrase(words))
    demand(len(phrases) <= 3, "too many phrases")
    boxes, kinds = {}, {}
    for group in scene.groups:
        boxes[group.colour], kinds[group.colour] = group.boxes, (group.digit, group.size)
    several_sizes = len({size for _, size in kinds.values()}) == 2
    demand([p[2] for p in phrases] == [c for c in RAINBOW if c in boxes], "other groups")
    for count, size, colour, digit in phrases:
        demand(len(boxes[colour]) == count, "another number")
        demand(kinds[colour][0] == digit, "another digit")
        demand(size == (kinds[colour][1] if several_sizes else None), "another size")
    for where, (_, _, colour, _) in zip(relations, phrases[1:], strict=True):
        demand(lies(boxes[phrases[0][2]], boxes[colour], where), f"not {where}")


def is_true(caption, scene):
    try:
        verify(caption, scene)
    except Untrue:
        return False
    return True


@pytest.fixture(scope="module")
def scenes():
    return {
        split: [DigitScenes(split, seed=7)[i] for i in range(300)]
        for split in ("train", "validation", "test")
    }


@pytest.fixture(scope="module")
def everything(scenes):
    return [scene for split in scenes.values() for scene in split]


def boxes_of(scene):
    return [box for group in scene.groups for box in group.boxes]


def test_captions_say_what_is_to_be_seen(everything):
    for scene in everything:
        verify(scene.caption, scene)


def test_small_and_crowded_scenes_too():
    source = DigitScenes("train", side=48)
    for index in range(100):
        verify(source[index].caption, source[index])
        assert source[index].image.shape == (48, 48, 3)


def test_no_caption_of_another_scene_is_true(everything):
    captions = {scene.caption for scene in everything}
    assert len(captions) > 500
    for scene in everything[::9]:
        assert [c for c in captions if is_true(c, scene)] == [scene.caption]


def test_no_caption_that_differs_in_one_word_is_true(everything):
    for scene in everything[::15]:
        caption = scene.caption
        for i in range(len(caption) + 1):
            before, after, next_after = caption[:i], caption[i:], caption[i + 1 :]
            changed = {before + next_after}
            for word in VOCABULARY:
                changed |= {(*before, word, *after), (*before, word, *next_after)}
            assert not [c for c in changed - {caption} if is_true(c, scene)]


def test_the_same_said_the_other_way_round_is_not_a_caption(everything):
    turned = 0
    for scene in everything:
        if len(scene.groups) == 2:
            words = list(scene.caption)
            read_phrase(words)
            first, rest = scene.caption[: -len(words)], list(words)
            where = read_relation(rest)
            other_way = (*rest, *OPPOSITE[where].split(), *first)
            assert not is_true(other_way, scene)
            turned += 1
    assert turned > 300


def test_words_are_those_of_the_vocabulary_and_all_of_them_occur():
    words, longest = set(), 0
    for index in range(600):
        caption = DigitScenes("train")[index].caption
        words |= set(caption)
        longest = max(longest, len(caption))
    assert tuple(sorted(words)) == VOCABULARY
    assert longest == MAX_WORDS


def test_there_are_one_to_four_digits_in_one_to_three_groups(everything):
    digits = [len(boxes_of(scene)) for scene in everything]
    groups = [len(scene.groups) for scene in everything]
    assert set(digits) == {1, 2, 3, 4}
    shares = np.bincount(groups, minlength=4) / len(groups)
    np.testing.assert_allclose(shares, [0, 0.25, 0.5, 0.25], atol=0.08)


def test_every_word_points_at_the_digits_that_it_names(everything):
    for scene in everything:
        assert len(scene.regions) == len(scene.caption)
        words = [*scene.caption, "the end"]
        of_colour = {group.colour: group for group in scene.groups}
        phrase = []
        for word, region, following in zip(scene.caption, scene.regions, words[1:], strict=True):
            if word in ("above", "below", "left", "right", "of", "and"):
                assert region is None
                continue
            phrase.append((word, region))
            if following in ("above", "below", "left", "right", "and", "the end"):
                group = of_colour[phrase[-2][0]]
                if phrase[0][0] == "a":
                    assert phrase.pop(0)[1] is None
                assert all(pointed == group.boxes for _, pointed in phrase)
                phrase = []


def test_digits_do_not_touch_and_lie_inside(everything):
    for scene in everything:
        free = np.ones(scene.image.shape[:2], bool)
        for top, left, bottom, right in boxes_of(scene):
            assert min(top, left) >= 0
            assert bottom <= free.shape[0]
            assert right <= free.shape[1]
            # One more row and column than the box: there is something dark between two digits.
            part = free[max(top - 1, 0) : bottom + 1, max(left - 1, 0) : right + 1]
            assert part.all()
            free[top:bottom, left:right] = False


def test_boxes_hold_the_colour_of_their_group(everything):
    palette = np.array([PALETTE[colour] for colour in COLOURS], float)
    for scene in everything:
        for group in scene.groups:
            for top, left, bottom, right in group.boxes:
                pixels = scene.image[top:bottom, left:right].reshape(-1, 3).astype(float)
                bright = pixels[np.argsort(pixels.max(axis=1))[-6:]].mean(axis=0)
                distances = np.linalg.norm(palette * bright.max() / 245 - bright, axis=1)
                assert COLOURS[distances.argmin()] == group.colour


def test_boxes_hold_all_that_is_bright(everything):
    for scene in everything:
        rest = scene.image.max(axis=2)
        assert rest.max() > 100
        for top, left, bottom, right in boxes_of(scene):
            assert rest[top:bottom, left:right].max() > 100
            rest[top:bottom, left:right] = 0
        assert rest.max() < 80


def test_large_digits_are_plainly_larger(everything):
    heights = {"small": set(), "large": set()}
    for scene in everything:
        for group in scene.groups:
            heights[group.size] |= {box.bottom - box.top for box in group.boxes}
    assert max(heights["small"]) * 1.5 < min(heights["large"])


def pairs_of(scene):
    return {(group.colour, group.digit) for group in scene.groups}


def instances_of(split):
    return {i for scene in split for group in scene.groups for i in group.instances}


def test_splits_share_no_handwritten_digit(scenes):
    used = [instances_of(split) for split in scenes.values()]
    assert all(len(instances) > 150 for instances in used)
    assert len(set.union(*used)) == sum(len(instances) for instances in used)


def test_training_has_all_pairs_but_those_that_every_test_scene_has_one_of(scenes):
    source = DigitScenes("train", seed=7)
    known = set.union(*(pairs_of(source[i]) for i in range(1200)))
    assert len(known) == 50
    assert {colour for colour, _ in known} == set(COLOURS)
    assert {digit for _, digit in known} == set(range(10))
    for scene in scenes["train"] + scenes["validation"]:
        assert pairs_of(scene) <= known
    for scene in scenes["test"]:
        assert pairs_of(scene) - known
    for colour, digit in known:
        assert not held_out(colour, digit)
    new = set.union(*map(pairs_of, scenes["test"])) - known
    assert len(new) == 10
    assert all(held_out(colour, digit) for colour, digit in new)
    assert {digit for _, digit in new} == set(range(10))


def test_what_is_held_out_does_not_depend_on_the_seed(scenes):
    others = [DigitScenes("train", seed=8)[i] for i in range(300)]
    assert not instances_of(others) & instances_of(scenes["test"])
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


def test_no_split_repeats_the_compositions_of_another(scenes):
    """Colours and counts at an index, which another seed would make anew."""
    composed = {
        split: [[(group.colour, len(group.boxes)) for group in scene.groups] for scene in some]
        for split, some in scenes.items()
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


def test_nouns_of_one_and_of_many():
    assert list(SINGULAR) == NAMES
    assert [digit_of(noun, 2) for noun in PLURAL] == list(range(10))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DigitScenes("valid"), "no split 'valid': did you mean 'validation'"),
        (lambda: DigitScenes("train", side=47), "a side of at least 48, got 47"),
    ],
)
def test_mistakes_are_named(make, message):
    with pytest.raises(UserError, match=message):
        make()
