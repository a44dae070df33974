"""The classifier of digits: its settings, its loss, and the classes of images."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from flax import nnx

from rnnjax import training, visuals
from rnnjax.data.images import read_ink
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.metrics.classes import confusions
from rnnjax.models import SequenceClassifier, classification_loss
from rnnjax.tasks.sequential_mnist.digits import NUM_CLASSES, Digits, permute, pixel_sequences
from rnnjax.training import setting
from rnnjax.training.config import NetworkConfig, Positive
from rnnjax.typing import Array, Batch


@dataclasses.dataclass(frozen=True, kw_only=True)
class DigitConfig(training.TrainingConfig, NetworkConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting("embedded", "embedded, an .npz file such as mnist.npz, or tfds:NAME.")
    permuted: bool = setting(False, "Read the pixels in a random order, the same for all images.")
    hidden_size: Positive = setting(64, "H, units a layer.")


def make_model(config: DigitConfig) -> SequenceClassifier:
    """The classifier of a config, with fresh parameters."""
    rngs = nnx.Rngs(config.seed)
    return SequenceClassifier(NUM_CLASSES, config.network(), input_size=1, rngs=rngs)


def batch_loss(model: SequenceClassifier, batch: Batch, key: Array | None) -> training.Loss:
    """The cross entropy of the labels in nats a digit, and how many percent are right."""
    logits, real = model(batch["pixels"], key=key), batch["lengths"] > 0
    total, count, right = classification_loss(logits, batch["label"], real)
    return training.Loss(total, count, metrics={"accuracy": 100 * right})


class DigitReader(NamedTuple):
    """A classifier of digits that reads image files.

    Attributes:
        side: pixels of each side of the images that it was trained on.
        permuted: whether it reads them in the order of `digits.permute`.
    """

    model: SequenceClassifier
    side: int
    permuted: bool = False

    def read(self, *paths: str) -> np.ndarray:
        """The probability of each digit for each image file, `[N, 10]`; see
        `rnnjax.data.images.read_ink`."""
        images = np.stack([read_ink(path, self.side) for path in paths])
        images = permute(images) if self.permuted else images
        return classify(self.model, Digits(images, np.zeros(len(images), np.int32)))


def load(workdir: str | Path, config: DigitConfig | None = None) -> DigitReader:
    """The trained classifier of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, DigitConfig, config)
    model = training.restore_model(workdir, make_model, settings)
    return DigitReader(model, int(stored["side"]), settings.permuted)


def classify(model: SequenceClassifier, images: Digits, batch_size: int = 64) -> np.ndarray:
    """The probability of each digit for each image, `[N, 10]`."""
    batches = EvaluationBatches(pixel_sequences(images), batch_size=batch_size)
    found = training.results_of(_probabilities, model, batches)
    return np.array(in_order(found, lengths=None))


def _probabilities(model: SequenceClassifier, batch: dict[str, jax.Array]) -> jax.Array:
    return jax.nn.softmax(model(batch["pixels"]))


def report_scores(
    reader: DigitReader, splits: Mapping[str, Digits], split: str, folder: Path
) -> tuple[str, list[training.Section]]:
    """How many digits are right; `confusion_SPLIT.png` is the confusion matrix."""
    images = splits[split]
    found = classify(reader.model, images).argmax(axis=-1)
    counts = confusions(images.labels, found, range(NUM_CLASSES))
    title = f"{split}: {np.mean(images.labels == found):.2%} of {len(found):,} digits right"
    png = visuals.draw_confusion("0123456789", counts)
    picture = training.write_results(folder, {f"confusion_{split}.png": png})
    told = f"{title}\nConfusion matrix: {picture}"
    return told, [training.Section(title, png=png)]
