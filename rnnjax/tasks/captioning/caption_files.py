"""Captions in files: Flickr's tokens, CSV, TSV and JSONL; Karpathy's and COCO's JSON documents.

A file that cannot be read is a UserError; what is wrong with a line or an entry is
added to the list `faults`, in a sentence that begins with its place.
"""

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from rnnjax.data.examples import csv_rows, numbered_lines, suffix_of, tsv_rows
from rnnjax.data.files import read_text
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.captioning.captioned_images import CaptionedImage

HEADER = ["image", "caption"]
TABLES = (".tsv", ".jsonl")
"""How the names of tables end."""

_KARPATHY_SPLITS = {"train": "train", "restval": "train", "val": "validation", "test": "test"}
_JSONL = 'expected {"image": PATH, "caption": TEXT} or {"image": PATH, "captions": [TEXT]}'

Rows = Iterable[tuple[str, list[str], str]]
"""Images, captions of them, and the places where these stand."""


def read_table(
    path: str, encoding: str, faults: list[str], *, kind: str | None = None
) -> list[CaptionedImage]:
    """The images of a table of images and captions.

    Args:
        path: of the file. TSV and CSV have an image and a caption in a row; a first row
            `image, caption` is a header. JSONL has `{"image": ..., "caption": ...}` or
            `{"image": ..., "captions": [...]}` in a line, Flickr8k `NAME.jpg#NUMBER<TAB>CAPTION`.
        encoding: of the file.
        faults: take the lines of another form.
        kind: ".tsv", ".csv", ".jsonl" or, of Flickr8k, ".token"; None: as the file's name ends.

    Returns:
        Each image once, where it stands first.

    Raises:
        UserError: the name does not end in one of `TABLES`, or the file cannot be read.
    """
    if kind is None and not path.lower().endswith(TABLES):
        raise UserError(f"{path}: expected a name that ends in {' or '.join(TABLES)}")
    kind = kind or suffix_of(path)
    rows = {".jsonl": _of_json, ".token": _of_tokens}.get(kind, _of_cells)
    found: dict[str, CaptionedImage] = {}
    for image, texts, source in rows(path, kind, encoding, faults):
        entry = found.setdefault(image.strip(), CaptionedImage(image.strip(), [], source))
        for text in texts:
            entry.add(text, source, faults)
    return list(found.values())


def _of_tokens(path: str, kind: str, encoding: str, faults: list[str]) -> Rows:
    seen: dict[str, str] = {}
    for source, line in numbered_lines(path, encoding=encoding):
        key, tab, text = line.partition("\t")
        image, mark, number = key.strip().rpartition("#")
        if not (tab and mark and image and number.isdecimal()):
            wrong = f"expected NAME.jpg#NUMBER, a tab and a caption, got {line[:80]!r}"
            faults.append(f"{source}: {wrong}")
        elif seen.setdefault(key, source) != source:
            faults.append(f"{source}: {key} is also the caption at {seen[key]}")
        else:
            yield image, [text], source


def _of_cells(path: str, kind: str, encoding: str, faults: list[str]) -> Rows:
    is_tsv = kind == ".tsv"
    for source, cells in (tsv_rows if is_tsv else csv_rows)(path, encoding=encoding):
        if len(cells) != 2 or not cells[0].strip():
            expected = "IMAGE, a tab and a caption" if is_tsv else "IMAGE,CAPTION"
            got = ("\t" if is_tsv else ",").join(cells)
            faults.append(f"{source}: expected {expected}, got {got[:80]!r}")
        elif source != f"{path}:1" or cells != HEADER:
            yield cells[0], cells[1:], source


def _of_json(path: str, kind: str, encoding: str, faults: list[str]) -> Rows:
    for source, line in numbered_lines(path, encoding=encoding):
        try:
            row = json.loads(line)
        except ValueError as error:
            faults.append(f"{source}: {_JSONL}, but this is no JSON: {error}")
            continue
        match row:
            case {"image": str(image), "caption": str(text), **more} if "captions" not in more:
                yield image, [text], source
            case {"image": str(image), "captions": [*texts], **more} if "caption" not in more and (
                all(isinstance(text, str) for text in texts)
            ):
                yield image, texts, source
            case _:
                faults.append(f"{source}: {_JSONL}, got {line[:80]}")


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
            split = image["split"]
            name = "/".join(filter(None, (image.get("filepath"), image["filename"])))
            if split not in _KARPATHY_SPLITS:
                hint = did_you_mean(split, _KARPATHY_SPLITS)
                raise UserError(f"{places[0]} has the unknown split {split!r}: {hint}")
            places[0] += f" ({name})"
            entry = CaptionedImage(name, [], places[0], _KARPATHY_SPLITS[split])
            for m, one in enumerate(image["sentences"]):
                text = one["raw"] if "raw" in one else " ".join(one["tokens"])
                entry.add(text, f"{places[0]}, sentences[{m}]", faults)
            found.append(entry)
    return found


def read_coco(path: str, encoding: str, faults: list[str]) -> list[CaptionedImage]:
    """The images, such as `train2014/NAME`, and captions of `captions_train2014.json` and the like.

    Args:
        path: of a file `{"images": [{"id", "file_name"}], "annotations": [{"id", "image_id",
            "caption"}]}`.
        encoding: of the file.
        faults: take images and captions whose numbers are not their own, or are nobody's.

    Raises:
        UserError: the file cannot be read or has another form.
    """
    folder = Path(path).stem.removeprefix("captions_")
    found: dict[int, CaptionedImage] = {}
    seen: dict[int, str] = {}
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
            if seen.setdefault(one["id"], place) != place:
                faults.append(f"{place}: id {one['id']} is also that of {seen[one['id']]}")
            elif one["image_id"] in found:
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
