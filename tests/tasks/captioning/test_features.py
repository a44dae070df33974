"""Features of images: what the encoder gives, computed once, and never another encoder's."""

import json
import shutil
from pathlib import Path

import cloudpickle
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from rnnjax.errors import UserError
from rnnjax.tasks.captioning import features
from rnnjax.tasks.captioning.captioned_images import CaptionedImage
from rnnjax.tasks.captioning.features import features_of


class Quarters(nnx.Module):
    """The mean colour of each quarter of the image, times a weight."""

    side, grid, output_size = 8, (2, 2), 3

    def __init__(self, weight=1.0):
        self.weight = nnx.Param(jnp.float32(weight))

    def __call__(self, images):
        halves = jnp.asarray(images, jnp.float32).reshape(-1, 2, 4, 2, 4, 3)
        return self.weight[...] * halves.mean(axis=(2, 4)).reshape(-1, 4, 3)


@pytest.fixture
def pictures(tmp_path):
    """Forty images of noise, each with its own mean; two of them are the same."""
    rng = np.random.default_rng(0)
    made = []
    for n in range(40):
        pixels = rng.integers(0, 250, (8, 8, 3)) // 8 + n * 5
        path = tmp_path / f"{n}.png"
        Image.fromarray(pixels.astype(np.uint8)).save(path)
        made.append(CaptionedImage(str(path), ("a picture",), f"list:{n}"))
    shutil.copy(made[3].image, made[30].image)
    return made


def quarters(image, weight=1.0):
    pixels = np.asarray(Image.open(image.image), np.float64)
    rows = [pixels[r : r + 4, c : c + 4].mean(axis=(0, 1)) for r in (0, 4) for c in (0, 4)]
    return weight * np.stack(rows)


def compute(pictures, tmp_path, weight=1.0, **options):
    options = {"policy": "stretch", "batch_size": 2} | options
    return features_of(pictures, Quarters(weight), cache_dir=tmp_path / "cache", **options)


def check(found, pictures, weight=1.0):
    assert found.images == tuple(pictures)
    assert len(found) == len(pictures)
    for index, image in enumerate(pictures):
        assert found[index].dtype == np.float16
        np.testing.assert_allclose(found[index], quarters(image, weight), rtol=1e-3)


@pytest.fixture
def decoded(monkeypatch):
    """The names of images that were decoded; "stop" among them: there the process is killed."""
    names: list[str] = []
    read_images = features.read_images

    def watched(images, **options):
        for image in images:
            if names[-1:] == ["stop"]:
                raise KeyboardInterrupt
            names.append(Path(image.image).stem)
            if len(names) == watched.stop_after:
                names.append("stop")
            yield from read_images([image], **options)

    watched.stop_after = None
    monkeypatch.setattr(features, "read_images", watched)
    names_and_stop = (names, watched)
    return names_and_stop


def test_each_image_has_its_own_features(pictures, tmp_path):
    found = compute(pictures, tmp_path)
    check(found, pictures)
    assert (found.grid, found.output_size, found.skipped) == ((2, 2), 3, ())
    indices = [5, 0, 39, 5]
    expected = [quarters(pictures[n]) for n in indices]
    np.testing.assert_allclose(found.take(np.array(indices)), expected, rtol=1e-3)
    np.testing.assert_allclose(found[-1], quarters(pictures[39]), rtol=1e-3)
    with pytest.raises(IndexError):
        found[40]


def test_another_process_opens_the_cache_itself(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = features_of(pictures, Quarters(), cache_dir="cache", policy="stretch")
    sent = cloudpickle.dumps(found)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    check(cloudpickle.loads(sent), pictures)
    there = next((tmp_path / "cache").rglob("*.npy"))
    assert there.read_bytes()[-48:] not in sent


def test_what_was_computed_is_read(pictures, tmp_path, decoded):
    names, _ = decoded
    compute(pictures[:25], tmp_path)
    assert len(names) == 25
    others = [pictures[20], pictures[39], pictures[30], pictures[2], pictures[39]]
    check(compute(others, tmp_path), others)
    assert names[25:] == ["39"]  # 30 is a copy of 3


def test_a_changed_image_is_computed_anew(pictures, tmp_path):
    compute(pictures, tmp_path)
    shutil.copy(pictures[10].image, pictures[11].image)
    check(compute(pictures, tmp_path), pictures)


def test_encoders_and_policies_do_not_mix(pictures, tmp_path):
    Image.fromarray(np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)).save(pictures[0].image)
    stretched = compute(pictures, tmp_path)
    check(compute(pictures[1:], tmp_path, weight=2.0), pictures[1:], weight=2.0)
    check(compute(pictures[1:], tmp_path), pictures[1:])
    cropped = compute(pictures, tmp_path, policy="crop")
    middle = np.asarray(Image.open(pictures[0].image), np.float64)[:, 2:10]
    np.testing.assert_allclose(cropped[0][0], middle[:4, :4].mean(axis=(0, 1)), rtol=1e-3)
    assert np.abs(cropped[0] - stretched[0]).max() > 0.5


