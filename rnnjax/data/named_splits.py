"""Which file of a folder holds which split."""

import os
import re
from pathlib import Path

from rnnjax.data.files import nearest
from rnnjax.errors import UserError, did_you_mean

SPLITS = ("train", "validation", "test")

_WORDS = {
    "train": ("train", "training"),
    "validation": ("valid", "validation", "dev", "devel", "development", "testa"),
    "test": ("test", "testb"),
}
_NO_DATA = re.compile(r"\.|(readme|license|licence|source|notice)\b", re.IGNORECASE)


def split_paths(source: str) -> dict[str, str]:
    """The files of the splits of a corpus.

    Args:
        source: a folder, or `train=PATH,validation=PATH,test=PATH`, the last of them
            optional. In a folder a file's name says what it holds by a word that no letter touches:
            train or training; valid, validation, dev, devel, development or testa; test or testb.
            Other files are left alone, and so are those that begin with a dot, README, LICENSE,
            SOURCE or NOTICE.

    Returns:
        {"train", "validation" and, where there is one, "test": path}.

    Raises:
        UserError: there is no such source, a split is missing, or two files may be the same one.
    """
    paths = _named(source) if source.partition("=")[0] in SPLITS else _in_folder(source)
    return {split: paths[split] for split in SPLITS if split in paths}


def _named(source: str) -> dict[str, str]:
    paths: dict[str, str] = {}
    for part in source.split(","):
        split, equals, path = part.partition("=")
        if not equals or not path:
            raise UserError(f"{part!r} in {source!r}: expected SPLIT=PATH, separated by commas")
        if split not in SPLITS:
            raise UserError(f"unknown split {split!r} in {source!r}: {did_you_mean(split, SPLITS)}")
        if split in paths:
            raise UserError(f"two files for the split {split}: {paths[split]} and {path}")
        paths[split] = path
    for split in ("train", "validation"):
        if split not in paths:
            raise UserError(f"{source!r} names no {split} file: add ,{split}=PATH")
    return paths


def _in_folder(source: str) -> dict[str, str]:
    folder = Path(os.path.expanduser(source))
    expected = "expected a folder, train=PATH,validation=PATH,test=PATH, tfds:NAME or embedded"
    if not source or not folder.exists():
        near = nearest(folder) if source else ""
        raise UserError(f"{source!r} does not exist ({near or 'nothing near'}): {expected}")
    if not folder.is_dir():
        raise UserError(f"{source} is one file: {expected}")
    try:
        names = sorted(path.name for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise UserError(f"cannot read {source}: {error.strerror}") from error
    paths: dict[str, str] = {}
    for name in names:
        splits = [] if _NO_DATA.match(name) else [s for s in SPLITS if _says(name, s)]
        if len(splits) > 1:
            raise UserError(
                f"{folder / name} may be the {' or the '.join(splits)} split: move it away or "
                f"name the files (train=PATH,validation=PATH,test=PATH)"
            )
        for split in splits:
            path = str(folder / name)
            if split in paths:
                raise UserError(
                    f"two files for the split {split}: {paths[split]} and {path}: move one away or "
                    f"name the files (train=PATH,validation=PATH,test=PATH)"
                )
            paths[split] = path
    for split in ("train", "validation"):
        if split not in paths:
            raise UserError(
                f"{source} has no {split} file: looked for a name with "
                f"{' or '.join(_WORDS[split])} in it among {', '.join(names) or 'no files at all'}"
            )
    return paths


def _says(name: str, split: str) -> bool:
    return bool(re.search(rf"(?<![a-z])({'|'.join(_WORDS[split])})(?![a-z])", name.lower()))
