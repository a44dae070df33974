"""Every caption with its own picture, in batches that an index decides."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data.batch_iterator import iterator
from rnnjax.data.streams import ENDLESS
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.batches import (
    SCENE_LENGTHS,
    CaptionIds,
    Pictures,
    SceneBatches,
    TrainingCaptions,
    TrainingImages,
    padded_captions,
)
from rnnjax.tasks.captioning.scenes import VOCABULARY, DigitScenes
from rnnjax.tasks.captioning.vocabulary import CaptionVocabulary

POOL = SceneBatches.made_together
PICTURES = Pictures("features", lambda indices: indices[:, None] * [1, 100])


def corpus(lengths):
    """Captions of these lengths, END included; the first id tells which, the picture is its 7th."""
    return [
        CaptionIds(7 * n, np.array([1000 + n] * (length - 1) + [0], np.int32))
        for n, length in enumerate(lengths)
    ]


def training(lengths, batch_size, buckets, seed=0):
    captions = corpus(lengths)
    return captions, TrainingCaptions(
        captions, PICTURES, batch_size=batch_size, buckets=buckets, seed=seed
    )


def numbers(batch):
    """Which captions are in a batch: they are told by their pictures."""
    return (batch["features"][:, 0] // 7).tolist()


@settings(max_examples=40)
@given(
    st.lists(st.integers(2, 12), min_size=6, max_size=60),
    st.integers(1, 6),
    st.sets(st.integers(2, 11), max_size=3),
    st.integers(0, 3),
)
def test_every_caption_at_most_once_an_epoch_each_in_its_place(lengths, batch_size, some, epoch):
    buckets = [*sorted(some), 12]
    captions, batches = training(lengths, batch_size, buckets)
    count = batches.batches_per_epoch
    seen = collections.Counter()
    padded_to = {}
    for n in range(epoch * count, (epoch + 1) * count):
        batch = batches[n]
        length = len(batch["words"])
        assert length in buckets
        assert batch["words"].shape == (length, batch_size)
        assert batch["words"].dtype == batch["lengths"].dtype == np.int32
        for row, which in enumerate(numbers(batch)):
            ids = captions[which].ids
            assert batch["features"][row].tolist() == [7 * which, 700 * which]
            assert batch["lengths"][row] == len(ids)
            words = batch["words"][:, row].tolist()
            assert words == [*ids.tolist(), *[0] * (length - len(ids))]
            seen[which] += 1
            padded_to[which] = length
    assert max(seen.values()) == 1
    assert len(captions) - len(seen) < batch_size * len(buckets)
    for length in set(padded_to.values()):
        rows = [which for which, to in padded_to.items() if to == length]
        assert len(rows) % batch_size == 0
    shorter, longer = list(padded_to), list(padded_to)
    assert not any(
        padded_to[a] > padded_to[b] for a in shorter for b in longer if lengths[a] < lengths[b]
    )


def test_those_that_wait_have_their_turn_in_another_epoch():
    _, batches = training([3] * 7 + [9] * 4, 3, [3, 9])
    count = batches.batches_per_epoch
    assert count == 3
    epochs = [
        {which for n in range(e * count, (e + 1) * count) for which in numbers(batches[n])}
        for e in range(12)
    ]
    assert set().union(*epochs) == set(range(11))
    assert all(len(epoch) == 9 for epoch in epochs)
    assert len(set(map(frozenset, epochs))) > 4


def test_a_length_that_fills_no_batch_is_padded_further():
    _, batches = training([2, 2, 5, 5, 5, 9], 3, [2, 5, 9])
    assert batches.batches_per_epoch == 2
    assert {len(batches[n]["words"]) for n in range(2)} == {9}
    assert sorted(numbers(batches[0]) + numbers(batches[1])) == list(range(6))
    _, batches = training([2, 2, 5, 5, 5, 9, 9, 9], 3, [2, 5, 9])
    assert {len(batches[n]["words"]) for n in range(2)} == {5, 9}


def test_the_index_decides_the_batch_whatever_was_asked_before():
    _, batches = training(list(range(2, 12)) * 4, 4, [6, 11])
    _, again = training(list(range(2, 12)) * 4, 4, [6, 11])
    _, other = training(list(range(2, 12)) * 4, 4, [6, 11], seed=1)
    count = batches.batches_per_epoch
    order = [numbers(batches[n]) for n in range(3 * count)]
    assert [numbers(again[n]) for n in reversed(range(3 * count))] == order[::-1]
    assert [numbers(other[n]) for n in range(3 * count)] != order
    assert order[:count] != order[count : 2 * count]
    assert len(batches) == ENDLESS
    ahead = iterator(batches)
    next(ahead)
    state = ahead.get_state()
    assert numbers(next(ahead)) == order[1]
    resumed = iterator(again)
    resumed.set_state(state)
    assert numbers(next(resumed)) == order[1]


def test_some_rows_are_those_of_the_whole_batches():
    _, batches = training(list(range(2, 12)) * 4, 4, [6, 11])
    assert_rows(batches, batches.of_rows(np.array([1, 3])), range(12))


def assert_rows(whole, part, indices, shape=(4,)):
    """A part has rows 1 and 3 of every batch, and the whole still has all."""
    for n in indices:
        batch, some = whole[n], part[n]
        assert batch["lengths"].shape == shape
        assert len(batch["words"]) == len(some["words"])
        np.testing.assert_array_equal(some["words"], batch["words"][:, [1, 3]])
        for name in set(batch) - {"words"}:
            np.testing.assert_array_equal(some[name], batch[name][[1, 3]])


@pytest.mark.parametrize(
    ("lengths", "options", "told"),
    [
        ([3, 3], {"batch_size": 3}, "2 captions are too few for a batch of 3: choose a smaller"),
        ([3, 3], {"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ([3, 8], {"batch_size": 1}, "the longest caption has 8 ids, the last bucket 6"),
    ],
)
def test_captions_that_make_no_batches(lengths, options, told):
    with pytest.raises(UserError, match=told):
        TrainingCaptions(corpus(lengths), PICTURES, buckets=[4, 6], **options)


def of_images(counts, batch_size, seed=0):
    """Images 7 n with these numbers of captions, mixed; the first id of a caption tells which."""
    captions = [
        CaptionIds(7 * n, np.array([100 * n + i] * (1 + i) + [0], np.int32))
        for i in range(max(counts))
        for n, count in enumerate(counts)
        if i < count
    ]
    return TrainingImages(captions, PICTURES, batch_size=batch_size, seed=seed)


def test_every_image_at_most_once_an_epoch_with_all_its_captions():
    counts = [2, 1, 3, 0, 3, 1, 2, 2]
    batches = of_images(counts, 3)
    assert batches.batches_per_epoch == 2
    epochs = []
    for epoch in range(12):
        seen = []
        for n in range(2 * epoch, 2 * epoch + 2):
            batch = batches[n]
            assert batch["words"].shape == (4, 3, 3)
            assert batch["words"].dtype == batch["lengths"].dtype == np.int32
            for row, which in enumerate(numbers(batch)):
                for i in range(3):
                    ids = [100 * which + i] * (1 + i) + [0] if i < counts[which] else []
                    assert batch["lengths"][row, i] == len(ids)
                    words = batch["words"][:, row, i].tolist()
                    assert words == [*ids, *[0] * (4 - len(ids))]
            seen += numbers(batch)
        assert len(set(seen)) == 6
        epochs.append(seen)
    assert {which for seen in epochs for which in seen} == {0, 1, 2, 4, 5, 6, 7}
    assert len(set(map(tuple, epochs))) > 6


def test_the_index_decides_the_images_and_parts_have_their_rows():
    counts = [2, 1, 3, 2] * 4
    batches, again, other = of_images(counts, 4), of_images(counts, 4), of_images(counts, 4, 1)
    order = [numbers(batches[n]) for n in range(12)]
    assert [numbers(again[n]) for n in reversed(range(12))] == order[::-1]
    assert [numbers(other[n]) for n in range(12)] != order
    assert len(batches) == ENDLESS
    assert_rows(batches, batches.of_rows(np.array([1, 3])), range(12), (4, 3))


def test_too_few_images_for_a_batch():
    with pytest.raises(UserError, match="3 images are too few for a batch of 4: choose a smaller"):
        of_images([2, 0, 1, 1], 4)
    with pytest.raises(UserError, match="batch_size must be at least 1, got 0"):
        of_images([2, 1], 0)


def test_captions_side_by_side():
    batch = padded_captions([np.array([5, 6, 0]), np.array([0])], 4)
    np.testing.assert_array_equal(batch["words"], [[5, 0], [6, 0], [0, 0], [0, 0]])
    assert batch["lengths"].tolist() == [3, 1]


SIDE = 48
KNOWN = CaptionVocabulary.of(VOCABULARY)


@pytest.fixture(scope="module")
def scene_batches():
    return SceneBatches(DigitScenes("train", side=SIDE), KNOWN, batch_size=3)


def test_every_scene_once_with_its_own_picture(scene_batches):
    """Over two pools, told by the pictures."""
    scenes = [DigitScenes("train", side=SIDE)[n] for n in range(2 * POOL * 3)]
    captions = {scene.image.tobytes(): " ".join(scene.caption) for scene in scenes}
    assert len(captions) == len(scenes)
    for pool in (0, 1):
        of_pool = {scene.image.tobytes() for scene in scenes[pool * POOL * 3 :][: POOL * 3]}
        found = []
        longest = []
        for n in range(pool * POOL, (pool + 1) * POOL):
            batch = scene_batches[n]
            length = len(batch["words"])
            longest.append(int(batch["lengths"].max()))
            assert length == min(bound for bound in SCENE_LENGTHS if bound >= longest[-1])
            for row, image in enumerate(batch["image"]):
                ids = batch["words"][: batch["lengths"][row], row]
                assert KNOWN.text(KNOWN.decode(ids)) == captions[image.tobytes()]
                assert (batch["words"][batch["lengths"][row] - 1 :, row] == 0).all()
                found.append(image.tobytes())
        assert len(found) == POOL * 3
        assert set(found) == of_pool
        shortest = min(len(captions[image].split()) + 1 for image in of_pool)
        assert shortest in [int(scene_batches[pool * POOL + n]["lengths"].min()) for n in range(8)]
        assert longest != sorted(longest)


def test_batches_hold_captions_of_about_one_length(scene_batches):
    spread = [np.ptp(scene_batches[n]["lengths"]) for n in range(POOL)]
    every = np.concatenate([scene_batches[n]["lengths"] for n in range(POOL)])
    assert np.mean(spread) < 0.4 * np.ptp(every)


def test_the_index_decides_the_scenes(scene_batches):
    fresh = SceneBatches(DigitScenes("train", side=SIDE), KNOWN, batch_size=3)
    other = SceneBatches(DigitScenes("train", side=SIDE), KNOWN, batch_size=3, seed=1)
    for n in (11, 2, 0):
        for name, values in fresh[n].items():
            np.testing.assert_array_equal(values, scene_batches[n][name])
    assert any(
        not np.array_equal(other[n]["image"], scene_batches[n]["image"]) for n in range(POOL)
    )
    assert len(fresh) == ENDLESS
    with pytest.raises(UserError, match="batch_size must be at least 1, got -1"):
        SceneBatches(DigitScenes("train", side=SIDE), KNOWN, batch_size=-1)


def test_some_rows_of_scenes_are_those_of_the_whole_batches():
    batches = SceneBatches(DigitScenes("train", side=SIDE), KNOWN, batch_size=4)
    batches[3]
    assert_rows(batches, batches.of_rows(np.array([1, 3])), (3, 0, 5))


def test_scenes_of_every_kind_fit_their_lengths():
    """The longest caption that the grammar allows, of one, two and three groups."""
    longest = {1: 0, 2: 0, 3: 0}
    scenes = DigitScenes("train", side=SIDE)
    for n in range(300):
        scene = scenes[n]
        ids = KNOWN.encode(" ".join(scene.caption))
        assert 2 not in ids
        longest[len(scene.groups)] = max(longest[len(scene.groups)], len(ids))
    assert tuple(longest.values()) == SCENE_LENGTHS
