"""Captions in files of lines: Flickr's tokens, CSV, TSV and JSONL.

A faulty line is no error here: it is recorded among the `faults` of what is read.
"""

import json
from typing import NamedTuple

from rnnjax.data.examples import csv_rows, numbered_lines, suffix_of, tsv_rows
from rnnjax.data.images import Skipped

HEADER = ["image", "caption"]


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
    """The captions of a token file of Flickr8k or Flickr30k: `NAME.jpg#NUMBER<TAB>CAPTION`.

    Args:
        path: of the file.
        encoding: of the file.

    Returns:
        Captions, and the images that they name.

    Raises:
        UserError: the file cannot be read.
    """
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
    return _listing_its_images(found, None)


def read_table(path: str, split: str | None, *, encoding: str) -> Annotations:
    """The captions of a TSV or CSV file of images and captions, with a header of these or without.

    Args:
        path: of the file; one that ends in .tsv has tabs, any other commas.
        split: which it holds; None: not known.
        encoding: of the file.

    Returns:
        Captions, and the images that they name.

    Raises:
        UserError: the file cannot be read.
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
    return _listing_its_images(found, split)


def read_jsonl(path: str, split: str | None, *, encoding: str) -> Annotations:
    """The captions of a file of lines `{"image": ..., "caption": ...}`, or `"captions": [...]`.

    Args:
        path: of the file.
        split: which it holds; None: not known.
        encoding: of the file.

    Returns:
        Captions, and the images that they name.

    Raises:
        UserError: the file cannot be read.
    """
    expected = 'expected {"image": PATH, "caption": TEXT} or {"image": PATH, "captions": [TEXT]}'
    found = Annotations([], [], [])
    for source, line in numbered_lines(path, encoding=encoding):
        try:
            entry = json.loads(line)
        except ValueError as error:
            found.add_fault(source, f"{expected}, but this is no JSON: {error}")
            continue
        image, texts = _image_and_captions(entry)
        if image is None or texts is None:
            found.add_fault(source, f"{expected}, got {line[:80]}")
            continue
        found.listed.append(Listed(image, split, source))
        found.captions.extend(Caption(image, text.strip(), source) for text in texts)
    return _once_each(found)


def _image_and_captions(entry: object) -> tuple[str | None, list[str] | None]:
    if not isinstance(entry, dict) or ("caption" in entry) == ("captions" in entry):
        return None, None
    image = entry.get("image")
    texts = [entry["caption"]] if "caption" in entry else entry["captions"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return None, None
    return (image if isinstance(image, str) and image else None), texts


def _listing_its_images(found: Annotations, split: str | None) -> Annotations:
    found.listed.extend(Listed(image, split, source) for image, _, source in found.captions)
    return _once_each(found)


def _once_each(found: Annotations) -> Annotations:
    first: dict[str, Listed] = {}
    for listed in found.listed:
        first.setdefault(listed.image, listed)
    return found._replace(listed=list(first.values()))
