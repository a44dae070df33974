"""Images with captions from TensorFlow Datasets, in the manner of `tfds:coco_captions`."""

import contextlib
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from rnnjax.data.tfds import choose_feature, name_and_feature, prepared, told_simply
from rnnjax.tasks.captioning.annotation_lines import Annotations, Caption, Listed

SPLITS = {"train": "train", "restval": "train", "validation": "validation", "valid": "validation",
          "val": "validation", "dev": "validation", "test": "test"}  # fmt: skip
"""TFDS's names of splits that are read, and what they are here."""

OFFLINE = "Without a network use --config.data=FOLDER, one that holds images and their captions."


def captioned_examples(
    spec: str, *, data_dir: str | None = None
) -> tuple[Annotations, dict[str, Callable[[], bytes]]]:
    """The images and captions of a data set; images stay where they are and as they are encoded.

    Every example is read once, for its captions. `restval`, of Karpathy's split of COCO, becomes
    part of `train`.

    Args:
        spec: `NAME` or `NAME:FEATURE`, the feature that holds the captions: a text, a sequence of
            texts, or a sequence of records with one text `text`. Without it, it is `captions`, or
            the only such feature. The images are the feature `image`, or the only one of images.
        data_dir: TFDS's folder; None: its default (~/tensorflow_datasets, or TFDS_DATA_DIR).

    Returns:
        What it says, images named `tfds:NAME SPLIT NUMBER`; and, by that name, what gives the bytes
        of an image.

    Raises:
        UserError: no such data set or feature, no network, no TensorFlow.
    """
    name, wanted = name_and_feature(spec)
    builder = _builder(name, data_dir)
    import tensorflow_datasets as tfds

    features = builder.info.features
    image = choose_feature(
        name,
        "feature of images",
        features,
        lambda feature: isinstance(feature, tfds.features.Image),
        usual="image",
        by_user=False,
    )
    captions = choose_feature(
        name, "feature of captions", features, _holds_texts, usual="captions", wanted=wanted
    )
    found = Annotations([], [], [])
    stored: dict[str, Callable[[], bytes]] = {}
    with told_simply(name, OFFLINE):
        sources = builder.as_data_source(decoders={image: tfds.decode.SkipDecoding()})
        for split, source in sources.items():
            for n in range(len(source) if split in SPLITS else 0):
                place = f"tfds:{name} {split} {n}"
                found.listed.append(Listed(place, SPLITS[split], place))
                found.captions.extend(
                    Caption(place, text, f"{place}, caption {m}")
                    for m, text in enumerate(_texts(source[n][captions]))
                )
                stored[place] = functools.partial(_bytes, name, source, n, image)
    return found, stored


def _builder(name: str, data_dir: str | None) -> Any:
    """What lies prepared is opened by its files: COCO's own code needs TensorFlow to load."""
    with told_simply(name, OFFLINE):
        from tensorflow_datasets.core import DatasetNotFoundError
        from tensorflow_datasets.core.read_only_builder import builder_from_files

        with contextlib.suppress(DatasetNotFoundError):
            return builder_from_files(name, data_dir=data_dir)
    return prepared(name, OFFLINE, data_dir=data_dir)


def _bytes(name: str, source: Any, n: int, feature: str) -> bytes:
    with told_simply(name, OFFLINE):
        return bytes(source[n][feature])


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = value["text"]
    if isinstance(value, bytes):
        value = [value]
    return [bytes(text).decode().strip() for text in value]


def _holds_texts(feature: Any) -> bool:
    from tensorflow_datasets.core.features import FeaturesDict, Tensor

    inner = getattr(feature, "feature", feature)
    if inner is not feature and isinstance(inner, FeaturesDict):
        inner = dict(inner.items()).get("text")
    is_scalar = isinstance(inner, Tensor) and inner.shape == ()
    return is_scalar and np.dtype(inner.np_dtype) == np.object_
