"""Corpora of images with captions: which files hold them, which split an image is in."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from rnnjax.data.examples import numbered_lines, read_examples, suffix_of
from rnnjax.data.files import existing, nearest, read_text
from rnnjax.data.named_splits import (
    LIST_OF_PATHS,
    SPLITS,
    by_name,
    is_list_of_paths,
    split_files,
    split_of,
)
from rnnjax.errors import UserError, did_you_mean
from rnnjax.tasks.captioning.captioned_images import (
    CaptionCorpus,
    CaptionedImage,
    Skipped,
    caption_words,
    counted,
)
from rnnjax.tasks.captioning.config import CaptionData

EXPECTED = (
    "expected Flickr's NAME.token.txt or captions.txt, Karpathy's dataset_NAME.json, or "
    "train.tsv or train.jsonl"
)

HEADER = {"image": "image", "caption": "caption"}

_KARPATHY_SPLITS = {"train": "train", "restval": "train", "val": "validation", "test": "test"}
_TABLES = (".tsv", ".jsonl")
_KINDS = {
    "Flickr's": re.compile(r"(?!.*\.lemma\.).*\.token(\.txt)?|captions\.(txt|csv)"),
    "Karpathy's": re.compile(r"dataset.*\.json"),
    "tables": re.compile(r".*\.(tsv|jsonl)", re.IGNORECASE),
}
_PROBES = 100


class Entry(NamedTuple):
    """An image of a source, before anything is checked.

    Attributes:
        image: its path, from the folder of images.
        captions: as they were written; none where it has none.
        split: "train", "validation" or "test"; None where the source does not say.
        source: where it stands, for messages.
    """

    image: str
    captions: list[str]
    split: str | None
    source: str


def load_captions(config: CaptionData) -> CaptionCorpus:
    """Loads a corpus of images with captions; no image is decoded.

    `config.data` is one of

    - Flickr8k or Flickr30k: a folder with `NAME.token.txt` or `NAME.token` (`a.jpg#0<TAB>caption`),
      or Kaggle's `captions.txt` (`image,caption`), and beside it the lists of the splits, .txt
      files with train, val, dev or test in their names such as `Flickr_8k.trainImages.txt`;
    - Karpathy's `dataset_flickr8k.json`, `dataset_coco.json` (COCO) and their kin: the file, or a
      folder with one of them; `restval` becomes part of `train`;
    - a folder with `train.tsv`, `validation.tsv` and maybe `test.tsv` (`image<TAB>caption`) or the
      like in .jsonl (`{"image": ..., "caption": ...}`); one such file; or
      `train=PATH,validation=PATH,test=PATH` of such files.

    Images of a source without splits are held out by their names: the same names always give the
    same splits. `config.images` is the folder from which the images' paths go; without it, it is
    that of the captions or one up to two folders below it, the one that has the most of a hundred
    of the images.

    Args:
        config: which source, and what becomes of it.

    Raises:
        UserError: there is no such source, it cannot be read, a caption has no word, an image is
            listed twice, a split is missing; or, but for `config.skip_faulty`, an image does not
            exist or has no caption.
    """
    source = config.data
    found, base = _read_source(source, config.encoding)
    folder = _image_folder(config.images, base, [entry.image for entry in found])
    splits: dict[str, list[CaptionedImage]] = {}
    skipped = []
    owner: dict[str, Entry] = {}
    for entry in _in_splits(source, found, config.held_out):
        path = os.path.normpath(folder / entry.image)
        if (first := owner.setdefault(path, entry)) is not entry:
            raise UserError(
                f"{entry.source}: the image {path} is listed also for {first.split} at "
                f"{first.source}"
            )
        if os.path.isfile(path) and entry.captions:
            image = CaptionedImage(path, tuple(entry.captions))
            splits.setdefault(str(entry.split), []).append(image)
        else:
            what = "has no caption" if os.path.isfile(path) else "does not exist"
            skipped.append(Skipped(path, f"{entry.source}: the image {path} {what}"))
    if skipped and not config.skip_faulty:
        others = f". {counted(len(skipped) - 1, 'more fault')} like it" if skipped[1:] else ""
        raise UserError(
            f"{skipped[0].message}{others}. With --config.skip_faulty such images are left out"
        )
    for split in ("train", "validation"):
        if not splits.get(split):
            raise UserError(f"{source} has no {split} split with captioned images in it")
    return CaptionCorpus({s: splits[s] for s in SPLITS if s in splits}, tuple(skipped))


def _in_splits(source: str, listed: list[Entry], held_out: float | None) -> list[Entry]:
    without = [image for image in listed if image.split is None]
    if held_out is None:
        if without:
            raise UserError(
                f"{source} does not say which image is in which split: add lists or files of "
                f"splits, or set held_out, the share of images to be kept aside"
            )
        return listed
    if not without:
        raise UserError(f"held_out={held_out} has no use: {source} has splits of its own")
    if not 0 < held_out < 0.5:
        raise UserError(f"held_out must lie in (0, 0.5), got {held_out}")
    count = max(1, round(held_out * len(listed)))
    order = sorted((image.image for image in listed), key=_digest)
    split_of = dict.fromkeys(order[:count], "validation")
    split_of |= dict.fromkeys(order[count : 2 * count], "test")
    return [image._replace(split=split_of.get(image.image, "train")) for image in listed]


def _digest(image: str) -> bytes:
    return hashlib.sha256(os.path.basename(image).encode()).digest()


def _read_source(source: str, encoding: str) -> tuple[list[Entry], Path]:
    """The images, and the folder in or below which they are."""
    if is_list_of_paths(source):
        listed = split_files(source).files
        return _read_tables(listed.items(), encoding), listed["train"][0].parent
    path = existing(source, f": expected a folder with captions, or {LIST_OF_PATHS}")
    if path.is_file():
        return _read([path], encoding), path.parent
    files = _files(path)
    kinds = {
        kind: [p for p in files if pattern.fullmatch(p.name)] for kind, pattern in _KINDS.items()
    }
    layouts = [paths for paths in kinds.values() if paths]
    if not layouts:
        names = ", ".join(p.name for p in files[:10]) or "no files at all"
        raise UserError(f"{source} has no captions: {EXPECTED}, found {names}")
    several = len(layouts[0]) > 1 and layouts[0] is not kinds["tables"]
    if len(layouts) > 1 or several:
        names = ", ".join(str(p) for part in layouts for p in part)
        raise UserError(f"{source} has captions in several ways: choose one file of {names}")
    return _read(layouts[0], encoding), path


def _read(paths: list[Path], encoding: str) -> list[Entry]:
    """Reads caption files that are all of one layout."""
    first = paths[0]
    if first.suffix == ".json":
        return read_karpathy(str(first), encoding)
    if first.suffix.lower() not in _TABLES:
        return _read_flickr(first, encoding)
    if len(paths) == 1:
        return _read_tables([(None, paths)], encoding)
    named = by_name(first.parent, paths)
    if named.left_alone:
        raise UserError(
            f"{first.parent / named.left_alone[0]} does not say in its name which split it holds: "
            f"expected one of {', '.join(SPLITS)} in it"
        )
    return _read_tables(named.files.items(), encoding)


def _read_flickr(path: Path, encoding: str) -> list[Entry]:
    """Lines `NAME.jpg#NUMBER<TAB>CAPTION`, or Kaggle's CSV; and the lists of splits beside it."""
    if path.name in ("captions.txt", "captions.csv"):
        found = read_table(str(path), None, encoding, kind=".csv")
    else:
        rows = []
        for source, line in numbered_lines(str(path), encoding=encoding):
            key, tab, text = line.partition("\t")
            image, mark, number = key.strip().rpartition("#")
            if not (tab and mark and image and number.isdecimal()):
                raise UserError(
                    f"{source}: expected NAME.jpg#NUMBER, a tab and a caption, got {line[:80]!r}"
                )
            rows.append((image, text, source))
        found = _by_image(rows, None)
    others = [other for other in _files(path.parent) if other != path and other.suffix == ".txt"]
    lists = {other: split for other in others if (split := split_of(other))}
    if not lists:
        return found
    captions = {entry.image: entry.captions for entry in found}
    listed = []
    for file, split in lists.items():
        for source, line in numbered_lines(str(file), encoding=encoding):
            name = line.strip()
            image = f"{name}.jpg" if f"{name}.jpg" in captions else name
            listed.append(Entry(image, captions.get(image, []), split, source))
    return listed


