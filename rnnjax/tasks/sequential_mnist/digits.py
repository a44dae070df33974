"""Images of handwritten digits, and batches of them as sequences of pixels."""

import hashlib
from typing import NamedTuple

import numpy as np

from rnnjax.data import tfds
from rnnjax.data.named_splits import also_in_training, drawn_in_shares
from rnnjax.data.npz import check_grey, read_npz
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared
from rnnjax.errors import UserError

NUM_CLASSES = 10
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class Digits(NamedTuple):
    """Images and what they show.

    Attributes:
        images: float32 `[N, side, side]`, 0 (ground) to 1 (ink).
        labels: int32 `[N]`, 0 to 9.
    """

    images: np.ndarray
    labels: np.ndarray


def load_digits(source: str, permuted: bool = False) -> dict[str, Digits]:
    """The splits of a source.

    Args:
        source: `embedded`: scikit-learn's 1,797 digits of 8 x 8 pixels, a tenth each drawn for
            validation and test. Otherwise the path of an .npz file with the arrays x_train,
            y_train, x_test and y_test (as `mnist.npz` has them), or `tfds:NAME` of ten classes; of
            its training images a twelfth is drawn for validation, unless it has such a split. What
            is drawn is the same in every run.
        permuted: whether the pixels are in the order of `permute`.

    Raises:
        UserError: there is no such source, or it does not hold such images and labels.
    """
    if source == "embedded":
        from sklearn.datasets import load_digits as of_scikit_learn

        found = of_scikit_learn()
        every = _digits(found.images / 16, found.target)
        train, validation, test = _drawn(every, 8, 1, 1)
    else:
        splits = {
            split: _digits(images / 255, labels)
            for split, (images, labels) in _read(source).items()
        }
        test = splits["test"]
        if "validation" in splits:
            train, validation = splits["train"], splits["validation"]
        else:
            train, validation = _drawn(splits["train"], 11, 1)
    splits = {"train": train, "validation": validation, "test": test}
    if permuted:
        splits = {name: Digits(permute(x), labels) for name, (x, labels) in splits.items()}
    return splits


def permute(images: np.ndarray) -> np.ndarray:
    """The images `[N, side, side]` with their pixels in another order, the same in every run.

    Pixels that were neighbours are far apart then: permuted sequential MNIST.

    References:
        Le, Jaitly & Hinton 2015, section 4.2.
    """
    flat = images.reshape(len(images), -1)
    order = np.random.default_rng(0).permutation(flat.shape[1])
    return flat[:, order].reshape(images.shape)


def prepare(source: str, batch_size: int, seed: int = 0, permuted: bool = False) -> Prepared:
    """Loads a source and makes its batches; see `load_digits`.

    A batch holds `pixels` float32 `[T, B, 1]`, `label` int32 `[B]` and `lengths` int32 `[B]`, T
    where a row holds an image and 0 where it does not.
    """
    splits = load_digits(source, permuted)
    train = splits["train"]
    batches = TrainingBatches(
        pixel_sequences(train), batch_size=batch_size, seed=seed, full_only=True
    )
    validation = EvaluationBatches(pixel_sequences(splits["validation"]), batch_size=batch_size)
    digest = hashlib.sha256(train.images.tobytes() + train.labels.tobytes()).hexdigest()
    side = train.images.shape[1]
    sizes = ", ".join(f"{name} {len(part.labels):,}" for name, part in splits.items())
    images = {name: part.images for name, part in splits.items()}
    described = f"digits of {side} x {side} pixels, {side**2} steps: {sizes}"
    description = "; ".join([described, *also_in_training(images, "images", np.asarray)])
    return Prepared(batches, validation, description, splits, digest)


def pixel_sequences(digits: Digits) -> Examples:
    """The images as examples, a pixel a step from the upper left to the lower right."""
    pixels = digits.images.reshape(len(digits.images), -1, 1)
    return Examples(
        lambda n: {"pixels": pixels[n], "label": digits.labels[n]},
        len(pixels),
        {"lengths": Ragged(("pixels",), np.full(len(pixels), pixels.shape[1]))},
        noun="image",
    )


def _digits(images: np.ndarray, labels: np.ndarray) -> Digits:
    return Digits(images.astype(np.float32), labels.astype(np.int32))


def _drawn(digits: Digits, *shares: int) -> list[Digits]:
    """Divides images at random, as files may be sorted by label."""
    parts = drawn_in_shares(len(digits.labels), *shares)
    return [Digits(digits.images[rows], digits.labels[rows]) for rows in parts]


def _read(source: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The images `[N, side, side]` and labels of each split of a file or a data set of TFDS."""
    if source.startswith("tfds:"):
        found = tfds.images(source.removeprefix("tfds:"))
    else:
        expected = f"expected embedded, tfds:NAME, or an .npz file with {', '.join(ARRAYS)}"
        arrays = read_npz(source, ARRAYS, expected=expected)
        found = {part: (arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")}
    if "test" not in found:
        raise UserError(f"{source} has no split test")
    for part, (x, y) in found.items():
        square = x.ndim == 3 and x.shape[1] == x.shape[2] == found["train"][0].shape[1]
        if not square or x.dtype != np.uint8 or y.shape != x.shape[:1] or not len(y):
            raise UserError(
                f"{source}: expected x_{part} uint8 [N, side, side] and y_{part} [N], got "
                f"{x.dtype} {list(x.shape)} and {list(y.shape)}"
            )
        check_grey(x, f"{source}: x_{part}")
        if y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= NUM_CLASSES:
            raise UserError(f"{source}: y_{part} holds labels that are not 0 to 9")
    return found
