"""Data sets in TFDS's own prepared format, written by TFDS itself, without TensorFlow."""

import io

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image


def write_tfds(data_dir, name, features, splits, version="1.0.0", config=""):
    """Writes {split: [{feature: value} of each example]}, two examples a file."""
    folder = data_dir / name / config / version
    folder.mkdir(parents=True)
    identity = tfds.core.dataset_info.DatasetIdentity(
        name=name,
        version=tfds.core.Version(version),
        data_dir=str(folder),
        module_name="tests",
        config_name=config or None,
    )
    info = tfds.core.DatasetInfo(builder=identity, features=tfds.features.FeaturesDict(features))
    writer = tfds.core.SequentialWriter(
        info, max_examples_per_shard=2, file_format="array_record", overwrite=False
    )
    writer.initialize_splits(list(splits))
    for split, rows in splits.items():
        writer.add_examples({split: rows})
    writer.close_splits(list(splits))


def write_grey_images(data_dir, name, splits):
    """Writes {split: (images uint8 [N, h, w], classes 0 to 9 or None)}."""
    some = next(iter(splits.values()))[0]
    features = {"image": tfds.features.Image(shape=(*some.shape[1:], 1), dtype=np.uint8)}
    if any(labels is not None for _, labels in splits.values()):
        features["label"] = tfds.features.ClassLabel(num_classes=10)
    rows = {
        split: [
            {"image": as_png(image), **({} if labels is None else {"label": labels[n]})}
            for n, image in enumerate(images)
        ]
        for split, (images, labels) in splits.items()
    }
    write_tfds(data_dir, name, features, rows)


def as_png(image):
    """The bytes of an image, as TFDS takes them without TensorFlow."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    file.seek(0)
    return file
