"""Captions against an independent reader of them, and the images, splits and order of scenes."""

import numpy as np
import pytest

from rnnjax.data.painted_digits import PALETTE
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.scenes import MAX_WORDS, VOCABULARY, DigitScenes
from rnnjax.tasks.captioning.scenes.grammar import COLOURS, PLURAL, SINGULAR
from tests.tasks.captioning.scene_reader import (
    NAMES,
    OPPOSITE,
    boxes_of,
    digit_of,
    is_true,
    read_phrase,
    read_relation,
    some_scenes,
    verify,
)


@pytest.fixture(scope="module")
def everything():
    return [scene for split in some_scenes().values() for scene in split]


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
