"""Pairs of texts: parallel files, tables, data sets of TFDS."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.data import tfds
from rnnjax.data.examples import SUFFIXES, Example, read_examples, read_parallel, suffix_of
from rnnjax.data.files import existing, files_at
from rnnjax.data.named_splits import (
    LIST_OF_PATHS,
    also_in_training,
    by_name,
    is_list_of_paths,
    split_files,
)
from rnnjax.data.prepared import digest_of
from rnnjax.errors import UserError, counted

NEEDED = ("train", "validation")


class Pair(NamedTuple):
    """A text and the one that a model shall make of it.

    Attributes:
        place: where the pair is, `FILE:LINE`.
    """

    source: str
    target: str
    place: str


class Corpus(NamedTuple):
    """Pairs by split.

    Attributes:
        splits: train, validation and maybe test; no text in them is empty.
        notes: what was left out or is left alone, in a phrase each.
    """

    splits: dict[str, list[Pair]]
    notes: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of the training and validation pairs, the same for the same ones only."""
        return digest_of([[pair[:2] for pair in self.splits[split]] for split in NEEDED])

    def describe(self) -> str:
        """The sizes, in one line."""
        sizes = ", ".join(f"{name} {len(pairs):,}" for name, pairs in self.splits.items())
        seen = also_in_training(self.splits, "sources", lambda pair: pair.source)
        return "; ".join([f"pairs of texts: {sizes}", *seen, *self.notes])


class Columns(NamedTuple):
    """The columns or suffixes of the two sides of pairs; both are empty if none is named.

    Attributes:
        source, target: endings of files, names of columns of tables, or features of TFDS.
    """

    source: str = ""
    target: str = ""
    encoding: str = "utf-8"

    def check(self) -> None:
        """Raises UserError unless both sides are named, differently, or none."""
        source, target = self[:2]
        if bool(source) != bool(target) or (source and source == target):
            raise UserError(
                "--config.source and --config.target name two languages; got "
                f"{source or 'none'} and {target or 'none'}"
            )


def read_pairs(data: str, columns: Columns) -> Corpus:
    """The pairs of a source of data, in splits.

    In a folder, the files of a split are told by the word in their name (train, val, test and the
    like), and the two sides by the endings that `columns` names, as in `train.de` and `train.en`.
    Tables have a pair a row: in the columns of these names, or in the first two where no names are
    given. Of a single table, a tenth of the sources each is drawn for validation and test. A data
    set of TFDS has a pair an example: in the features of these names, or in those that it says are
    input and target.

    Args:
        data: a folder, a table, `train=PATH,validation=PATH,test=PATH` or `tfds:NAME`.

    Raises:
        UserError: there is no such source, a side or a split is missing, files do not belong
            together, or nothing is left of a split. Names file and line.
    """
    if data.startswith("tfds:"):
        found_there = tfds.pairs(data.removeprefix("tfds:"), columns.source, columns.target)
        if missing := [split for split in NEEDED if split not in found_there]:
            raise UserError(f"{data} has no {missing[0]} split")
        return with_words(found_there, data)
    if is_list_of_paths(data):
        found = split_files(data, needed=NEEDED)
    elif (folder := existing(data)).is_dir():
        found = by_name(folder, _of_the_source(data, columns, folder))
        if missing := [split for split in NEEDED if split not in found.files]:
            ending = f" that ends in .{columns.source}" if columns.source else ""
            raise UserError(f"{data} has no {missing[0]} file{ending}")
    else:
        pairs, left_out = _with_words(_read(columns, folder), data)
        return Corpus(_drawn(pairs, data), tuple(left_out))
    read = found.read(lambda path: _read(columns, path))
    return with_words(read, data, found.note_of_others())


def with_words(
    splits: Mapping[str, Iterable[Example]], data: str, notes: Iterable[str] = ()
) -> Corpus:
    """A corpus of examples with the fields `source` and `target`, without those that lack text.

    Args:
        notes: what was left out before, in a phrase each.

    Raises:
        UserError: no example of a split has text on both sides.
    """
    pairs, notes = {}, list(notes)
    for split, examples in splits.items():
        pairs[split], left_out = _with_words(examples, f"split {split} of {data}")
        notes += left_out
    return Corpus(pairs, tuple(notes))


def _of_the_source(data: str, columns: Columns, folder: Path) -> list[Path]:
    """The files of a folder that hold the source, or source and target."""
    files = files_at(str(folder))
    parallel = [path for path in files if suffix_of(path.name) == f".{columns.source}"]
    chosen = parallel or [path for path in files if suffix_of(path.name) in SUFFIXES]
    if not chosen:
        endings = ", ".join(sorted({suffix_of(path.name)[:20] for path in files})[:20])
        named = f"ends in .{columns.source}" if columns.source else f"is a table ({LIST_OF_PATHS})"
        raise UserError(
            f"{data} has no file that {named}: its files end in {endings}; "
            "--config.source and --config.target name the endings of parallel files"
        )
    return chosen


def _read(columns: Columns, path: Path) -> list[Example]:
    """The pairs of a table, or of a file of the source and its partner."""
    suffix = suffix_of(path.name)
    if suffix in SUFFIXES:
        names: dict[str, str | int] = {"source": 0, "target": 1}
        if columns.source:
            names = {"source": columns.source, "target": columns.target}
        elif suffix == ".jsonl":
            names = {"source": "source", "target": "target"}
        return read_examples(str(path), names, encoding=columns.encoding)
    if suffix != f".{columns.source}":
        raise UserError(
            f"{path}: expected a table ({', '.join(SUFFIXES)}) or a file whose ending "
            f"--config.source names; got --config.source={columns.source or 'none'}"
        )
    stem = path.name.removesuffix(".gz")[: -len(suffix)]
    partners = [path.with_name(f"{stem}.{columns.target}{gz}") for gz in ("", ".gz")]
    partner = next((one for one in partners if one.exists()), None)
    if partner is None:
        raise UserError(f"{path} has no partner: there is no {partners[0]} (--config.target)")
    return read_parallel({"source": str(path), "target": str(partner)}, encoding=columns.encoding)


def _with_words(examples: Iterable[Example], where: str) -> tuple[list[Pair], list[str]]:
    """The pairs of which both sides have text, and a note of the others."""
    pairs = [Pair(one.fields["source"], one.fields["target"], one.place) for one in examples]
    empty = [pair for pair in pairs if not (pair.source.strip() and pair.target.strip())]
    if len(empty) == len(pairs):
        raise UserError(f"{where}: no line has text on both sides")
    if not empty:
        return pairs, []
    kept = [pair for pair in pairs if pair.source.strip() and pair.target.strip()]
    count = counted(len(empty), "pair")
    return kept, [f"{count} with an empty side left out of {where}, first {empty[0].place}"]


def _drawn(pairs: list[Pair], name: str) -> dict[str, list[Pair]]:
    """Divides pairs at random, all translations of a source in one split."""
    sources = sorted({pair.source for pair in pairs})
    held_out = len(sources) // 10
    if not held_out:
        raise UserError(f"{name} has {len(sources)} sources: 10 or more can be divided into splits")
    order = np.random.default_rng(0).permutation(len(sources))
    part = {sources[n]: place // held_out for place, n in enumerate(order.tolist())}
    names = {0: "test", 1: "validation"}
    splits: dict[str, list[Pair]] = {"train": [], "validation": [], "test": []}
    for pair in pairs:
        splits[names.get(part[pair.source], "train")].append(pair)
    return splits
