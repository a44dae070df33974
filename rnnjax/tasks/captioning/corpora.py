"""Corpora of images with captions: which files hold them, which split an image is in."""

import functools
import hashlib
import logging
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rnnjax.data.examples import numbered_lines
from rnnjax.data.files import existing, nearest
from rnnjax.data.named_splits import (
    LIST_OF_PATHS,
    SPLIT_OF_WORD,
    SPLITS,
    SplitFiles,
    by_name,
    is_list_of_paths,
    split_files,
    split_of,
)
from rnnjax.data.tfds import TfdsDataset, one_line_errors
from rnnjax.errors import UserError, counted
from rnnjax.tasks.captioning.caption_files import read_coco, read_karpathy, read_table
from rnnjax.tasks.captioning.captioned_images import CaptionCorpus, CaptionedImage
from rnnjax.tasks.captioning.config import CaptionData

_log = logging.getLogger(__name__)

_COCO = re.compile(r"captions_(train|val)\d*\.json")
_KINDS = {
    "Flickr's": re.compile(r"(?!.*\.lemma\.).*\.token(\.txt)?|captions\.(txt|csv)"),
    "Karpathy's": re.compile(r"dataset.*\.json"),
    "COCO's": _COCO,
    "tables": re.compile(r".*\.(tsv|jsonl)", re.IGNORECASE),
}
_PROBES = 100

TFDS_SPLITS = {"restval": "train"} | SPLIT_OF_WORD
"""TFDS's names of splits that are read, and what they are here."""


def load_captions(config: CaptionData) -> CaptionCorpus:
    """Loads a corpus of images with captions; no image is decoded.

    `config.data` is one of

    - Flickr8k or Flickr30k: a folder with `NAME.token.txt` or `NAME.token` (`a.jpg#0<TAB>caption`),
      or Kaggle's `captions.txt` (`image,caption`), and beside it the lists of the splits, .txt
      files with train, val, dev or test in their names such as `Flickr_8k.trainImages.txt`;
    - Karpathy's `dataset_flickr8k.json`, `dataset_coco.json` and their kin: the file, or a folder
      with one of them; `restval` becomes part of `train`;
    - COCO: a folder with `captions_train2014.json` and `captions_val2014.json`, in it or in its
      `annotations`, and the folders of images `train2014` and `val2014`;
    - a folder with `train.tsv`, `validation.tsv` and maybe `test.tsv` (`image<TAB>caption`) or the
      like in .jsonl (`{"image": ..., "caption": ...}`); one such file; or
      `train=PATH,validation=PATH,test=PATH` of such files or .csv;
    - `tfds:NAME` or `tfds:NAME:FEATURE`, in the manner of `tfds:coco_captions`.

    Faulty are: an image that does not exist, is listed twice or has no caption; a caption without a
    word or of an unknown image.

    Images of a source without splits are held out by their names: the same names always give the
    same splits. `config.images` is the folder from which the images' paths go; without it, it is
    that of the captions or one up to two folders below it, the one that has the most of a hundred
    of the images.

    Raises:
        UserError: there is no such source, it cannot be read, a split is missing; or, but for
            `config.skip_faulty`, something in it is faulty.
    """
    source, folder = config.data, Path()
    faults: list[str] = []
    if source.startswith("tfds:"):
        if config.images is not None:
            raise UserError(
                f"images={config.images!r} has no use: {source} holds its images itself"
            )
        found = _of_tfds(source.removeprefix("tfds:"), faults)
    else:
        found, folder = _read_source(source, config.encoding, faults)
        if found:
            folder = _image_folder(config.images, folder, [entry.image for entry in found])
    splits: dict[str, list[CaptionedImage]] = {}
    owner: dict[str, CaptionedImage] = {}
    for entry in _in_splits(source, found, config.held_out):
        path = entry.image if entry.stored else os.path.normpath(folder / entry.image)
        if (first := owner.setdefault(path, entry)) is not entry:
            where = f"for {first.split} at {first.source}"
            faults.append(f"{entry.source}: the image {path} is listed also {where}")
        elif not (entry.stored or os.path.isfile(path)):
            faults.append(f"{entry.source}: the image {path} does not exist")
        elif not entry.captions:
            faults.append(f"{entry.source}: the image {path} has no caption")
        else:
            splits.setdefault(str(entry.split), []).append(entry._replace(image=path))
    if faults and not config.skip_faulty:
        others = f". {counted(len(faults) - 1, 'more fault')} like it" if faults[1:] else ""
        raise UserError(
            f"{faults[0]}{others}. With --config.skip_faulty what is faulty is left out"
        )
    for split in ("train", "validation"):
        if not splits.get(split):
            raise UserError(f"{source} has no {split} split with captioned images in it")
    if faults:
        told = "; ".join(faults[:3] + ["..."] * (len(faults) > 3))
        _log.warning("%s: left out as faulty: %s", source, told)
    return CaptionCorpus({s: splits[s] for s in SPLITS if s in splits}, tuple(faults))