def test_a_kill_half_way_loses_one_chunk(pictures, tmp_path, decoded):
    names, watched = decoded
    watched.stop_after = 36
    with pytest.raises(KeyboardInterrupt):
        compute(pictures, tmp_path)
    names.clear()
    watched.stop_after = None
    check(compute(pictures, tmp_path), pictures)
    assert len(names) == 39 - 32  # chunks of 2 * 8 images, and 39 different ones


def test_an_array_without_its_keys_is_no_chunk(pictures, tmp_path, decoded):
    names, _ = decoded
    compute(pictures[:2], tmp_path)
    (keys,) = (path for path in (tmp_path / "cache").rglob("*.json") if path.stem != "about")
    keys.unlink()
    check(compute(pictures[:2], tmp_path), pictures[:2])
    assert names == ["0", "1", "0", "1"]


def chunk_of(tmp_path):
    (array,) = (tmp_path / "cache").rglob("*.npy")
    return array, array.with_suffix(".json")


def cut_off(array, keys):
    array.write_bytes(array.read_bytes()[:-7])


def altered(array, keys):
    content = bytearray(array.read_bytes())
    content[-5] ^= 1
    array.write_bytes(content)


def another_length(array, keys):
    header = json.loads(keys.read_text())
    keys.write_text(json.dumps(header | {"keys": header["keys"][1:]}))


def no_json(array, keys):
    keys.write_text(keys.read_text()[:20])


def gone(array, keys):
    array.unlink()


@pytest.mark.parametrize("damage", [cut_off, altered, another_length, no_json, gone])
def test_a_damaged_cache_is_refused_and_mended_by_removal(pictures, tmp_path, damage):
    compute(pictures[:4], tmp_path)
    array, keys = chunk_of(tmp_path)
    damage(array, keys)
    with pytest.raises(UserError, match=f"damaged: .*{array.name} and {keys.name}.*Remove"):
        compute(pictures[:4], tmp_path)
    array.unlink(missing_ok=True)
    keys.unlink()
    check(compute(pictures[:4], tmp_path), pictures[:4])


def test_a_cache_under_another_encoders_name_is_refused(pictures, tmp_path):
    compute(pictures[:2], tmp_path)
    (mine,) = (tmp_path / "cache").iterdir()
    compute(pictures[:2], tmp_path, weight=2.0)
    (other,) = set((tmp_path / "cache").iterdir()) - {mine}
    shutil.rmtree(mine)
    other.rename(mine)
    with pytest.raises(UserError, match="made otherwise: their weights is"):
        compute(pictures[:2], tmp_path)


def test_faulty_images_are_named_and_left_out_on_demand(pictures, tmp_path):
    pictures = pictures[:9]
    Path(pictures[2].image).write_text("no picture")
    Path(pictures[5].image).unlink()
    for named in (pictures[5].image, pictures[2].image):  # what is missing is seen first
        with pytest.raises(UserError, match=named):
            compute(pictures if named == pictures[5].image else pictures[:5], tmp_path)
    for _ in range(2):
        found = compute(pictures, tmp_path, skip_faulty=True)
        check(found, [image for n, image in enumerate(pictures) if n not in (2, 5)])
        assert [fault.name for fault in found.skipped] == [pictures[2].image, pictures[5].image]
        assert "no image of a kind that is read" in found.skipped[0].message


def test_features_beyond_float16_are_refused(pictures, tmp_path):
    with pytest.raises(UserError, match=r"float16, up to 65504, and this encoder gives .*e\+0"):
        compute(pictures[:3], tmp_path, weight=1e4)


def test_an_unknown_policy_is_refused(pictures, tmp_path):
    with pytest.raises(UserError, match="did you mean 'crop'"):
        compute(pictures, tmp_path, policy="crap")
    assert not (tmp_path / "cache").exists()
