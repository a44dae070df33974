"""Videos in .npz files, what is wrong with them, and the moving digits."""

import itertools

import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.activity.clips import Videos, read_npz
from rnnjax.tasks.activity.config import ActivityConfig
from rnnjax.tasks.activity.moving_digits import NOISE, moving
from rnnjax.tasks.activity.preparation import load_splits, prepare


def write(path, count=12, side=6, labels="ab", **arrays):
    frames = np.random.default_rng(0).integers(0, 256, (count, 5, side, side), np.uint8)
    labels = np.array(list(labels) * count)[:count]
    np.savez(path, **{"frames": frames, "labels": labels, **arrays})
    return path


def refused(path, **fields):
    with pytest.raises(UserError) as caught:
        load_splits(ActivityConfig(data=str(path), **fields))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_batches_hold_the_standardised_videos(tmp_path):
    lengths = np.arange(12) % 5 + 1
    data = prepare(ActivityConfig(data=str(write(tmp_path / "v.npz", lengths=lengths))))
    train = data.splits["train"]
    pixels = np.concatenate([clip.frames.ravel() for clip in train]).astype(float)
    batch = data.batches[0]
    for row, index in enumerate(batch["indices"][batch["lengths"] > 0].tolist()):
        clip = train[index]
        expected = (clip.frames - pixels.mean()) / pixels.std()
        length = batch["lengths"][row]
        np.testing.assert_allclose(batch["frames"][:length, row], expected, atol=1e-5)
        assert not batch["frames"][length:, row].any()
        assert data.vocabulary.classes[batch["label"][row]] == clip.label
    assert Videos.from_json(data.vocabulary.to_json()) == data.vocabulary


def test_wrong_npz_files_are_named(tmp_path):
    path = tmp_path / "v.npz"
    zeros = np.ones(12, int) - (np.arange(12) == 3)
    assert refused(write(path, lengths=zeros)) == f"{path}, video 3 has no frames"
    assert "lengths are whole numbers from 1 to 5" in refused(write(path, lengths=zeros + 5))
    assert "lengths has the shape [3]: expected [12]" in refused(write(path, lengths=np.ones(3)))
    assert "frames are uint8 [3, 4]" in refused(write(path, frames=np.ones((3, 4), np.uint8)))
    assert "has one class, 'a'" in refused(write(path, labels="a"))
    nan = np.full((12, 2, 4, 4), np.nan)
    assert "a number is NaN" in refused(write(path, frames=nan))
    assert (
        refused(write(path, frames=nan[:0])) == f"{path} holds no videos: frames are [0, 2, 4, 4]"
    )
    unequal = np.empty(12, object)
    unequal[:] = [np.zeros((2, 3 + n, 4)) for n in range(12)]
    assert "arrays of objects are not read" in refused(write(path, frames=unequal))
    path.write_bytes(b"no archive")
    assert f"{path} is no .npz file of numbers: expected an .npz file with frames" in refused(path)
    np.savez(path, frames=np.zeros((1, 1, 4, 4)))
    assert f"{path} has no labels" in refused(path)
    assert len(read_npz(path, labelled=False)) == 1
    write(path, labels=["a", "b", ""])
    assert f"{path}, video 2 has an empty label" in refused(path)
    write(path, labels=[b"a", b"b"])
    assert {clip.label for clip in read_npz(path)} == {"a", "b"}


def test_videos_that_also_stand_in_training_are_told(tmp_path):
    path = write(tmp_path / "v.npz")
    found = prepare(ActivityConfig(data=f"train={path},validation={path}"))
    assert found.description.endswith("12 of the 12 validation videos also stand in training")


def test_unequal_frames_and_classes_of_the_test_alone_are_named(tmp_path):
    for split in ("train", "valid", "test"):
        write(tmp_path / f"{split}.npz")
    write(tmp_path / "valid.npz", side=8)
    found = refused(tmp_path)
    assert f"{tmp_path}/valid.npz, video 0: the frames have the shape [8, 8]" in found
    assert "expected [6, 6]" in found
    write(tmp_path / "valid.npz")
    write(tmp_path / "test.npz", labels="abc")
    found = refused(tmp_path)
    assert "test.npz, video 2: the test split has the class 'c'" in found
    assert found.endswith("training split does not have (a, b)")


def test_subjects_that_cannot_work_are_named():
    with pytest.raises(UserError, match=r"validation_subjects are some of --config\.train_subj"):
        ActivityConfig(validation_subjects="2").validate()
    with pytest.raises(UserError, match="expected numbers of subjects, such as 1,3,5; got '1,x'"):
        ActivityConfig(train_subjects="1,x").validate()


def test_digits_wait_and_then_move_by_a_pixel_a_frame_and_come_in_on_the_other_side():
    image = np.zeros((8, 8))
    image[2:6, 3:5] = 1
    for motion, step in (("left", -1), ("right", 1)):
        frames = moving(image, motion, np.random.default_rng(5)) / 255
        kinds = []
        for before, after in itertools.pairwise(frames):
            errors = [np.square(np.roll(before, s, axis=1) - after).mean() for s in (0, step)]
            assert min(errors) < 2.5 * NOISE**2
            kinds.append(int(np.argmin(errors)))
        assert kinds == sorted(kinds)  # Once it moves, it goes on.
        assert kinds[-4:] == [1] * 4