def _of_tfds(spec: str, faults: list[str]) -> list[CaptionedImage]:
    """The images of `NAME` or `NAME:FEATURE`, read once for their captions and not decoded.

    The feature holds the captions: a text, a sequence of texts, or a sequence of records with one
    text `text`. Without it, it is `captions`, or the only such feature. The images are the feature
    `image`, or the only one of images, and are named `tfds:NAME SPLIT NUMBER`. `restval`, of
    Karpathy's split of COCO, becomes part of `train`.
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
        if split not in TFDS_SPLITS:
            continue
        for n, (place, example) in enumerate(dataset.examples(split, source)):
            stored = functools.partial(_bytes, dataset.name, source, n, image)
            entry = CaptionedImage(place, [], place, TFDS_SPLITS[split], stored)
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


def _in_splits(
    source: str, listed: list[CaptionedImage], held_out: float | None
) -> list[CaptionedImage]:
    without = [image for image in listed if image.split is None]
    if held_out is None:
        if without:
            raise UserError(
                f"{source} does not say which image is in which split: add lists or files of "
                f"splits, or set held_out, the share of images to be kept aside"
            )
        return listed
    if listed and not without:
        raise UserError(f"held_out={held_out} has no use: {source} has splits of its own")
    if not 0 < held_out < 0.5:
        raise UserError(f"held_out must lie in (0, 0.5), got {held_out}")
    count = max(1, round(held_out * len(listed)))
    names = [image.image for image in listed]
    order = sorted(names, key=lambda n: hashlib.sha256(os.path.basename(n).encode()).digest())
    split_of = dict.fromkeys(order[:count], "validation")
    split_of |= dict.fromkeys(order[count : 2 * count], "test")
    return [image._replace(split=split_of.get(image.image, "train")) for image in listed]


def _read_source(
    source: str, encoding: str, faults: list[str]
) -> tuple[list[CaptionedImage], Path]:
    """The images, and the folder in or below which they are."""
    if is_list_of_paths(source):
        listed = split_files(source)
        return _named(listed, read_table, encoding, faults), listed.files["train"][0].parent
    path = existing(source, f": expected a folder with captions, {LIST_OF_PATHS} or tfds:NAME")
    if path.is_file():
        return _read([path], encoding, faults), path.parent
    files = _files(path)
    if (path / "annotations").is_dir():
        files += [p for p in _files(path / "annotations") if _COCO.fullmatch(p.name)]
    kinds = {
        kind: [p for p in files if pattern.fullmatch(p.name)] for kind, pattern in _KINDS.items()
    }
    layouts = [paths for paths in kinds.values() if paths]
    if not layouts:
        names = ", ".join(p.name for p in files[:10]) or "no files at all"
        raise UserError(
            f"{source} has no captions: expected Flickr's NAME.token.txt or captions.txt, "
            "Karpathy's dataset_NAME.json, COCO's captions_train2014.json, or train.tsv or "
            f"train.jsonl, found {names}"
        )
    several = len(layouts[0]) > 1 and layouts[0] in (kinds["Flickr's"], kinds["Karpathy's"])
    if len(layouts) > 1 or several:
        names = ", ".join(str(p) for part in layouts for p in part)
        raise UserError(f"{source} has captions in several ways: choose one file of {names}")
    base = path.parent if path.name == "annotations" else path
    return _read(layouts[0], encoding, faults), base


def _read(paths: list[Path], encoding: str, faults: list[str]) -> list[CaptionedImage]:
    """Reads caption files that are all of one layout."""
    first = paths[0]
    if _COCO.fullmatch(first.name):
        both = [path for path in _files(first.parent) if _COCO.fullmatch(path.name)]
        return _named(by_name(first.parent, both), read_coco, encoding, faults)
    if first.suffix == ".json":
        return read_karpathy(str(first), encoding, faults)
    if not _KINDS["tables"].fullmatch(first.name):
        return _read_flickr(first, encoding, faults)
    if len(paths) == 1:
        return read_table(str(first), encoding, faults)
    tables = by_name(first.parent, paths)
    if tables.left_alone:
        raise UserError(
            f"{first.parent / tables.left_alone[0]} does not say in its name which split it holds: "
            f"expected one of {', '.join(SPLITS)} in it"
        )
    return _named(tables, read_table, encoding, faults)


def _read_flickr(path: Path, encoding: str, faults: list[str]) -> list[CaptionedImage]:
    """Flickr's tokens or Kaggle's CSV, and the lists of splits beside it."""
    kind = ".csv" if path.stem == "captions" else ".tsv"
    found = read_table(str(path), encoding, faults, kind=kind)
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
            listed.append(CaptionedImage(image, captions.get(image, []), source, split))
    return listed


def _named(
    files: SplitFiles, read: Callable[..., list[CaptionedImage]], encoding: str, faults: list[str]
) -> list[CaptionedImage]:
    """Reads the files by a function, and assigns the splits that their names say."""
    splits = files.read(lambda path: read(str(path), encoding, faults)).items()
    return [entry._replace(split=split) for split, entries in splits for entry in entries]


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