def _read_tables(files: Iterable[tuple[str | None, list[Path]]], encoding: str) -> list[Entry]:
    found = []
    for split, path in ((split, path) for split, paths in files for path in paths):
        if path.suffix.lower() not in _TABLES:
            raise UserError(f"{path}: expected a name that ends in {' or '.join(_TABLES)}")
        found += read_table(str(path), split, encoding)
    return found


def read_table(
    path: str, split: str | None, encoding: str, *, kind: str | None = None
) -> list[Entry]:
    """The images of a table of images and captions.

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
    has_header = not is_json and rows[0].fields == HEADER
    kept = rows[1:] if has_header else rows
    return _by_image(((r.fields["image"], r.fields["caption"], r.place) for r in kept), split)


def _by_image(rows: Iterable[tuple[str, str, str]], split: str | None) -> list[Entry]:
    """Images, captions and their places: each image once, where it has a caption first."""
    found: dict[str, Entry] = {}
    for image, text, source in rows:
        entry = found.setdefault(image.strip(), Entry(image.strip(), [], split, source))
        entry.captions.append(_caption(text, source))
    return list(found.values())


def _caption(text: str, source: str) -> str:
    text = text.strip()
    if not caption_words(text):
        raise UserError(f"{source}: a caption without a word, {text!r}")
    return text


def read_karpathy(path: str, encoding: str) -> list[Entry]:
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
    found, place = [], path
    try:
        for n, image in enumerate(json.loads(read_text(path, encoding=encoding))["images"]):
            place, split = f"{path}: images[{n}]", image["split"]
            name = "/".join(filter(None, (image.get("filepath"), image["filename"])))
            if split not in _KARPATHY_SPLITS:
                hint = did_you_mean(split, _KARPATHY_SPLITS)
                raise UserError(f"{place} has the unknown split {split!r}: {hint}")
            place += f" ({name})"
            texts = [one["raw"] if "raw" in one else " ".join(one["tokens"])
                     for one in image["sentences"]]  # fmt: skip
            captions = [_caption(text, f"{place}, sentences[{m}]") for m, text in enumerate(texts)]
            found.append(Entry(name, captions, _KARPATHY_SPLITS[split], place))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}:{error.lineno}:{error.colno} is no JSON: {error.msg}") from error
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{place} is not as in Karpathy's files: {error!r}") from error
    return found


def _image_folder(images: str | None, base: Path, names: Sequence[str]) -> Path:
    if images is not None:
        folder = Path(os.path.expanduser(images))
        if not folder.is_dir():
            raise UserError(f"{images!r} is no folder of images ({nearest(folder) or 'not there'})")
        return folder
    probes = names[:: max(1, len(names) // _PROBES)]
    below = _subfolders(base)
    folders = [base, *below, *(deeper for folder in below for deeper in _subfolders(folder))]
    hits = {folder: sum((folder / name).exists() for name in probes) for folder in folders}
    best = [folder for folder in folders if hits[folder] == max(hits.values())]
    if not hits[best[0]]:
        looked = ", ".join(map(str, folders[:10]))
        raise UserError(f"no image is there: looked for {', '.join(probes[:3])} in {looked}; name "
                        f"the folder of images if it is another")  # fmt: skip
    if len(best) > 1 and best[0] != base:
        raise UserError(f"the images are in {' and in '.join(map(str, best))}: name one of them "
                        f"as the folder of images")  # fmt: skip
    return best[0]


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}") from error


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(e) for e in entries if e.is_dir() and not e.name.startswith("."))
