"""Captions in files: Flickr's tokens, CSV, TSV and JSONL; Karpathy's and COCO's JSON documents.

A file that cannot be read is a UserError; a faulty line or entry is recorded in
`Annotations.faults`.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from rnnjax.data.examples import csv_rows, numbered_lines, suffix_of, tsv_rows
from rnnjax.data.files import read_text
from rnnjax.data.images import Skipped
from rnnjax.errors import UserError, did_you_mean

T = TypeVar("T")

HEADER = ["image", "caption"]

_KARPATHY_SPLITS = {"train": "train", "restval": "train", "val": "validation", "test": "test"}


class Listed(NamedTuple):
    """An image that a source has.

    Attributes:
        image: its path, from the folder of images; of one that is no file its name.
        split: "train", "validation" or "test"; None where the source does not say.
        source: where it says so, for messages.
        stored: of an image that is no file: returns its bytes.
    """

    image: str
    split: str | None
    source: str
    stored: Callable[[], bytes] | None = None


class Caption(NamedTuple):
    """A caption of an image.

    Attributes:
        image: its path, from the folder of images.
        text: as it was written.
        source: where it stands, for messages.
    """

    image: str
    text: str
    source: str


class Annotations(NamedTuple):
    """What the files of a corpus say, before anything is checked.

    Attributes:
        listed: its images.
        captions: of these images and of others.
        faults: of what could not be read.
    """

    listed: list[Listed]
    captions: list[Caption]
    faults: list[Skipped]

    def add(self, other: "Annotations") -> None:
        """Appends what another file says."""
        self.listed.extend(other.listed)
        self.captions.extend(other.captions)
        self.faults.extend(other.faults)

    def add_fault(self, source: str, what: str) -> None:
        """Records a fault of what stands at `source`."""
        self.faults.append(Skipped(source, f"{source}: {what}"))


def read_flickr(path: str, *, encoding: str) -> Annotations:
    """The captions, and the images they name, of lines `NAME.jpg#NUMBER<TAB>CAPTION` (Flickr8k)."""
    found = Annotations([], [], [])
    seen: dict[str, str] = {}
    for source, line in numbered_lines(path, encoding=encoding):
        key, tab, text = line.partition("\t")
        image, mark, number = key.strip().rpartition("#")
        if not (tab and mark and image and number.isdecimal()):
            wrong = f"expected NAME.jpg#NUMBER, a tab and a caption, got {line[:80]!r}"
            found.add_fault(source, wrong)
        elif key in seen:
            found.add_fault(source, f"{key} is also the caption at {seen[key]}")
        else:
            seen[key] = source
            found.captions.append(Caption(image, text.strip(), source))
    return _with_images(found, None)


def read_table(path: str, split: str | None, *, encoding: str) -> Annotations:
    """The captions, and the images they name, of a table of images and captions.

    Args:
        path: of the file; one that ends in .tsv has tabs, any other is CSV. A first row
            `image, caption` is a header.
        split: which it holds; None: not known.
        encoding: of the file.
    """
    is_tsv = suffix_of(path) == ".tsv"
    found = Annotations([], [], [])
    for source, cells in (tsv_rows if is_tsv else csv_rows)(path, encoding=encoding):
        if len(cells) != 2 or not cells[0].strip():
            expected = "IMAGE, a tab and a caption" if is_tsv else "IMAGE,CAPTION"
            got = "\t".join(cells) if is_tsv else ",".join(cells)
            found.add_fault(source, f"expected {expected}, got {got[:80]!r}")
        elif source != f"{path}:1" or cells != HEADER:
            found.captions.append(Caption(cells[0].strip(), cells[1].strip(), source))
    return _with_images(found, split)


def read_jsonl(path: str, split: str | None, *, encoding: str) -> Annotations:
    """The captions of lines `{"image": ..., "caption": ...}`, or `"captions": [...]`.

    Args:
        path: of the file.
        split: which it holds; None: not known.
        encoding: of the file.
    """
    expected = 'expected {"image": PATH, "caption": TEXT} or {"image": PATH, "captions": [TEXT]}'
    found = Annotations([], [], [])
    for source, line in numbered_lines(path, encoding=encoding):
        try:
            entry = json.loads(line)
        except ValueError as error:
            found.add_fault(source, f"{expected}, but this is no JSON: {error}")
            continue
        image: Any = None
        texts: Any = None
        if isinstance(entry, dict) and ("caption" in entry) != ("captions" in entry):
            image, texts = entry.get("image"), entry.get("captions", [entry.get("caption")])
        is_good = image and isinstance(image, str) and isinstance(texts, list)
        if not is_good or not all(isinstance(text, str) for text in texts):
            found.add_fault(source, f"{expected}, got {line[:80]}")
            continue
        found.listed.append(Listed(image, split, source))
        found.captions.extend(Caption(image, text.strip(), source) for text in texts)
    return _with_images(found, split)


def _with_images(found: Annotations, split: str | None) -> Annotations:
    """Lists each image once, where it is listed or has a caption first."""
    first: dict[str, Listed] = {}
    captioned = [Listed(image, split, source) for image, _, source in found.captions]
    for listed in found.listed + captioned:
        first.setdefault(listed.image, listed)
    return found._replace(listed=list(first.values()))


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


def read_coco(path: str, split: str, *, encoding: str) -> Annotations:
    """The images, such as `train2014/NAME`, and captions of `captions_train2014.json` and the like.

    Args:
        path: of a file `{"images": [{"id", "file_name"}], "annotations": [{"id", "image_id",
            "caption"}]}`.
        split: which it holds.
        encoding: of the file.

    Raises:
        UserError: the file cannot be read or has another form.
    """
    found = Annotations([], [], [])
    document = _document(path, encoding)
    folder = Path(path).stem.removeprefix("captions_")
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
