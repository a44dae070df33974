"""The pieces of a source in splits: named ones, or drawn so that no melody is in two."""

from collections.abc import Sequence

import numpy as np

from rnnjax.data.files import regular_file
from rnnjax.data.named_splits import SPLITS, drawn_in_shares, split_files
from rnnjax.errors import UserError
from rnnjax.tasks.music import chorales, midi
from rnnjax.tasks.music.config import MusicSource
from rnnjax.tasks.music.pieces import NUM_NOTES, Piece, opening

ARRAYS = {"train": "traindata", "validation": "validdata", "test": "testdata"}
"""The names of the splits in the published .mat files."""


def load_source(config: MusicSource) -> tuple[dict[str, list[Piece]], str]:
    """The pieces of a config by split, and where they come from, in a line.

    Where a source has no splits, 80 % of the melodies are drawn for training, 10 % each for
    validation and test, the same way in every run. Pieces whose melodies open alike are in one
    split: Bach set many a melody several times.

    Raises:
        UserError: a file or a package is missing or cannot be used, or there are too few pieces.
    """
    rate = config.frames_per_quarter
    frames = f"frames of 1/{rate} of a quarter note" if rate > 1 else "frames of a quarter note"
    if config.data == "embedded":
        note = f"Bach's chorales of music21 {chorales.version()}, {frames}"
        return _divided(chorales.chorales(rate), config.data), note
    if config.data.endswith(".mat"):
        return read_mat(config.data), f"piano rolls of {config.data}"
    named = split_files(config.data, pool=True)
    splits = {}
    for split, paths in named.files.items():
        scores = [path for path in paths if path.suffix.lower() in midi.SUFFIXES]
        if not scores:
            raise UserError(
                f"{config.data} has no MIDI file for {split}, only files such as {paths[0]}: "
                f"expected names that end in {' or '.join(midi.SUFFIXES)}, or one .mat file"
            )
        splits[split] = [midi.read_midi(str(path), rate) for path in scores]
    if named.pooled:
        splits = _divided(splits["train"], config.data)
    return splits, f"MIDI files of {config.data}, {named.describe()}, {frames}"


def read_mat(path: str) -> dict[str, list[Piece]]:
    """The piano rolls of a MATLAB file.

    It has the cell arrays `traindata`, `validdata` and `testdata`, and each cell a matrix of 0 and
    1, `[frames, 88]`, whose first column is the note 21. So are the files that Boulanger-
    Lewandowski et al. 2012 published, in the form in which Bai et al. 2018 pass them on.

    Raises:
        UserError: it is no such file, or see above.
    """
    from scipy.io import loadmat, matlab  # It takes a while.

    file = regular_file(path)
    try:
        arrays = loadmat(file)
    except (matlab.MatReadError, OSError, ValueError, TypeError, NotImplementedError) as error:
        raise UserError(f"{path} is no MATLAB file that scipy reads: {error}") from error
    splits = {}
    for split, name in ARRAYS.items():
        cells = arrays.get(name)
        if cells is None or cells.dtype != object or not cells.size:
            there = ", ".join(key for key in arrays if not key.startswith("__")) or "nothing"
            raise UserError(
                f"{path} has no cell array {name}: expected {', '.join(ARRAYS.values())}, in each "
                f"cell a matrix [frames, {NUM_NOTES}] of 0 and 1; it has {there}"
            )
        splits[split] = [
            _cell(f"{path}: {name}{{{n}}}", cell) for n, cell in enumerate(cells.ravel(), 1)
        ]
    return splits


def _cell(name: str, cell: np.ndarray) -> Piece:
    if cell.ndim != 2 or cell.shape[1] != NUM_NOTES or not len(cell):
        raise UserError(
            f"{name} has the shape {list(cell.shape)}: expected [frames, {NUM_NOTES}], with one "
            "frame or more"
        )
    if not np.isin(cell, (0, 1)).all():
        raise UserError(f"{name} holds numbers other than 0 and 1")
    return Piece(name, cell.astype(bool))


def _divided(pieces: Sequence[Piece], source: str) -> dict[str, list[Piece]]:
    openings = [opening(piece) for piece in pieces]
    melodies = sorted(set(openings))
    splits = {}
    for split, part in zip(SPLITS, drawn_in_shares(len(melodies), 8, 1, 1), strict=True):
        own = {melodies[n] for n in part}
        splits[split] = [p for p, its in zip(pieces, openings, strict=True) if its in own]
        if not splits[split]:
            raise UserError(
                f"{source} has {len(melodies)} different melodies: expected 10 or more, to hold "
                "some out, or files whose names say train, valid and test"
            )
    return splits
