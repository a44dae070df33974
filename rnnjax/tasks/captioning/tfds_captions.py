"""Images with captions from TensorFlow Datasets, such as `tfds:coco_captions`."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.data.named_splits import SPLIT_OF_WORD
from rnnjax.data.tfds import TfdsDataset, one_line_errors
from rnnjax.tasks.captioning.captioned_images import CaptionedImage

SPLITS = {"restval": "train"} | SPLIT_OF_WORD
"""TFDS's names of splits that are read, and what they are here."""


def captioned_examples(spec: str, faults: list[str]) -> list[CaptionedImage]:
    """The images and captions of a data set; images are neither copied nor decoded.

    Every example is read once, for its captions. `restval`, of Karpathy's split of COCO, becomes
    part of `train`.

    Args:
        spec: `NAME` or `NAME:FEATURE`, the feature that holds the captions: a text, a sequence of
            texts, or a sequence of records with one text `text`. Without it, it is `captions`, or
            the only such feature. The images are the feature `image`, or the only one of images.
        faults: take the captions without a word.

    Returns:
        The images, which are named `tfds:NAME SPLIT NUMBER`.

    Raises:
        UserError: no such data set or feature, no network, no TensorFlow.
    """
    dataset = TfdsDataset(spec)
    import tensorflow_datasets as tfds

    image = dataset.choose(
        "feature of images",
        lambda feature: isinstance(feature, tfds.features.Image),
        usual="image",
        by_user=False,
    )
    captions = dataset.choose("feature of captions", _holds_texts, usual="captions")
    found = []
    for split, source in dataset.sources({image: tfds.decode.SkipDecoding()}).items():
        if split not in SPLITS:
            continue
        for n, (place, example) in enumerate(dataset.examples(split, source)):
            stored = functools.partial(_bytes, dataset.name, source, n, image)
            entry = CaptionedImage(place, [], place, SPLITS[split], stored)
            for m, text in enumerate(_texts(example[captions])):
                entry.add(text, f"{place}, caption {m}", faults)
            found.append(entry)
    return found


def _bytes(name: str, source: Any, n: int, feature: str) -> bytes:
    with one_line_errors(name):
        return bytes(source[n][feature])


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        value = value["text"]
    if isinstance(value, bytes):
        value = [value]
    return [bytes(text).decode() for text in value]


def _holds_texts(feature: Any) -> bool:
    from tensorflow_datasets.core.features import FeaturesDict, Tensor

    inner = getattr(feature, "feature", feature)
    if inner is not feature and isinstance(inner, FeaturesDict):
        inner = dict(inner.items()).get("text")
    is_scalar = isinstance(inner, Tensor) and inner.shape == ()
    return is_scalar and np.dtype(inner.np_dtype) == np.object_
