"""Captions in files of lines: Flickr's tokens, CSV, TSV and JSONL.

A file that cannot be read is a UserError; a faulty line is recorded in `Annotations.faults`.
"""

import json
from typing import Any, NamedTuple

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
