"""Skeleton files of a folder and of a tar file, what is wrong with them, and their features."""

import io
import tarfile

import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.activity.config import ActivityConfig
from rnnjax.tasks.activity.preparation import load_splits
from rnnjax.tasks.activity.skeletons import features, parse, read_source


def content(frames, seed=0):
    rows = np.random.default_rng(seed).normal(100, 20, (frames * 20, 4))
    return "\n".join(" ".join(f"{x:.4e}" for x in row) for row in rows).encode() + b"\n"


@pytest.fixture
def archive(tmp_path):
    """A tar.xz of two actions by subjects 1 (training), 9 (validation) and 2 (test)."""
    path = tmp_path / "skeletons.tar.xz"
    with tarfile.open(path, "w:xz") as tar:
        for action in (1, 13):
            for subject in (1, 2, 9):
                name = f"deep/a{action:02}_s{subject:02}_e01_skeleton.txt"
                data = content(3 + subject, seed=action)
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return path


def test_features_are_those_of_a_loop_in_float64():
    joints = np.random.default_rng(1).normal(size=(9, 20, 3))
    torso = np.mean([np.linalg.norm(j[2] - j[6]) for j in joints])
    weights = np.array([-3, 12, 17, 12, -3]) / 35
    expected = np.zeros((9, 2, 20, 3))
    for t in range(9):
        for k, w in zip(range(-2, 3), weights, strict=True):
            j = joints[min(max(t + k, 0), 8)]
            expected[t, 0] += w * (j - j[6]) / torso
        expected[t, 1] = expected[t, 0] - expected[max(t - 1, 0), 0]
    np.testing.assert_allclose(features(joints), expected.reshape(9, -1), atol=1e-5)


def test_features_do_not_depend_on_place_and_size_of_the_person():
    joints = np.random.default_rng(2).normal(size=(4, 20, 3))
    np.testing.assert_allclose(features(5 * joints + [1, 2, 3]), features(joints), atol=1e-4)


def test_a_tar_file_and_its_folder_hold_the_same(archive, tmp_path):
    with tarfile.open(archive) as tar:
        for member in tar:
            path = tmp_path / "out" / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tar.extractfile(member).read())
    (tmp_path / "out" / "README.txt").write_text("not a skeleton")
    for packed, plain in zip(read_source(archive), read_source(tmp_path / "out"), strict=True):
        np.testing.assert_array_equal(packed.joints, plain.joints)
        assert packed[1:3] == plain[1:3]
    values = np.array(content(4, seed=13).split(), float).reshape(4, 20, 4)
    bend = next(r for r in read_source(archive) if r.action == "bend" and r.subject == 1)
    np.testing.assert_allclose(bend.joints, values[..., :3], rtol=1e-6)


def test_subjects_decide_the_splits(archive):
    def lengths(**fields):
        splits = load_splits(ActivityConfig(data=str(archive), **fields))
        return {name: sorted({len(clip.frames) for clip in its}) for name, its in splits.items()}

    assert lengths() == {"train": [4], "validation": [12], "test": [5]}
    assert lengths(validation_subjects="") == {"train": [4, 12], "test": [5]}


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (b"", "x.txt has no frames"),
        (b"1 2 3 4\n1 2 3\n", "x.txt:2 has 3 columns: expected x, y, z, confidence"),
        (content(2) + b"1 2 3 4\n", "x.txt has 41 lines: expected 20 a frame"),
        (content(1).replace(b"e", b"q", 1), "x.txt holds what is no number"),
        (content(1) + b"\n".join([b"nan 0 0 1"] * 20), "x.txt: a number is NaN"),
    ],
)
def test_wrong_files_are_named(broken, message):
    with pytest.raises(UserError) as caught:
        parse(broken, "x.txt")
    assert message in str(caught.value)


def test_a_tar_file_without_skeletons_or_cut_off_is_named(archive, tmp_path):
    broken = tmp_path / "broken.tar.xz"
    broken.write_bytes(archive.read_bytes()[:-200])
    with pytest.raises(UserError, match=r"broken\.tar\.xz cannot be read as a tar file"):
        read_source(broken)
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with pytest.raises(UserError, match=r"empty\.tar has no file such as a01_s01_e01"):
        load_splits(ActivityConfig(data=str(tmp_path / "empty.tar")))
