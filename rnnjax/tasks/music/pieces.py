"""Pieces of music as piano rolls: which of the 88 keys of a piano sound in each frame."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rnnjax.errors import UserError

LOWEST = 21
"""The MIDI number of the lowest key, A0."""

NUM_NOTES = 88

MOST_FRAMES = 1_000_000
"""Of a piece: a damaged file may claim to last for years."""

SAMPLED_AT = 0.125
"""Where in a frame its notes are read, as a share of the frame: a note played a little late still
counts, and of short notes within a frame the first one does."""

OPENING = 8
"""Changes of pitch that a melody is known by."""


class Note(NamedTuple):
    """A note of a score.

    Attributes:
        pitch: its MIDI number; 60 is middle C.
        start, end: in quarter notes from the beginning.
    """

    pitch: int
    start: float
    end: float


class Piece(NamedTuple):
    """A piece of music.

    Attributes:
        name: what messages and pictures call it.
        frames: bool `[T, 88]`, True where a note sounds; column 0 is the lowest key.
    """

    name: str
    frames: np.ndarray


def piece_of_notes(name: str, notes: Iterable[Note], frames_per_quarter: int) -> Piece:
    """The piano roll of notes.

    Frame k holds the notes that sound at the time (k + 1/8) / frames_per_quarter. Frames before
    the first note are left out.

    Args:
        name: of the piece.
        notes: at least one.
        frames_per_quarter: frames of a quarter note.

    Raises:
        UserError: a note is none of a piano, there is no frame, or there are too many.
    """
    spans = []
    for pitch, start, end in notes:
        if not LOWEST <= pitch < LOWEST + NUM_NOTES:
            raise UserError(
                f"{name}: the note {pitch} at quarter {start:.2f} is none of the 88 keys: expected "
                f"{LOWEST} to {LOWEST + NUM_NOTES - 1}"
            )
        first, last = (math.ceil(time * frames_per_quarter - SAMPLED_AT) for time in (start, end))
        if last > first:
            spans.append((pitch - LOWEST, first, last))
    if not spans:
        raise UserError(
            f"{name} has no frame: expected a note that sounds at the time of one of "
            f"{frames_per_quarter} frames a quarter note"
        )
    origin = min(first for _, first, _ in spans)
    length = max(last for *_, last in spans) - origin
    if length > MOST_FRAMES:
        raise UserError(f"{name} has {length:,} frames: expected {MOST_FRAMES:,} at most")
    frames = np.zeros((length, NUM_NOTES), bool)
    for key, first, last in spans:
        frames[first - origin : last - origin, key] = True
    return Piece(name, frames)


def opening(piece: Piece) -> tuple[int, ...]:
    """How the highest notes of a piece move at first, in semitones: what tells its melody."""
    melody = [np.flatnonzero(frame)[-1] for frame in piece.frames if frame.any()]
    moves = np.diff(melody)
    return tuple(moves[moves != 0][:OPENING].tolist())


def parallel_fifths(frames: np.ndarray) -> list[tuple[int, int, int]]:
    """Parallel fifths, which the rules of counterpoint forbid.

    Voices are told apart by rank: the lowest note of a frame goes to the lowest note of the next.
    So two frames are compared where equally many notes sound. Two voices are in parallel fifths if
    they are a fifth apart (octaves aside) in both frames and both move, in the same direction.

    Args:
        frames: bool `[T, 88]`.

    Returns:
        The second frame, and the columns of the lower and the upper note there, of each.

    References:
        Fux 1725, "Gradus ad Parnassum".
    """
    found = []
    voices = [np.flatnonzero(frame) for frame in frames]
    for t in range(1, len(voices)):
        before, now = voices[t - 1], voices[t]
        if len(before) != len(now):
            continue
        for low in range(len(now)):
            for high in range(low + 1, len(now)):
                fifth = (before[high] - before[low]) % 12 == (now[high] - now[low]) % 12 == 7
                if fifth and (now[low] - before[low]) * (now[high] - before[high]) > 0:
                    found.append((t, int(now[low]), int(now[high])))
    return found
