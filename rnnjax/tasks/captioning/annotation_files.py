"""Which files of a folder hold captions and split lists, and where its images lie."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnjax.data.files import nearest
from rnnjax.data.named_splits import SPLITS, split_paths
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.annotation_json import read_coco, read_karpathy
from rnnjax.tasks.captioning.annotation_lines import (
    Annotations,
    Listed,
    read_csv,
    read_flickr,
    read_jsonl,
    read_list,
    read_tsv,
)

EXPECTED = (
    "expected Flickr's NAME.token.txt or captions.txt, Karpathy's dataset_NAME.json, COCO's "
    "captions_train2014.json, or train.tsv or train.jsonl"
)

_LINES = {".tsv": read_tsv, ".jsonl": read_jsonl}
_COCO = re.compile(r"captions_((train|val)\d*)\.json")
_KINDS = {
    "Flickr's": re.compile(r"(?!.*\.lemma\.).*\.token(\.txt)?|captions\.(txt|csv)"),
    "Karpathy's": re.compile(r"dataset.*\.json"),
    "COCO's": _COCO,
    "lines": re.compile(r".*\.(tsv|jsonl)", re.IGNORECASE),
}
_SPLIT_WORDS = {
    "train": "train|training",
    "validation": "val|valid|validation|dev|devel|development",
    "test": "test",
}
_PROBES = 100


def read_annotations(source: str, *, encoding: str) -> tuple[Annotations, Path]:
    """What the caption files of a corpus say.

    Args:
        source: a folder in one of the layouts, the one file of it that holds captions, or
            `train=PATH,validation=PATH,test=PATH` of TSV or JSONL files.
        encoding: of the files.

    Returns:
        The annotations; the folder in which or below which to look for the images.

    Raises:
        UserError: there is no such source, no layout is recognised or more than one, or a file
            cannot be read.
    """
    if source.partition("=")[0] in SPLITS:
        paths = split_paths(source)
        splits = {Path(os.path.expanduser(path)): split for split, path in paths.items()}
        return _read_lines(splits, encoding), next(iter(splits)).parent
    path = Path(os.path.expanduser(source))
    if not source or not path.exists():
        near = (source and nearest(path)) or "nothing near"
        raise UserError(f"{source!r} does not exist ({near}): expected a folder with captions, "
                        f"train=PATH,validation=PATH,test=PATH or tfds:NAME")  # fmt: skip
    if path.is_file():
        return _read([path], encoding), path.parent
    files = _files(path)
    if (path / "annotations").is_dir():
        files += [p for p in _files(path / "annotations") if _COCO.fullmatch(p.name)]
    kinds = {
        kind: [p for p in files if pattern.fullmatch(p.name)] for kind, pattern in _KINDS.items()
    }
    layouts = [paths for paths in kinds.values() if paths]
    if not layouts:
        names = ", ".join(p.name for p in files[:10]) or "no files at all"
        raise UserError(f"{source} has no captions: {EXPECTED}, found {names}")
    several = len(layouts[0]) > 1 and layouts[0] in (kinds["Flickr's"], kinds["Karpathy's"])
    if len(layouts) > 1 or several:
        names = ", ".join(str(p) for part in layouts for p in part)
        raise UserError(f"{source} has captions in several ways: choose one file of {names}")
    return _read(layouts[0], encoding), path.parent if path.name == "annotations" else path


def _read(paths: Sequence[Path], encoding: str) -> Annotations:
    """Reads caption files that are all of one layout."""
    first = paths[0]
    if _COCO.fullmatch(first.name):
        return _read_coco(first.parent, encoding)
    if first.suffix == ".json":
        return read_karpathy(str(first), encoding=encoding)
    if first.suffix.lower() not in _LINES:
        return _read_flickr(first, encoding)
    if len(paths) == 1:
        return _read_lines({first: None}, encoding)
    splits = {path: _split_of(path) for path in paths}
    for path, split in splits.items():
        twin = next(p for p in paths if splits[p] == split)
        if split is None:
            raise UserError(f"{path} does not say in its name which split it holds: expected one "
                            f"of {', '.join(SPLITS)} in it")  # fmt: skip
        if twin != path:
            raise UserError(f"two files for the split {split}: {twin} and {path}: name the files "
                            f"(train=PATH,validation=PATH,test=PATH)")  # fmt: skip
    return _read_lines(splits, encoding)


def _read_coco(folder: Path, encoding: str) -> Annotations:
    found = Annotations([], [], [])
    read: dict[str, Path] = {}
    for path in _files(folder):
        if match := _COCO.fullmatch(path.name):
            split = "train" if match[2] == "train" else "validation"
            if split in read:
                raise UserError(f"two files for the split {split}: {read[split]} and {path}: "
                                f"move one away")  # fmt: skip
            read[split] = path
            found.add(read_coco(str(path), split, match[1], encoding=encoding))
    return found


def _read_flickr(path: Path, encoding: str) -> Annotations:
    is_csv = path.name in ("captions.txt", "captions.csv")
    found = (read_csv if is_csv else read_flickr)(str(path), encoding=encoding)
    others = [other for other in _files(path.parent) if other != path and other.suffix == ".txt"]
    lists = {other: split for other in others if (split := _split_of(other))}
    if not lists:
        return found
    captioned = {listed.image for listed in found.listed}
    listed = [
        Listed(f"{name}.jpg" if f"{name}.jpg" in captioned else name, split, source)
        for file, split in lists.items()
        for source, name in read_list(str(file), encoding=encoding)
    ]
    return found._replace(listed=listed)


def _read_lines(paths: Mapping[Path, str | None], encoding: str) -> Annotations:
    found = Annotations([], [], [])
    for path, split in paths.items():
        reader = _LINES.get(path.suffix.lower())
        if reader is None:
            raise UserError(f"{path}: expected a name that ends in {' or '.join(_LINES)}")
        found.add(reader(str(path), split, encoding=encoding))
    return found


def image_folder(images: str | None, base: Path, names: Sequence[str]) -> Path:
    """The folder from which the images' paths go.

    Args:
        images: that folder, if the user names it.
        base: otherwise: it is this one or lies up to two folders below it; which of them, is told
            by where a hundred of the images are.
        names: the images' paths.

    Raises:
        UserError: no folder has any of these images, or two have as many.
    """
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


def _split_of(path: Path) -> str | None:
    said = [
        split
        for split, words in _SPLIT_WORDS.items()
        if re.search(rf"(?<![a-z])(?:{words})(?:images|imgs|list|ids)?(?![a-z])", path.name.lower())
    ]
    if len(said) > 1:
        raise UserError(f"{path} may be the {' or the '.join(said)} split: give it another name")
    return said[0] if said else None


def _files(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.is_file()]


def _subfolders(folder: Path) -> list[Path]:
    with os.scandir(folder) as entries:
        return sorted(Path(e) for e in entries if e.is_dir() and not e.name.startswith("."))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise UserError(f"cannot read {folder}: {error.strerror}") from error
