"""From the images of a config to batches."""

import hashlib

import jax
import numpy as np

from rnnjax.data.named_splits import also_in_training
from rnnjax.data.padded_batches import EvaluationBatches, Examples, TrainingBatches
from rnnjax.data.prepared import Prepared, Shapes
from rnnjax.tasks.draw.config import ImageSource
from rnnjax.tasks.draw.sources import binarised, load_splits


def prepare(config: ImageSource) -> Prepared:
    """Loads the images of a config and makes their batches.

    A batch holds `images` uint8 `[B, h, w]`, 0 or 1, for training binarised anew in every epoch,
    and `indices` int32 `[B]`, negative in a filler row.

    Raises:
        UserError: the source cannot be used.
    """
    grey = load_splits(config)
    splits = _binary(grey, config)
    digest = hashlib.sha256(grey["train"].tobytes() + grey["validation"].tobytes())
    examples = image_examples(splits["train"])
    if config.binarise == "stochastic":
        examples = examples._replace(
            draw=lambda index, rng: {"images": binarised(grey["train"][index], "stochastic", rng)}
        )
    height, width = grey["train"].shape[1:]
    sizes = ", ".join(f"{split} {len(images):,}" for split, images in splits.items())
    described = f"images of {height} x {width} pixels, binarised by {config.binarise}: {sizes}"
    seen = also_in_training(grey, "images", np.asarray)
    return Prepared(
        TrainingBatches(examples, batch_size=config.batch_size, seed=config.seed),
        evaluation_batches(splits["validation"], config),
        "; ".join([described, *seen]),
        splits,
        digest.hexdigest(),
        mean=grey["train"].mean(axis=0) / 255,
    )


def binary_splits(config: ImageSource) -> dict[str, np.ndarray]:
    """The images of a config as 0 and 1 in splits; what is drawn is the same in every run."""
    return _binary(load_splits(config), config)


def image_examples(images: np.ndarray) -> Examples:
    """Images of 0 and 1 as examples."""
    return Examples(lambda index: {"images": images[index]}, len(images), noun="image")


def evaluation_batches(images: np.ndarray, config: ImageSource) -> EvaluationBatches:
    """Batches that hold each image once, see `prepare`."""
    return EvaluationBatches(image_examples(images), batch_size=min(config.batch_size, len(images)))


def shapes(config: ImageSource) -> Shapes:
    """The shapes of a config's batches, for the dry run; files: as MNIST, unless scaled."""
    side = 8 if config.data == "embedded" else config.image_size or 28
    batch = {
        "images": jax.ShapeDtypeStruct((config.batch_size, side, side), np.uint8),
        "indices": jax.ShapeDtypeStruct((config.batch_size,), np.int32),
    }
    return Shapes(batch, config.batch_size, (), mean=np.full((side, side), 0.5))


def _binary(grey: dict[str, np.ndarray], config: ImageSource) -> dict[str, np.ndarray]:
    return {
        split: binarised(images, config.binarise, np.random.default_rng(0))
        for split, images in grey.items()
    }
