"""Images of every source, their splits and batches, and what is refused."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from sklearn.datasets import load_digits

from rnnjax.errors import UserError
from rnnjax.tasks.draw import preparation
from rnnjax.tasks.draw.config import DrawConfig
from rnnjax.tasks.draw.sources import binarised, load_splits
from tests.data.prepared_tfds import write_grey_images

NOISE = np.random.default_rng(0).integers(0, 256, (20, 4, 6), np.uint8)


def splits_of(source, **options):
    return load_splits(DrawConfig(data=str(source), **options))


def save(folder, name="images.npz", **arrays):
    np.savez(folder / name, **arrays)
    return folder / name


def test_the_digits_are_divided_where_a_sheet_of_a_writer_begins():
    splits, digits = splits_of("embedded"), load_digits()
    assert [len(images) for images in splits.values()] == [1287, 258, 252]
    together = np.concatenate([*splits.values()])
    np.testing.assert_allclose(together / 255, digits.images / 16, atol=1 / 255)
    for start in (1287, 1545):  # A sheet begins with 0 to 9, though a digit may be missing.
        assert digits.target[start : start + 7].tolist() == list(range(7))
        assert digits.target[start - 3 : start].tolist() == [8, 9, 8]


def test_a_twelfth_of_the_training_arrays_is_drawn_for_validation(tmp_path):
    named = splits_of(save(tmp_path, x_train=NOISE / 255, x_test=NOISE[:3] > 127))
    np.testing.assert_array_equal(named["test"], 255 * (NOISE[:3] > 127))
    both = np.concatenate([named["train"], named["validation"]])
    assert len(named["validation"]) == 2
    assert sorted(image.tobytes() for image in both) == sorted(image.tobytes() for image in NOISE)


def test_folders_of_images_say_their_split(tmp_path):
    for n, split in enumerate(["train", "train", "valid", "test"]):
        (tmp_path / split).mkdir(exist_ok=True)
        Image.fromarray(NOISE[n] // 2).save(tmp_path / split / f"{n}.png")
    (tmp_path / "train" / "notes.txt").write_text("no image")
    splits = splits_of(tmp_path)
    np.testing.assert_array_equal(splits["train"], NOISE[:2] // 2)
    np.testing.assert_array_equal(splits["test"], NOISE[3:4] // 2)
    assert splits_of(tmp_path, image_size=12)["train"].shape == (2, 12, 12)
    for n in range(20):
        (tmp_path / "all").mkdir(exist_ok=True)
        Image.fromarray(NOISE[n] // 2).save(tmp_path / f"all/{n}.png")
    pooled = splits_of(tmp_path / "all")
    assert [len(images) for images in pooled.values()] == [16, 2, 2]
    rows = sorted(image.tobytes() for images in pooled.values() for image in images)
    assert rows == sorted(image.tobytes() for image in NOISE // 2)


def test_data_sets_of_tfds(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    write_grey_images(
        tmp_path, "noise", {"train": (NOISE[:5], None), "validation": (NOISE[5:], None)}
    )
    splits = splits_of("tfds:noise")
    assert splits.keys() == {"train", "validation"}
    np.testing.assert_array_equal(splits["train"], NOISE[:5])
    np.testing.assert_array_equal(splits["validation"], NOISE[5:])


def test_stochastic_images_are_drawn_anew_in_every_epoch_and_the_same_again(tmp_path):
    path = save(tmp_path, x_train=np.repeat(NOISE, 50, axis=0), x_test=NOISE)
    config = DrawConfig(data=str(path), batch_size=916, binarise="stochastic")
    prepared = preparation.prepare(config)
    first, second = prepared.batches[0], prepared.batches[1]
    by_index = [batch["images"][np.argsort(batch["indices"])] for batch in (first, second)]
    assert 0.1 < np.mean(by_index[0] != by_index[1]) < 0.5
    again = preparation.prepare(config).batches[1]
    np.testing.assert_array_equal(again["images"], second["images"])
    grey = load_splits(config)["train"]
    for images in (*by_index, prepared.splits["train"]):
        np.testing.assert_allclose(images.mean(), grey.mean() / 255, atol=0.01)
        np.testing.assert_array_equal(images[grey == 255], 1)
        np.testing.assert_array_equal(images[grey == 0], 0)
    threshold = binarised(np.array([0, 127, 128, 255], np.uint8), "threshold", None)
    assert threshold.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x_train": None}, r"has no x_train: expected an \.npz file with x_train and x_test \[N"),
        ({"x_train": NOISE * 2.0}, r"x_train hold \d+: expected uint8 from 0 to 255, or numbers"),
        ({"x_train": NOISE // 128}, "x_train are uint8 and hold 0 and 1: expected 0 to 255"),
        ({"x_train": np.full((9, 4, 4), np.nan)}, "x_train hold nan: expected"),
        ({"x_test": np.full((9, 4, 4), -1)}, "x_test hold -1: expected"),
        ({"x_train": NOISE[0]}, r"x_train are uint8 \[4, 6\]: expected"),
        ({"x_train": NOISE[:0]}, "has no image for the train split"),
        ({"x_train": NOISE, "x_test": NOISE[:, :3]}, r"test: images of 3 x 6 pixels: expected 4 x"),
    ],
)
def test_arrays_that_are_no_images_are_refused(tmp_path, arrays, told):
    every = {"x_train": NOISE, "x_test": NOISE, **arrays}
    path = save(tmp_path, **{name: x for name, x in every.items() if x is not None})
    with pytest.raises(UserError, match=told):
        splits_of(path)


def test_folders_without_images_or_with_unequal_ones_are_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(UserError, match=r"has no image: expected files that end in \.jpg"):
        splits_of(tmp_path)
    for n, size in enumerate([(4, 6), (5, 6)]):
        Image.new("L", size).save(tmp_path / f"{n}.png")
    with pytest.raises(UserError) as error:
        splits_of(tmp_path)
    assert str(error.value) == (
        f"{tmp_path / '1.png'}: images of 6 x 5 pixels: expected 6 x 4 as in {tmp_path / '0.png'}; "
        "--config.image_size=28 scales them"
    )
    (tmp_path / "2.png").write_bytes(b"no PNG")
    with pytest.raises(UserError, match=r"2\.png is no image of a kind that is read"):
        splits_of(tmp_path)
    (tmp_path / "x.npz").write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"x\.npz is no \.npz file of numbers"):
        splits_of(tmp_path / "x.npz")
