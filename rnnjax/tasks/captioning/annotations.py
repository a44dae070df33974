"""Captions in files: Flickr's tokens, tables, Karpathy's JSON documents."""

import json
from typing import Any, NamedTuple

from rnnjax.data.examples import numbered_lines, read_examples, suffix_of
from rnnjax.data.files import read_text
from rnnjax.errors import UserError, did_you_mean

HEADER = {"image": "image", "caption": "caption"}

_KARPATHY_SPLITS = {"train": "train", "restval": "train", "val": "validation", "test": "test"}
_OTHER_FORM = (KeyError, TypeError, AttributeError)
"""What entries of another form than a reader expects raise."""


class Listed(NamedTuple):
    """An image that a source has.

    Attributes:
        image: its path, from the folder of images.
        split: "train", "validation" or "test"; None where the source does not say.
        source: where it says so, for messages.
    """

    image: str
    split: str | None
    source: str


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
    """

    listed: list[Listed]
    captions: list[Caption]


def read_flickr(path: str, *, encoding: str) -> Annotations:
    """The captions, and the images they name, of lines `NAME.jpg#NUMBER<TAB>CAPTION` (Flickr8k)."""
    captions = []
    for source, line in numbered_lines(path, encoding=encoding):
        key, tab, text = line.partition("\t")
        image, mark, number = key.strip().rpartition("#")
        if not (tab and mark and image and number.isdecimal()):
            raise UserError(
                f"{source}: expected NAME.jpg#NUMBER, a tab and a caption, got {line[:80]!r}"
            )
        captions.append(Caption(image, text.strip(), source))
    return _with_images(captions, None)


def read_table(
    path: str, split: str | None, *, encoding: str, kind: str | None = None
) -> Annotations:
    """The captions, and the images they name, of a table of images and captions.

    Args:
        path: of the file. TSV and CSV have an image and a caption in a row; a first row
            `image, caption` is a header. JSONL has `{"image": ..., "caption": ...}` in a line.
        split: which it holds; None: not known.
        encoding: of the file.
        kind: ".tsv", ".csv" or ".jsonl"; None: as the file's name ends.
    """
    is_json = (kind or suffix_of(path)) == ".jsonl"
    columns: dict[str, str | int] = {**HEADER} if is_json else {"image": 0, "caption": 1}
    rows = read_examples(path, columns, kind=kind, encoding=encoding)
    captions = [
        Caption(fields["image"].strip(), fields["caption"].strip(), place)
        for n, (fields, place) in enumerate(rows)
        if n or is_json or fields != HEADER
    ]
    return _with_images(captions, split)


def _with_images(captions: list[Caption], split: str | None) -> Annotations:
    """Lists each image once, where it has a caption first."""
    first: dict[str, Listed] = {}
    for image, _, source in captions:
        first.setdefault(image, Listed(image, split, source))
    return Annotations(list(first.values()), captions)


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
    found, place = Annotations([], []), path
    try:
        for n, entry in enumerate(_document(path, encoding)["images"]):
            place, split = f"{path}: images[{n}]", entry["split"]
            image = "/".join(filter(None, (entry.get("filepath"), entry["filename"])))
            if split not in _KARPATHY_SPLITS:
                hint = did_you_mean(split, _KARPATHY_SPLITS)
                raise UserError(f"{place} has the unknown split {split!r}: {hint}")
            place += f" ({image})"
            found.listed.append(Listed(image, _KARPATHY_SPLITS[split], place))
            for m, sentence in enumerate(entry["sentences"]):
                text = sentence["raw"] if "raw" in sentence else " ".join(sentence["tokens"])
                found.captions.append(Caption(image, text.strip(), f"{place}, sentences[{m}]"))
    except _OTHER_FORM as error:
        raise UserError(f"{place} is not as in Karpathy's files: {error!r}") from error
    return found


def _document(path: str, encoding: str) -> Any:
    try:
        return json.loads(read_text(path, encoding=encoding))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}:{error.colno} is no JSON: {error.msg}") from error
