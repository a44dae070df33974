"""Which files of a source are for training, validation and test, as their names say."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np

from rnnjax.data.files import files_at
from rnnjax.errors import UserError, counted, did_you_mean

T = TypeVar("T")

SPLITS = ("train", "validation", "test")

LIST_OF_PATHS = "train=PATH,validation=PATH,test=PATH"

SPLIT_OF_WORD = (
    dict.fromkeys(("train", "training"), "train")
    | dict.fromkeys(("valid", "validation", "dev", "devel", "development", "testa", "val"),
                    "validation")
    | dict.fromkeys(("test", "testb"), "test")
)  # fmt: skip
"""The split that a word means, such as {"dev": "validation"}."""

_WORD = re.compile(rf"(?<![a-z])({'|'.join(SPLIT_OF_WORD)})(images|imgs|list|ids)?(?![a-z])")
_NO_DATA = re.compile(r"\.|(readme|license|licence|source|notice)\b", re.IGNORECASE)

TENTHS = 10


class SplitFiles(NamedTuple):
    """The files of a source by split.

    Attributes:
        files: {split: its files, at least one}, in the order of SPLITS.
        left_alone: names of files and folders without a split, where others have one.
        pooled: no name says a split, and all files are in "train".
    """

    files: dict[str, list[Path]]
    left_alone: Sequence[str] = ()
    pooled: bool = False

    def read(self, read_file: Callable[[Path], Iterable[T]]) -> dict[str, list[T]]:
        """Reads the files of each split by a function."""
        return {
            split: [one for path in paths for one in read_file(path)]
            for split, paths in self.files.items()
        }

    def describe(self) -> str:
        """Which file became which split, in one line."""
        if self.pooled:
            return f"{counted(len(self.files['train']), 'file')} pooled"
        parts = [f"{split} from {_shown(paths)}" for split, paths in self.files.items()]
        return ", ".join([*parts, *self.note_of_others()])

    def note_of_others(self) -> list[str]:
        """A phrase about files that are ignored; empty if there are none."""
        names = ", ".join(self.left_alone[:5]) + ", ..." * (len(self.left_alone) > 5)
        return [f"left alone as of no split: {names}"] if names else []


def split_files(
    source: str,
    *,
    needed: Iterable[str] = ("train", "validation"),
    pool: bool = False,
    text_encoding: str | None = None,
) -> SplitFiles:
    """The files of the splits of a source.

    A name says a split by a word without letters next to it: train or training; valid, validation,
    val, dev, devel, development or testa; test or testb. The names are those of files and
    subfolders directly in the folder, or in its only subfolder; all files below a subfolder that
    says a split are in this split. Names that begin with a dot, README, LICENSE, SOURCE or NOTICE
    say nothing.

    Args:
        source: a folder, or `train=PATH,validation=PATH,test=PATH`, where a PATH is a file, a
            folder or a glob. With `pool` also a file or a glob.
        needed: splits without which a source is an error.
        pool: take all files for training where no name says a split; otherwise this is an error.
        text_encoding: see `files_at`.

    Raises:
        UserError: there is no such source, a split is missing, two files may be the same one, or
            files that are to be pooled say different splits.
    """
    if is_list_of_paths(source):
        paths = _listed(source, needed)
        return SplitFiles({s: files_at(p, text_encoding=text_encoding) for s, p in paths.items()})
    expected = "" if pool else f": expected a folder, {LIST_OF_PATHS}, tfds:NAME or embedded"
    files = files_at(source, expected=expected, text_encoding=text_encoding)
    folder = Path(os.path.expanduser(source))
    if not folder.is_dir() and not pool:
        raise UserError(f"{source} is one file{expected}")
    found = by_name(folder, files) if folder.is_dir() else SplitFiles({})
    if pool and not found.files:
        if len(files) > 1:
            _refuse_mixed(source, files)
        return SplitFiles({"train": files}, pooled=True)
    for split in needed:
        if split not in found.files:
            names = sorted({path.relative_to(folder).parts[0] for path in files})
            words = " or ".join(word for word, its in SPLIT_OF_WORD.items() if its == split)
            alone = pool and [*needed] == ["train"]
            hint = f"; train={source} takes all for training" if alone else f" ({LIST_OF_PATHS})"
            raise UserError(
                f"{source} has no {split} file: looked for a name with {words} in it among "
                f"{', '.join(names)[:300]}{hint}"
            )
    return found


def is_list_of_paths(source: str) -> bool:
    """Whether a source is `train=PATH,validation=PATH,test=PATH`, or a part of it."""
    return source.partition("=")[0] in SPLITS


def split_of(path: Path) -> str | None:
    """The split that a file or folder says in its name; None: it says none.

    Raises:
        UserError: it says two.
    """
    said = _splits_in(path.name)
    if len(said) > 1:
        raise UserError(
            f"{path} may be the {' or the '.join(said)} split: move it away or name the files "
            f"({LIST_OF_PATHS})"
        )
    return said[0] if said else None


def by_name(folder: Path, files: Iterable[Path]) -> SplitFiles:
    """The files of a folder by the splits that they say, of which none is needed.

    Raises:
        UserError: a name says two splits, or two names the same one.
    """
    entries: dict[str, list[Path]] = {}
    for path in files:
        entries.setdefault(path.relative_to(folder).parts[0], []).append(path)
    entries = {name: paths for name, paths in entries.items() if not _NO_DATA.match(name)}
    only = folder / next(iter(entries), "")
    if len(entries) == 1 and only.is_dir() and not _splits_in(only.name):
        return by_name(only, entries[only.name])
    found: dict[str, str] = {}
    left_alone = []
    for name in sorted(entries):
        split = split_of(folder / name)
        if split is None:
            left_alone.append(name)
        elif split in found:
            raise UserError(
                f"two files for the split {split}: {folder / found[split]} and {folder / name}: "
                f"move one away or name the files ({LIST_OF_PATHS})"
            )
        else:
            found[split] = name
    return SplitFiles({s: entries[found[s]] for s in SPLITS if s in found}, left_alone)


def also_in_training(
    splits: Mapping[str, Iterable[T]], nouns: str, content: Callable[[T], str | np.ndarray]
) -> list[str]:
    """A phrase for each split some of whose `nouns` have the content of one of the training."""
    found = {split: [_mark_of(content(one)) for one in its] for split, its in splits.items()}
    train = set(found["train"])
    return [
        f"{seen:,} of the {len(its):,} {split} {nouns} also stand in training"
        for split, its in found.items()
        if split != "train" and (seen := sum(one in train for one in its))
    ]


def _mark_of(content: str | np.ndarray) -> Hashable:
    return content if isinstance(content, str) else (content.shape, hash(content.tobytes()))


def drawn_by_label(examples: Iterable[Any], share: float = 0.15) -> dict[str, list[Any]]:
    """Draws validation and test from the examples of each label, the same in every run.

    Args:
        share: of each label, for validation and again for the test.

    Returns:
        {split: its examples}.
    """
    splits: dict[str, list[Any]] = {split: [] for split in SPLITS}
    of_labels = defaultdict(list)
    for one in examples:
        of_labels[one.label].append(one)
    rng = np.random.default_rng(0)
    for _, of_label in sorted(of_labels.items()):
        held_out = round(share * len(of_label))
        for n, index in enumerate(rng.permutation(len(of_label)).tolist()):
            split = SPLITS[2 if n < held_out else 1 if n < 2 * held_out else 0]
            splits[split].append(of_label[index])
    return splits


def drawn_in_shares(count: int, *shares: int) -> list[np.ndarray]:
    """Divides the indices of examples at random, the same in every run.

    Args:
        shares: how the parts relate: 8, 1, 1 are 80 %, 10 % and 10 %.

    Returns:
        The indices of each part.
    """
    ends = np.cumsum(shares)[:-1] * count // sum(shares)
    return np.split(np.random.default_rng(0).permutation(count), ends)


def without_a_tenth(
    examples: Sequence[T], groups: Sequence[int], source: str, nouns: str
) -> tuple[list[T], list[T]]:
    """The examples of nine tenths of the groups, and the others; UserError for fewer than ten.

    `groups` has the group of each example, and `nouns` is what messages call groups. They are
    drawn at random, the same in every run.
    """
    numbers = np.unique(groups)
    if (count := len(numbers)) < TENTHS:
        raise UserError(f"{source} has {count} {nouns}: expected {TENTHS} or more to divide")
    drawn = numbers[np.random.default_rng(0).permutation(count)[: count // TENTHS]]
    parts: tuple[list[T], list[T]] = ([], [])
    for one, is_drawn in zip(examples, np.isin(groups, drawn).tolist(), strict=True):
        parts[is_drawn].append(one)
    return parts


def _listed(source: str, needed: Iterable[str]) -> dict[str, str]:
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
    for split in needed:
        if split not in paths:
            raise UserError(f"{source!r} names no {split} file: add ,{split}=PATH")
    return {split: paths[split] for split in SPLITS if split in paths}


def _refuse_mixed(source: str, files: Sequence[Path]) -> None:
    """Raises UserError where a folder anywhere in it has entries of train and of another split."""
    base = Path(os.path.commonpath([path.parent for path in files]))
    said: dict[Path, set[str]] = defaultdict(set)
    for entry in {entry for path in files for entry in (path, *path.parents)}:
        if base in entry.parents and len(splits := _splits_in(entry.name)) == 1:
            said[entry.parent].update(splits)
    for folder, there in sorted(said.items()):
        if "train" in there and len(there) > 1:
            names = " and ".join(split for split in SPLITS if split in there)
            raise UserError(
                f"{source} has files of {names} in {folder}: name that folder or the files "
                f"({LIST_OF_PATHS}); train={source} takes all for training"
            )


def _splits_in(name: str) -> list[str]:
    said = {SPLIT_OF_WORD[found[1]] for found in _WORD.finditer(name.lower())}
    return [split for split in SPLITS if split in said and not _NO_DATA.match(name)]


def _shown(paths: Sequence[Path]) -> str:
    if len(paths) == 1:
        return paths[0].name
    return f"{len(paths):,} files in {os.path.commonpath([path.parent for path in paths])}"
