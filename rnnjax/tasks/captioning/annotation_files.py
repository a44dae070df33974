"""Which files of a folder hold captions and split lists, and where its images are."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from rnnjax.data.examples import numbered_lines
from rnnjax.data.files import existing, nearest
from rnnjax.data.named_splits import (
    LIST_OF_PATHS,
    SPLITS,
    by_name,
    is_list_of_paths,
    split_files,
    split_of,
)
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.annotation_formats import (
    Annotations,
    Listed,
    read_coco,
    read_flickr,
    read_jsonl,
    read_karpathy,
    read_table,
)

EXPECTED = (
    "expected Flickr's NAME.token.txt or captions.txt, Karpathy's dataset_NAME.json, COCO's "
    "captions_train2014.json, or train.tsv or train.jsonl"
)

_LINES = {".tsv": read_table, ".jsonl": read_jsonl}
_COCO = re.compile(r"captions_(train|val)\d*\.json")
_KINDS = {
    "Flickr's": re.compile(r"(?!.*\.lemma\.).*\.token(\.txt)?|captions\.(txt|csv)"),
    "Karpathy's": re.compile(r"dataset.*\.json"),
    "COCO's": _COCO,
    "lines": re.compile(r".*\.(tsv|jsonl)", re.IGNORECASE),
}
_PROBES = 100


def read_annotations(source: str, *, images: str | None, encoding: str) -> Annotations:
    """The images and captions of the caption files of a corpus, images by their whole paths.

    Args:
        source: a folder in one of the layouts, the one file of it that holds captions, or
            `train=PATH,validation=PATH,test=PATH` of TSV or JSONL files.
        images: the folder from which the images' paths go; None: that of the captions or one up to
            two folders below it, the one that has the most of a hundred of the images.
        encoding: of the files.

    Raises:
        UserError: there is no such source, no layout is recognised or more than one, a file cannot
            be read, no folder has any of these images, or two have as many.
    """
    found, base = _read_source(source, encoding)
    if not found.listed:
        return found
    folder = _image_folder(images, base, [listed.image for listed in found.listed])

    def path(name: str) -> str:
        return os.path.normpath(folder / name)

    return found._replace(
        listed=[image._replace(image=path(image.image)) for image in found.listed],
        captions=[caption._replace(image=path(caption.image)) for caption in found.captions],
    )


def _read_source(source: str, encoding: str) -> tuple[Annotations, Path]:
    """The annotations, and the folder in or below which the images are."""
    if is_list_of_paths(source):
        listed = split_files(source).files
        return _read_lines(listed, encoding), listed["train"][0].parent
    path = existing(source, f": expected a folder with captions, {LIST_OF_PATHS} or tfds:NAME")
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
        found = Annotations([], [], [])
        files = [path for path in _files(first.parent) if _COCO.fullmatch(path.name)]
        for split, (path,) in by_name(first.parent, files).files.items():
            found.add(read_coco(str(path), split, encoding=encoding))
        return found
    if first.suffix == ".json":
        return read_karpathy(str(first), encoding=encoding)
    if first.suffix.lower() not in _LINES:
        return _read_flickr(first, encoding)
    if len(paths) == 1:
        return _read_lines({None: paths}, encoding)
    named = by_name(first.parent, paths)
    if named.left_alone:
        raise UserError(f"{first.parent / named.left_alone[0]} does not say in its name which "
                        f"split it holds: expected one of {', '.join(SPLITS)} in it")  # fmt: skip
    return _read_lines(named.files, encoding)


def _read_flickr(path: Path, encoding: str) -> Annotations:
    if path.name in ("captions.txt", "captions.csv"):
        found = read_table(str(path), None, encoding=encoding)
    else:
        found = read_flickr(str(path), encoding=encoding)
    others = [other for other in _files(path.parent) if other != path and other.suffix == ".txt"]
    lists = {other: split for other in others if (split := split_of(other))}
    if not lists:
        return found
    captioned = {listed.image for listed in found.listed}
    listed = []
    for file, split in lists.items():
        for source, line in numbered_lines(str(file), encoding=encoding):
            name = line.strip()
            image = f"{name}.jpg" if f"{name}.jpg" in captioned else name
            listed.append(Listed(image, split, source))
    return found._replace(listed=listed)


def _read_lines(
    files: Mapping[str, Sequence[Path]] | Mapping[None, Sequence[Path]], encoding: str
) -> Annotations:
    found = Annotations([], [], [])
    for split, path in ((split, path) for split, paths in files.items() for path in paths):
        if path.suffix.lower() not in _LINES:
            raise UserError(f"{path}: expected a name that ends in {' or '.join(_LINES)}")
        found.add(_LINES[path.suffix.lower()](str(path), split, encoding=encoding))
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
