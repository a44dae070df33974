"""Features of images: what the encoder gives, computed once, and never another encoder's."""

import hashlib
import shutil
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from PIL import Image

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionedImage
from rnnjax.tasks.captioning.features import features_of


class Quarters(nnx.Module):
    """The mean colour of each quarter of the image, times a weight."""

    side = 8

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
        made.append(CaptionedImage(str(path), ("a picture",)))
    shutil.copy(made[3].image, made[30].image)
    return made


def quarters(image, weight=1.0):
    pixels = np.asarray(Image.open(image.image), np.float64)
    rows = [pixels[r : r + 4, c : c + 4].mean(axis=(0, 1)) for r in (0, 4) for c in (0, 4)]
    return weight * np.stack(rows)


def compute(pictures, tmp_path, weight=1.0, **options):
    options = {"policy": "stretch"} | options
    return features_of(pictures, Quarters(weight), cache_dir=tmp_path / "cache", **options)


def check(found, pictures, weight=1.0):
    assert found.images == pictures
    features = [found.take(n) for n in range(len(pictures))]
    assert features[0].dtype == np.float16
    expected = [quarters(image, weight) for image in pictures]
    np.testing.assert_allclose(features, expected, rtol=1e-3)


@pytest.fixture
def decoded(monkeypatch):
    """The names of images that were decoded; the process is killed at `stop_at`."""
    names: list[str] = []
    pixels = CaptionedImage.pixels

    def watched(image, *given):
        names.append(Path(image.image).stem)
        if names[-1] == watched.stop_at:
            raise KeyboardInterrupt
        return pixels(image, *given)

    watched.stop_at = None
    monkeypatch.setattr(CaptionedImage, "pixels", watched)
    return names, watched


def test_each_image_has_its_own_features(pictures, tmp_path):
    found = compute(pictures, tmp_path)
    check(found, pictures)
    assert found.skipped == []
    for n in (5, 0, 39, 5):
        np.testing.assert_allclose(found.take(n), quarters(pictures[n]), rtol=1e-3)


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
    np.testing.assert_allclose(cropped.take(0)[0], middle[:4, :4].mean(axis=(0, 1)), rtol=1e-3)
    assert np.abs(cropped.take(0) - stretched.take(0)).max() > 0.5


def test_a_kill_half_way_loses_no_features(pictures, tmp_path, decoded):
    names, watched = decoded
    watched.stop_at = "39"
    with pytest.raises(KeyboardInterrupt):
        compute(pictures, tmp_path)
    names.clear()
    watched.stop_at = None
    check(compute(pictures, tmp_path), pictures)
    assert len(names) == 39 - 32  # of 39 different images, 32 in a batch


def test_a_damaged_file_is_told_and_mended_by_removal(pictures, tmp_path):
    found = compute(pictures[:4], tmp_path)
    digest = hashlib.sha256(Path(pictures[2].image).read_bytes()).hexdigest()
    (path,) = tmp_path.glob(f"cache/*/{digest}.npy")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(UserError, match=f"damaged: {path} .*Remove"):
        found.take(2)
    path.unlink()
    check(compute(pictures[:4], tmp_path), pictures[:4])


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
        missing, broken = found.skipped
        assert pictures[5].image in missing
        assert f"{pictures[2].image} is no image of a kind that is read" in broken
