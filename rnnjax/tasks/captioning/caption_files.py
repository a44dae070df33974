"""Captions in files: tables, Flickr's tokens among them, and Karpathy's and COCO's JSON documents.

A file that cannot be read is a UserError; what is wrong with a caption is added to the list
`faults`, in a sentence that begins with its place.
"""

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

from rnnjax.data.examples import read_examples, suffix_of
from rnnjax.data.files import read_text
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.captioning.captioned_images import CaptionedImage

HEADER = ["image", "caption"]

_KARPATHY_SPLITS = {"train": "train", "restval": "train", "val": "validation", "test": "test"}


def read_table(
    path: str, encoding: str, faults: list[str], *, kind: str | None = None
) -> list[CaptionedImage]:
    """The images of a table of images and captions.

    Args:
        path: of the file. TSV and CSV have an image and a caption in a row; a first row
            `image, caption` is a header. JSONL has `{"image": ..., "caption": ...}` in a line. An
            image may be numbered as in Flickr8k: `NAME.jpg#NUMBER`.
        encoding: of the file.
        faults: take the captions without a word.
        kind: ".tsv", ".csv" or ".jsonl"; None: as the file's name ends.

    Returns:
        Each image once, where it stands first.

    Raises:
        UserError: the file cannot be read, or a line has another form.
    """
    columns: dict[str, str | int] = {"image": -2, "caption": -1}  # a third one is no caption
    if (kind or suffix_of(path)) == ".jsonl":
        columns = {name: name for name in columns}
    try:
        examples = read_examples(path, columns, kind=kind, encoding=encoding)
    except UserError as error:
        raise UserError(f"{error} (expected an image and a caption in each line)") from error
    found: dict[str, CaptionedImage] = {}
    for fields, place in examples:
        if list(fields.values()) != HEADER or place != f"{path}:1":
            image = re.sub(r"#\d+$", "", fields["image"].strip())
            entry = found.setdefault(image, CaptionedImage(image, [], place))
            entry.add(fields["caption"], place, faults)
    return list(found.values())


def read_karpathy(path: str, encoding: str, faults: list[str]) -> list[CaptionedImage]:
    """The images and captions of `dataset_flickr8k.json`, `dataset_coco.json` and the like.

    The split `restval` becomes part of `train`, as is usual.

    Args:
        path: of a file `{"images": [{"filename", "filepath", "split", "sentences": [{"raw"}]}]}`,
            `filepath` optional; of sentences without `raw` the `tokens` are taken.
        encoding: of the file.
        faults: take the captions without a word.

    Raises:
        UserError: the file cannot be read or has another form.

    References:
        Karpathy & Li 2015, "Deep visual-semantic alignments for generating image descriptions".
    """
    found = []
    with _reading(path, "Karpathy's") as places:
        for n, image in enumerate(json.loads(read_text(path, encoding=encoding))["images"]):
            places[0] = f"{path}: images[{n}]"
            name = "/".join(filter(None, (image.get("filepath"), image["filename"])))
            places[0] += f" ({name})"
            if (split := image["split"]) not in _KARPATHY_SPLITS:
                hint = did_you_mean(split, _KARPATHY_SPLITS)
                raise UserError(f"{places[0]} has the unknown split {split!r}: {hint}")
            entry = CaptionedImage(name, [], places[0], _KARPATHY_SPLITS[split])
            for m, one in enumerate(image["sentences"]):
                text = one["raw"] if "raw" in one else " ".join(one["tokens"])
                entry.add(text, f"{places[0]}, sentences[{m}]", faults)
            found.append(entry)
    return found


def read_coco(path: str, encoding: str, faults: list[str]) -> list[CaptionedImage]:
    """The images, such as `train2014/NAME`, and captions of `captions_train2014.json` and the like.

    Args:
        path: of a file `{"images": [{"id", "file_name"}], "annotations": [{"image_id",
            "caption"}]}`.
        encoding: of the file.
        faults: take captions without a word, those of no image, and images with another's id.

    Raises:
        UserError: the file cannot be read or has another form.
    """
    folder = Path(path).stem.removeprefix("captions_")
    found: dict[int, CaptionedImage] = {}
    with _reading(path, "COCO's") as places:
        document = json.loads(read_text(path, encoding=encoding))
        for n, image in enumerate(document["images"]):
            places[0] = f"{path}: images[{n}]"
            name = f"{folder}/{image['file_name']}"
            entry = CaptionedImage(name, [], f"{places[0]} ({name})")
            if (first := found.setdefault(image["id"], entry)) is not entry:
                faults.append(f"{entry.source}: id {image['id']} is also that of {first.image}")
        for n, one in enumerate(document["annotations"]):
            places[0] = place = f"{path}: annotations[{n}]"
            if one["image_id"] in found:
                found[one["image_id"]].add(one["caption"], place, faults)
            else:
                what = f"a caption of image_id {one['image_id']}, which no image has"
                faults.append(f"{place}: {what}: {one['caption'][:60]!r}")
    return list(found.values())


@contextlib.contextmanager
def _reading(path: str, whose: str) -> Iterator[list[str]]:
    """Turns errors of a JSON document's form into a UserError; gives a list of the place read."""
    places = [path]
    try:
        yield places
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}:{error.colno} is no JSON: {error.msg}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{places[0]} is not as in {whose} files: {error!r}") from error
