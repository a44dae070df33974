"""Pieces in splits: .mat files, folders of MIDI files, and melodies that are in one split only."""

import numpy as np
import pytest
import scipy.io

from rnnjax.errors import UserError
from rnnjax.tasks.music import chorales
from rnnjax.tasks.music.config import MusicConfig
from rnnjax.tasks.music.pieces import Piece, opening
from rnnjax.tasks.music.preparation import piece_examples, prepare
from rnnjax.tasks.music.sources import load_source
from tests.tasks.music.test_pieces import midi_file


def melody(start, moves):
    frames = np.zeros((len(moves) + 1, 88), bool)
    frames[np.arange(len(frames)), start + np.cumsum([0, *moves])] = True
    return Piece("m", frames)


def cells(*matrices):
    found = np.empty((1, len(matrices)), object)
    for n, matrix in enumerate(matrices):
        found[0, n] = matrix
    return found


def one_frame(*columns):
    matrix = np.zeros((1, 88), np.uint8)
    matrix[0, list(columns)] = 1
    return matrix


SPLITS = {
    "traindata": cells(one_frame(0), np.vstack([one_frame(87), one_frame(3, 4)])),
    "validdata": cells(one_frame(1)),
    "testdata": cells(one_frame(2)),
}


def test_a_mat_file(tmp_path):
    path = str(tmp_path / "x.mat")
    scipy.io.savemat(path, SPLITS)
    splits, _ = load_source(MusicConfig(data=path))
    found = {
        split: [np.argwhere(piece.frames).tolist() for piece in its]
        for split, its in splits.items()
    }
    assert found == {
        "train": [[[0, 0]], [[0, 87], [1, 3], [1, 4]]],
        "validation": [[[0, 1]]],
        "test": [[[0, 2]]],
    }
    assert splits["train"][0].frames.dtype == bool


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"testdata": None}, r"no cell array testdata: expected .* it has traindata, validdata"),
        ({"validdata": np.eye(88)}, "no cell array validdata"),
        (
            {"traindata": cells(one_frame(1), np.zeros((0, 88)))},
            r"traindata\{2\} has the shape \[0, 88\]: expected \[frames, 88\]",
        ),
        ({"traindata": cells(np.zeros((3, 90)))}, r"traindata\{1\} has the shape \[3, 90\]"),
        ({"testdata": cells(2 * one_frame(1))}, r"testdata\{1\} holds numbers other than 0 and 1"),
    ],
)
def test_a_mat_file_without_the_expected_arrays(tmp_path, change, told):
    path = str(tmp_path / "x.mat")
    arrays = {name: array for name, array in {**SPLITS, **change}.items() if array is not None}
    scipy.io.savemat(path, arrays)
    with pytest.raises(UserError, match=rf"x\.mat.*{told}"):
        load_source(MusicConfig(data=path))


@pytest.mark.parametrize("content", [b"", b"text", b"MATLAB 5.0 MAT-file" + bytes(200)])
def test_what_is_no_mat_file(tmp_path, content):
    path = tmp_path / "x.mat"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x\.mat is no MATLAB file"):
        load_source(MusicConfig(data=str(path)))


def test_a_folder_of_midi_with_named_splits(tmp_path):
    for n, split in enumerate(["train", "valid", "test"]):
        (tmp_path / split).mkdir()
        (tmp_path / split / "notes.txt").write_text("about")
        midi_file(tmp_path / split / "a.MID", [("note_on", 60 + n, 0), ("note_off", 60 + n, 96)])
    splits, _ = load_source(MusicConfig(data=str(tmp_path)))
    found = {split: np.flatnonzero(piece.frames).item() for split, (piece,) in splits.items()}
    assert found == {"train": 39, "validation": 40, "test": 41}
    (tmp_path / "valid/a.MID").unlink()
    with pytest.raises(UserError, match=r"no MIDI file for validation, only files such as .*notes"):
        load_source(MusicConfig(data=str(tmp_path)))


def test_no_melody_is_in_two_splits(monkeypatch):
    rng = np.random.default_rng(0)
    moves = rng.choice([-2, -1, 1, 2], (30, 9))
    pieces = [melody(start, its) for its in moves for start in (30, 40)]
    monkeypatch.setattr(chorales, "chorales", lambda rate: pieces)
    monkeypatch.setattr(chorales, "version", lambda: "1")
    splits, _ = load_source(MusicConfig())
    assert {split: len(its) for split, its in splits.items()} == {
        "train": 48, "validation": 6, "test": 6,
    }  # fmt: skip
    openings = [{opening(piece) for piece in its} for its in splits.values()]
    assert sum(map(len, openings)) == len(set.union(*openings))
    monkeypatch.setattr(chorales, "chorales", lambda rate: pieces[:8])
    with pytest.raises(UserError, match="has 4 different melodies: expected 10"):
        load_source(MusicConfig())


def test_long_training_pieces_are_cut_and_every_frame_follows_the_one_before():
    long, short = melody(40, [1, 2] * 4), melody(20, [1])
    examples = piece_examples([long, short], MusicConfig(), window=4)
    parts = [examples.get(n) for n in range(examples.size)]
    assert [len(part["frames"]) for part in parts] == [4, 4, 1, 2]
    np.testing.assert_array_equal(np.vstack([p["frames"] for p in parts[:3]]), long.frames)
    assert not parts[0]["before"].any()
    assert not parts[3]["before"].any()
    for n in (1, 2):
        np.testing.assert_array_equal(parts[n]["before"], parts[n - 1]["frames"][-1])


def test_batches_and_their_padding(tmp_path):
    path = str(tmp_path / "x.mat")
    scipy.io.savemat(path, SPLITS)
    prepared = prepare(MusicConfig(data=path, batch_size=2, num_buckets=2))
    (batch,) = prepared.validation
    assert batch["frames"].shape == (1, 2, 88)
    assert batch["lengths"].tolist() == [1, 0]
    assert "train 2 pieces, 3 frames" in prepared.description
    other = dict(SPLITS, traindata=cells(one_frame(0), one_frame(9)))
    scipy.io.savemat(path, other)
    assert prepare(MusicConfig(data=path)).digest != prepared.digest
