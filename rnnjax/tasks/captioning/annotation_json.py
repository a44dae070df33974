"""Captions in one JSON document: Karpathy's splits and COCO's own annotations."""

import json
from collections.abc import Mapping
from typing import Any, TypeVar

from rnnjax.data.files import read_text
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.captioning.annotation_lines import Annotations, Caption, Listed

T = TypeVar("T")

_KARPATHY_SPLITS = {"train": "train", "restval": "train", "val": "validation", "test": "test"}


def read_karpathy(path: str, *, encoding: str) -> Annotations:
    """The images and captions of `dataset_flickr8k.json`, `dataset_coco.json` and the like.

    The split `restval` becomes part of `train`, as is usual.

    Args:
        path: of a file `{"images": [{"filename", "filepath", "split", "sentences": [{"raw"}]}]}`,
            `filepath` optional; of sentences without `raw` the `tokens` are taken.
        encoding: of the file.

    Raises:
        UserError: the file cannot be read or has another form.

    References:
        Karpathy & Li 2015, "Deep visual-semantic alignments for generating image descriptions".
    """
    found = Annotations([], [], [])
    for n, entry in enumerate(_items(_document(path, encoding), "images", path)):
        place = f"{path}: images[{n}]"
        split = _field(entry, "split", str, place)
        if split not in _KARPATHY_SPLITS:
            hint = did_you_mean(split, _KARPATHY_SPLITS)
            raise UserError(f"{place} has the unknown split {split!r}: {hint}")
        image = _field(entry, "filename", str, place)
        if entry.get("filepath"):
            image = f"{_field(entry, 'filepath', str, place)}/{image}"
        found.listed.append(Listed(image, _KARPATHY_SPLITS[split], f"{place} ({image})"))
        for m, sentence in enumerate(_items(entry, "sentences", place)):
            source = f"{place} ({image}), sentences[{m}]"
            if "raw" in sentence:
                text = _field(sentence, "raw", str, source)
            else:
                tokens = sentence.get("tokens")
                if not isinstance(tokens, list) or not all(isinstance(t, str) for t in tokens):
                    raise UserError(f"{source} has neither 'raw' text nor a list of 'tokens'")
                text = " ".join(tokens)
            found.captions.append(Caption(image, text.strip(), source))
    return found


def read_coco(path: str, split: str, folder: str, *, encoding: str) -> Annotations:
    """The images and captions of `captions_train2014.json` and the like.

    Args:
        path: of a file `{"images": [{"id", "file_name"}], "annotations": [{"id", "image_id",
            "caption"}]}`.
        split: which it holds.
        folder: of its images, from the folder of images.
        encoding: of the file.

    Raises:
        UserError: the file cannot be read or has another form.
    """
    found = Annotations([], [], [])
    document = _document(path, encoding)
    images: dict[int, str] = {}
    for n, entry in enumerate(_items(document, "images", path)):
        place = f"{path}: images[{n}]"
        number = _field(entry, "id", int, place)
        image = f"{folder}/{_field(entry, 'file_name', str, place)}"
        if number in images:
            wrong = f"id {number} is also that of {images[number]}"
            found.add_fault(f"{place} ({image})", wrong)
            continue
        images[number] = image
        found.listed.append(Listed(image, split, f"{place} ({image})"))
    seen: dict[int, str] = {}
    for n, entry in enumerate(_items(document, "annotations", path)):
        place = f"{path}: annotations[{n}]"
        number, of_image = _field(entry, "id", int, place), _field(entry, "image_id", int, place)
        text = _field(entry, "caption", str, place)
        if number in seen:
            found.add_fault(place, f"id {number} is also that of {seen[number]}")
        elif of_image not in images:
            wrong = f"a caption of image_id {of_image}, which no image has: {text[:60]!r}"
            found.add_fault(place, wrong)
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


def _field(holder: Mapping[str, Any], key: str, kind: type[T], place: str) -> T:
    if not isinstance(holder.get(key), kind):
        name = "text" if kind is str else "number"
        raise UserError(f"{place} has no {name} {key!r}: got {str(dict(holder))[:120]}")
    return holder[key]
