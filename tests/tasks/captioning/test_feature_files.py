"""Features out of .npz and .npy files: each image gets its own, and nothing else."""

import cloudpickle
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionedImage
from rnnjax.tasks.captioning.feature_files import stored_features

NAMES = ("a.jpg", "b.jpg", "c.jpg")
MAPS = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)


def images(*paths):
    return [CaptionedImage(path, ("words",)) for path in paths]


def taken(found):
    """The maps of all images."""
    return [found.take(n) for n in range(len(found.images))]


@pytest.fixture(params=["npz", "npy"])
def store(request, tmp_path):
    """Writes names and maps to a file of each kind, gives its path."""

    def write(names=NAMES, maps=MAPS):
        path = tmp_path / f"maps.{request.param}"
        if request.param == "npz":
            np.savez(path, **dict(zip(names, maps, strict=True)))
        else:
            np.save(path, np.asarray(maps))
            path.with_suffix(".txt").write_text("".join(f"{name}\n" for name in names))
        return path

    return write


def test_each_image_gets_its_own_map(store):
    wanted = images("/photos/c.jpg", "a.jpg", "/photos/c.jpg")
    found = stored_features(store(), wanted)
    assert found.images == wanted
    np.testing.assert_array_equal(taken(found), MAPS[[2, 0, 2]])


def test_another_process_opens_the_file_itself(store):
    maps = np.random.default_rng(1).normal(size=(3, 4, 1000)).astype(np.float32)
    found = stored_features(store(maps=maps), images("c.jpg", "a.jpg"))
    sent = cloudpickle.dumps(found)
    assert len(sent) < maps.nbytes / 10
    np.testing.assert_array_equal(taken(cloudpickle.loads(sent)), maps[[2, 0]])
    np.testing.assert_array_equal(taken(found), maps[[2, 0]])


def test_whole_paths_tell_files_of_one_name_apart(store):
    names = ("x/a.jpg", "y/a.jpg", "a.jpg")
    found = stored_features(store(names), images("y/a.jpg", "z/a.jpg", "x/a.jpg"))
    np.testing.assert_array_equal(taken(found), MAPS[[1, 2, 0]])
    with pytest.raises(UserError, match=r"one map called a\.jpg for both y/a.jpg and z/a.jpg"):
        stored_features(store(NAMES), images("y/a.jpg", "z/a.jpg"))


def test_locations_form_a_square(store):
    with pytest.raises(UserError, match=r"expected floats .S, F., S locations with as many rows"):
        stored_features(store(maps=MAPS[:, :3]), images("a.jpg"))


def test_an_image_without_features_is_named_or_left_out(store):
    wanted = images("b.jpg", "d.jpg", "e.jpg", "a.jpg")
    with pytest.raises(UserError, match=r"no features of d\.jpg and 1 more images; it has .*a.jpg"):
        stored_features(store(), wanted)
    with pytest.raises(UserError, match=r"no features of d\.jpg; it has "):
        stored_features(store(), wanted[:2])
    found = stored_features(store(), wanted, skip_missing=True)
    assert found.images == [wanted[0], wanted[3]]
    np.testing.assert_array_equal(taken(found), MAPS[[1, 0]])
    assert [fault.split()[-1] for fault in found.skipped] == ["d.jpg", "e.jpg"]


@pytest.mark.parametrize("maps", [MAPS[:, 0], MAPS.astype(np.int32)])
def test_maps_of_the_wrong_kind_are_refused(store, maps):
    with pytest.raises(UserError, match=r"expected floats \[S, F\]"):
        stored_features(store(maps=maps), images("a.jpg"))


def test_maps_of_different_shapes_are_refused(tmp_path):
    path = tmp_path / "maps.npz"
    np.savez(path, first=MAPS[0], second=MAPS[1][:1])
    with pytest.raises(UserError, match=r"maps of one shape; got \[\(1, 5\), \(4, 5\)\]"):
        stored_features(path, images("first"))


def test_names_and_maps_must_be_as_many(tmp_path):
    path = tmp_path / "maps.npy"
    np.save(path, MAPS)
    with pytest.raises(UserError, match=r"maps\.txt does not exist"):
        stored_features(path, images("a.jpg"))
    path.with_suffix(".txt").write_text("a.jpg\nb.jpg\n")
    with pytest.raises(UserError, match="has 2 different names in 2 lines: expected one for each"):
        stored_features(path, images("a.jpg"))
    path.with_suffix(".txt").write_text("a.jpg\nb.jpg\na.jpg\n")
    with pytest.raises(UserError, match="has 2 different names in 3 lines"):
        stored_features(path, images("a.jpg"))


def test_files_that_are_none(store, tmp_path):
    path = store()
    content = path.read_bytes()
    for broken in (b"", b"text", content[: len(content) // 2]):
        path.write_bytes(broken)
        with pytest.raises(UserError, match="no whole"):
            stored_features(path, images("a.jpg"))
    objects = np.array([{"a": 1}], dtype=object)
    np.savez(path, objects) if path.suffix == ".npz" else np.save(path, objects)
    with pytest.raises(UserError, match=r"no whole|expected floats"):
        stored_features(path, images("a.jpg"))
    with pytest.raises(UserError, match=r"there is none at .*none\.npz"):
        stored_features(tmp_path / "none.npz", images("a.jpg"))
    with pytest.raises(UserError, match=r"an \.npz or \.npy file"):
        stored_features(tmp_path / "maps.mat", images("a.jpg"))
