"""Digits from scikit-learn, .npz files and images, and their batches."""

import numpy as np
import pytest
import tensorflow_datasets as tfds
from sklearn.datasets import load_digits as of_scikit_learn

from rnnjax.errors import UserError
from rnnjax.tasks.sequential_mnist import digits
from tests.data.prepared_tfds import write_grey_images


def arrays(n_train=24, n_test=3, side=4, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "x_train": rng.integers(0, 256, (n_train, side, side), np.uint8),
        "y_train": rng.integers(0, 10, n_train),
        "x_test": rng.integers(0, 256, (n_test, side, side), np.uint8),
        "y_test": rng.integers(0, 10, n_test),
    }


def saved(folder, **changed):
    np.savez(folder / "digits.npz", **{**arrays(), **changed})
    return str(folder / "digits.npz")


def test_every_digit_of_scikit_learn_is_in_one_split():
    splits = digits.load_digits("embedded")
    expected = of_scikit_learn()
    images = np.concatenate([part.images for part in splits.values()])
    labels = np.concatenate([part.labels for part in splits.values()])
    assert {name: len(part.labels) for name, part in splits.items()} == {
        "train": 1437, "validation": 180, "test": 180,
    }  # fmt: skip
    rows = np.column_stack([images.reshape(len(images), -1), labels])
    wanted = np.column_stack([expected.data / 16, expected.target]).astype(np.float32)
    np.testing.assert_array_equal(np.sort(rows, axis=0), np.sort(wanted, axis=0))


def test_a_twelfth_of_the_training_images_is_for_validation_though_they_are_sorted(tmp_path):
    labels = np.repeat(np.arange(10), 24)
    images = np.arange(240, dtype=np.uint8)[:, None, None] * np.ones((4, 4), np.uint8)
    splits = digits.load_digits(saved(tmp_path, x_train=images, y_train=labels))
    numbers = {}
    for name in ("train", "validation"):
        numbers[name] = np.round(splits[name].images[:, 0, 0] * 255).astype(int)
        np.testing.assert_array_equal(splits[name].labels, labels[numbers[name]])
    assert sorted(np.concatenate(list(numbers.values()))) == list(range(240))
    assert len(numbers["validation"]) == 20
    assert len(set(splits["validation"].labels.tolist())) > 5
    np.testing.assert_array_equal(splits["test"].labels, arrays()["y_test"])


def test_data_sets_of_tfds_are_read_as_files_are(tmp_path, monkeypatch):
    monkeypatch.setattr(tfds.core.constants, "DATA_DIR", str(tmp_path))
    found = arrays()
    train, test = ((found[f"x_{part}"], found[f"y_{part}"]) for part in ("train", "test"))
    write_grey_images(tmp_path, "mnist", {"train": train, "test": test})
    of_file, of_tfds = digits.load_digits(saved(tmp_path)), digits.load_digits("tfds:mnist")
    assert of_tfds.keys() == of_file.keys()
    for split, part in of_file.items():
        for expected, got in zip(part, of_tfds[split], strict=True):
            np.testing.assert_array_equal(got, expected)
    write_grey_images(tmp_path, "three", {"train": train, "validation": test, "test": test})
    three = digits.load_digits("tfds:three")
    assert {name: len(part.labels) for name, part in three.items()} == {
        "train": 24, "validation": 3, "test": 3,
    }  # fmt: skip
    write_grey_images(tmp_path, "no_labels", {"train": (train[0], None), "test": (test[0], None)})
    with pytest.raises(UserError, match="no_labels: y_train holds labels that are not 0 to 9"):
        digits.load_digits("tfds:no_labels")
    write_grey_images(tmp_path, "no_test", {"train": train})
    with pytest.raises(UserError, match="tfds:no_test has no split test"):
        digits.load_digits("tfds:no_test")


def test_a_batch_holds_each_image_pixel_by_pixel_in_the_order_of_reading(tmp_path):
    prepared = digits.prepare(saved(tmp_path), batch_size=11)
    batch = prepared.batches[0]
    assert batch["pixels"].shape == (16, 11, 1)
    images = {
        image.tobytes(): label for image, label in zip(*prepared.splits["train"], strict=True)
    }
    for row, label in enumerate(batch["label"]):
        assert images[batch["pixels"][:, row, 0].tobytes()] == label
    (held_out,) = prepared.validation
    assert held_out["lengths"].tolist() == [16] * 2 + [0] * 9


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"x_train": np.zeros((24, 4, 5), np.uint8)}, r"x_train uint8 \[N, side, side\].*4, 5"),
        ({"x_test": np.zeros((3, 5, 5), np.uint8)}, r"x_test .*got uint8 \[3, 5, 5\]"),
        ({"x_train": np.zeros((24, 4, 4))}, "got float64"),
        ({"x_test": np.ones((3, 4, 4), np.uint8)}, "x_test are uint8 and hold 0 and 1"),
        ({"y_test": np.zeros(2, int)}, r"and \[2\]"),
        ({"y_test": np.array([0, 1, 10])}, "y_test holds labels that are not 0 to 9"),
    ],
)
def test_arrays_of_another_form_are_named(tmp_path, changed, words):
    with pytest.raises(UserError, match=words):
        digits.load_digits(saved(tmp_path, **changed))


def test_files_that_hold_no_digits_are_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    np.savez(tmp_path / "other.npz", x_train=np.zeros(1))
    for name, words in {
        "text.npz": "no .npz file of numbers", "other.npz": "has no y_train, x_test, y_test",
        "missing.npz": "does not exist",
    }.items():  # fmt: skip
        with pytest.raises(UserError, match=words):
            digits.load_digits(str(tmp_path / name))


def test_permuted_pixels_are_the_same_ones_in_one_order_for_all_splits():
    plain, permuted = digits.load_digits("embedded"), digits.load_digits("embedded", permuted=True)
    order = None
    for name in ("train", "test"):
        before = plain[name].images.reshape(len(plain[name].images), -1)
        after = permuted[name].images.reshape(len(before), -1)
        np.testing.assert_array_equal(permuted[name].labels, plain[name].labels)
        np.testing.assert_array_equal(np.sort(before), np.sort(after))
        if order is None:  # By the columns' whole contents, of those that differ.
            columns = {column.tobytes(): n for n, column in enumerate(before.T)}
            order = [columns[column.tobytes()] for column in after.T]
            assert np.mean(np.array(order) == np.arange(64)) < 0.2
        np.testing.assert_array_equal(after, before[:, order])
