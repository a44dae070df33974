"""Captions in one JSON document: Karpathy's splits and COCO's own annotations."""

import json
from collections.abc import Mapping
from typing import Any

from rnnjax.data.files import read_text
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.captioning.annotation_lines import Annotations, Caption, Listed, fault

_KARPATHY_SPLITS = {"train": "train", "restval": "train", "val": "validation", "test": "test"}


def read_karpathy(path: str, *, encoding: str) -> Annotations:
    """The images and captions of `dataset_flickr8k.json`, `dataset_coco.json` and their kin.

    Andrej Karpathy and Li Fei-Fei, "Deep visual-semantic alignments for generating image
    descriptions" (2015). The split `restval` becomes part of `train`, as everyone trains on it.

    Args:
        path: of a file `{"images": [{"filename", "filepath", "split", "sentences": [{"raw"}]}]}`,
            `filepath` optional; of sentences without `raw` the `tokens` are taken.
        encoding: of the file.

    Returns:
        All that it says.

    Raises:
        UserError: the file cannot be read or is written otherwise.
    """
    found = Annotations([], [], [])
    for n, entry in enumerate(_items(_document(path, encoding), "images", path)):
        place = f"{path}: images[{n}]"
        split = _text(entry, "split", place)
        if split not in _KARPATHY_SPLITS:
            hint = did_you_mean(split, _KARPATHY_SPLITS)
            raise UserError(f"{place} has the unknown split {split!r}: {hint}")
        image = _text(entry, "filename", place)
        if entry.get("filepath"):
            image = f"{_text(entry, 'filepath', place)}/{image}"
        found.listed.append(Listed(image, _KARPATHY_SPLITS[split], f"{place} ({image})"))
        for m, sentence in enumerate(_items(entry, "sentences", place)):
            source = f"{place} ({image}), sentences[{m}]"
            if "raw" in sentence:
                text = _text(sentence, "raw", source)
            else:
                tokens = sentence.get("tokens")
                if not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
                    raise UserError(f"{source} has neither 'raw' text nor a list of 'tokens'")
                text = " ".join(tokens)
            found.captions.append(Caption(image, text.strip(), source))
    return found


def read_coco(path: str, split: str, folder: str, *, encoding: str) -> Annotations:
    """The images and captions of `captions_train2014.json` and its kin.

    Args:
        path: of a file `{"images": [{"id", "file_name"}], "annotations": [{"id", "image_id",
            "caption"}]}`.
        split: which it holds.
        folder: of its images, from the folder of images.
        encoding: of the file.

    Returns:
        All that it says.

    Raises:
        UserError: the file cannot be read or is written otherwise.
    """
    found = Annotations([], [], [])
    document = _document(path, encoding)
    images: dict[int, str] = {}
    for n, entry in enumerate(_items(document, "images", path)):
        place = f"{path}: images[{n}]"
        number, image = _id(entry, "id", place), f"{folder}/{_text(entry, 'file_name', place)}"
        if number in images:
            wrong = f"id {number} is also that of {images[number]}"
            found.faults.append(fault(f"{place} ({image})", wrong))
            continue
        images[number] = image
        found.listed.append(Listed(image, split, f"{place} ({image})"))
    seen: dict[int, str] = {}
    for n, entry in enumerate(_items(document, "annotations", path)):
        place = f"{path}: annotations[{n}]"
        number, of_image = _id(entry, "id", place), _id(entry, "image_id", place)
        text = _text(entry, "caption", place)
        if number in seen:
            found.faults.append(fault(place, f"id {number} is also that of {seen[number]}"))
        elif of_image not in images:
            wrong = f"a caption of image_id {of_image}, which no image has: {text[:60]!r}"
            found.faults.append(fault(place, wrong))
        else:
            found.captions.append(Caption(images[of_image], text.strip(), place))
        seen.setdefault(number, place)
    return found


def _document(path: str, encoding: str) -> dict[str, Any]:
    try:
        document = json.loads(read_text(path, encoding=encoding))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}:{error.colno} is no JSON: {error.msg}") from error
    if not isinstance(document, dict):
        raise UserError(f"{path} holds {type(document).__name__}: expected a JSON object")
    return document


def _items(holder: Mapping[str, Any], key: str, place: str) -> list[dict[str, Any]]:
    items = holder.get(key)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise UserError(f"{place} has no list of objects {key!r}, only {', '.join(holder)}"[:300])
    return items


def _text(holder: Mapping[str, Any], key: str, place: str) -> str:
    if not isinstance(holder.get(key), str):
        raise UserError(f"{place} has no text {key!r}: got {str(dict(holder))[:120]}")
    return holder[key]


def _id(holder: Mapping[str, Any], key: str, place: str) -> int:
    if not isinstance(holder.get(key), int):
        raise UserError(f"{place} has no number {key!r}: got {str(dict(holder))[:120]}")
    return holder[key]
