"""Pairs of texts: generated numbers and dates, parallel files, tables."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from rnnjax.data.examples import SUFFIXES, Example, read_examples, read_parallel, suffix_of
from rnnjax.data.files import existing, files_at
from rnnjax.data.named_splits import LIST_OF_PATHS, by_name, is_list_of_paths, split_files
from rnnjax.errors import UserError
from rnnjax.tasks.translation.config import EMBEDDED, TranslationConfig
from rnnjax.tasks.translation.dates import date_pairs
from rnnjax.tasks.translation.numbers import number_pairs

NEEDED = ("train", "validation")


class Pair(NamedTuple):
    """A text and its translation.

    Attributes:
        source, target: the texts.
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

    def describe(self) -> str:
        """The sizes, in one line."""
        sizes = ", ".join(f"{name} {len(pairs):,}" for name, pairs in self.splits.items())
        return "; ".join([f"pairs of texts: {sizes}", *self.notes])


def load_pairs(config: TranslationConfig) -> Corpus:
    """The pairs of a config, in splits.

    In a folder, the files of a split are told by the word in their name (train, val, test and the
    like), and the two languages by the endings that `config.source` and `config.target` name, as in
    `train.de` and `train.en`. Tables have a pair a row: in the columns of these names, or in the
    first two where no names are given. Of a single table, a tenth of the sources each is drawn for
    validation and test.

    Raises:
        UserError: there is no such source, a language or a split is missing, files do not belong
            together, or nothing is left of a split. Names file and line.
    """
    if config.data in EMBEDDED:
        generated = number_pairs() if config.data == "embedded" else date_pairs()
        return Corpus({
            split: [Pair(*texts, f"{split}:{n}") for n, texts in enumerate(pairs, 1)]
            for split, pairs in generated.items()
        })  # fmt: skip
    notes: list[str] = []
    if is_list_of_paths(config.data):
        files = split_files(config.data, needed=NEEDED).files
    elif (folder := existing(config.data)).is_dir():
        found = by_name(folder, _of_the_source(config, folder))
        if missing := [split for split in NEEDED if split not in found.files]:
            raise UserError(f"{config.data} has no {missing[0]} file{_ending(config)}")
        files, notes = found.files, found.note_of_others()
    else:
        pairs, left_out = _with_words(_read(config, folder), config.data)
        return Corpus(_drawn(pairs, config.data), tuple(left_out))
    splits = {}
    for split, paths in files.items():
        examples = [example for path in paths for example in _read(config, path)]
        splits[split], left_out = _with_words(examples, f"split {split} of {config.data}")
        notes += left_out
    return Corpus(splits, tuple(notes))


def _of_the_source(config: TranslationConfig, folder: Path) -> list[Path]:
    """The files of a folder that hold the source, or source and target."""
    files = files_at(str(folder))
    parallel = [path for path in files if suffix_of(path.name) == f".{config.source}"]
    chosen = parallel or [path for path in files if suffix_of(path.name) in SUFFIXES]
    if not chosen:
        endings = ", ".join(sorted({suffix_of(path.name)[:20] for path in files})[:20])
        named = f"ends in .{config.source}" if config.source else f"is a table ({LIST_OF_PATHS})"
        raise UserError(
            f"{config.data} has no file that {named}: its files end in {endings}; "
            "--config.source and --config.target name the languages"
        )
    return chosen


def _ending(config: TranslationConfig) -> str:
    return f" that ends in .{config.source}" if config.source else ""


def _read(config: TranslationConfig, path: Path) -> list[Example]:
    """The pairs of a table, or of a file of the source and its partner."""
    suffix = suffix_of(path.name)
    if suffix in SUFFIXES:
        columns: dict[str, str | int] = {"source": 0, "target": 1}
        if config.source:
            columns = {"source": config.source, "target": config.target}
        elif suffix == ".jsonl":
            columns = {"source": "source", "target": "target"}
        return read_examples(str(path), columns, encoding=config.encoding)
    if suffix != f".{config.source}":
        raise UserError(
            f"{path}: expected a table ({', '.join(SUFFIXES)}) or a file whose ending "
            f"--config.source names; got --config.source={config.source or 'none'}"
        )
    stem = path.name.removesuffix(".gz")[: -len(suffix)]
    partners = [path.with_name(f"{stem}.{config.target}{gz}") for gz in ("", ".gz")]
    partner = next((one for one in partners if one.exists()), None)
    if partner is None:
        raise UserError(f"{path} has no partner: there is no {partners[0]} (--config.target)")
    return read_parallel({"source": str(path), "target": str(partner)}, encoding=config.encoding)


def _with_words(examples: Iterable[Example], where: str) -> tuple[list[Pair], list[str]]:
    """The pairs of which both sides have text, and a note of the others."""
    pairs = [Pair(one.fields["source"], one.fields["target"], one.place) for one in examples]
    empty = [pair for pair in pairs if not (pair.source.strip() and pair.target.strip())]
    if len(empty) == len(pairs):
        raise UserError(f"{where}: no line has text on both sides")
    if not empty:
        return pairs, []
    kept = [pair for pair in pairs if pair.source.strip() and pair.target.strip()]
    count = f"{len(empty):,} pair{'s' * (len(empty) > 1)}"
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
