"""Every caption with its own picture, in batches that an index decides."""

import collections

import numpy as np
import pytest

from rnnjax.data.padded_batches import TrainingBatches
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.batches import (
    SCENE_LENGTHS,
    SceneBatches,
    caption_examples,
)
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary
from rnnjax.tasks.captioning.scenes import VOCABULARY, DigitScenes

POOL = SceneBatches.made_together
COUNTS = [2, 1, 3, 0, 3, 1, 2, 2]
"""Captions of each image."""


def pictures(n):
    return {"features": np.array([n, 100 * n])}


def captions(counts):
    """The first id of a caption tells its image and which it is; it is as long as that says."""
    return [
        [np.array([100 * n + i] * (1 + i) + [0], np.int32) for i in range(count)]
        for n, count in enumerate(counts)
    ]


def numbers(batch):
    """Which images are in a batch: they are told by their features."""
    images = batch["features"][:, 0].tolist()
    assert batch["features"].tolist() == [[n, 100 * n] for n in images]
    assert batch["words"].dtype == batch["lengths"].dtype == np.int32
    assert set(batch) == {"words", "lengths", "features"}
    return images


def assert_rows(whole, part, indices, shape=(4,)):
    """A part has rows 1 and 3 of every batch, and the whole still has all."""
    for n in indices:
        batch, some = whole[n], part[n]
        assert batch["lengths"].shape == shape
        assert len(batch["words"]) == len(some["words"])
        np.testing.assert_array_equal(some["words"], batch["words"][:, [1, 3]])
        for name in set(batch) - {"words"}:
            np.testing.assert_array_equal(some[name], batch[name][[1, 3]])


def test_every_caption_at_most_once_an_epoch_with_its_own_image():
    ids = captions(COUNTS)
    batches = TrainingBatches(caption_examples(ids, pictures, [2, 4]), batch_size=4, full_only=True)
    assert batches.batches_per_epoch == 2
    seen = collections.Counter()
    for batch in (batches[n] for n in range(2)):
        assert len(batch["words"]) in (2, 4)
        for row, image in enumerate(numbers(batch)):
            length = batch["lengths"][row]
            caption = ids[image][length - 2].tolist()
            assert batch["words"][:, row].tolist() == caption + [0] * (len(batch["words"]) - length)
            seen[image, length] += 1
    assert max(seen.values()) == 1
    assert seen.total() == 8
    assert_rows(batches, batches.of_rows(np.array([1, 3])), range(6))


def test_too_few_for_a_batch():
    ids = captions([2, 0, 1, 1])
    with pytest.raises(UserError, match="4 captions are too few for a batch of 5: choose"):
        TrainingBatches(caption_examples(ids, pictures, [4]), batch_size=5, full_only=True)


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


def test_few_lengths_are_the_longest(scene_batches):
    scenes = DigitScenes("train", side=SIDE)
    one = SceneBatches(scenes, KNOWN, batch_size=3, num_buckets=1)
    lengths = [len(scene_batches[n]["words"]) for n in range(POOL)]
    shortest = int(np.argmin(lengths))
    assert lengths[shortest] < len(one[shortest]["words"]) == SCENE_LENGTHS[-1]
    np.testing.assert_array_equal(
        one[shortest]["words"][: lengths[shortest]], scene_batches[shortest]["words"]
    )


def test_each_pool_has_an_order_of_its_own(scene_batches):
    """Otherwise the longest captions would come at every eighth batch."""
    longest = [
        int(np.argmax([scene_batches[pool * POOL + n]["lengths"].mean() for n in range(POOL)]))
        for pool in range(6)
    ]
    assert len(set(longest)) >= 3


def test_the_index_decides_the_scenes(scene_batches):
    fresh = SceneBatches(DigitScenes("train", side=SIDE), KNOWN, batch_size=3)
    other = SceneBatches(DigitScenes("train", side=SIDE), KNOWN, batch_size=3, seed=1)
    for n in (11, 2, 0):
        for name, values in fresh[n].items():
            np.testing.assert_array_equal(values, scene_batches[n][name])
    assert any(
        not np.array_equal(other[n]["image"], scene_batches[n]["image"]) for n in range(POOL)
    )
    with pytest.raises(UserError, match="batch_size is 1 or more; got -1"):
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
