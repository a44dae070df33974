"""Pieces from MIDI files and to them, by mido."""

import io
from types import ModuleType

import numpy as np

from rnnjax.data.files import regular_file
from rnnjax.errors import UserError
from rnnjax.tasks.music.pieces import LOWEST, Note, Piece, piece_of_notes

SUFFIXES = (".mid", ".midi")
PERCUSSION = 9
"""The channel of General MIDI whose numbers are drums, not pitches."""
TICKS_PER_QUARTER = 480
VELOCITY = 80


def read_midi(path: str, frames_per_quarter: int) -> Piece:
    """The piano roll of a MIDI file: its tracks and channels together, percussion left out.

    A note lasts until its track releases or strikes it again, or ends.

    Raises:
        UserError: it is no such file, it holds no note, or see `piece_of_notes`.
    """
    mido, file = _mido(), regular_file(path)
    try:
        midi = mido.MidiFile(file)
    except (OSError, EOFError, ValueError, LookupError) as error:
        why = "it ends too early" if isinstance(error, EOFError) else error
        raise UserError(f"{path} is no MIDI file that mido reads: {why}") from error
    if midi.ticks_per_beat <= 0:
        raise UserError(f"{path} counts time in seconds: expected ticks of a quarter note")
    ticks: list[tuple[int, int, int]] = []  # pitch, start and end
    for track in midi.tracks:
        sounding: dict[tuple[int, int], int] = {}
        now = 0
        for message in track:
            now += message.time
            if message.type not in ("note_on", "note_off") or message.channel == PERCUSSION:
                continue
            voice = message.channel, message.note
            if (start := sounding.pop(voice, None)) is not None:
                ticks.append((message.note, start, now))
            if message.type == "note_on" and message.velocity:
                sounding[voice] = now
        ticks += [(note, start, now) for (_, note), start in sounding.items()]
    quarter = midi.ticks_per_beat
    notes = [Note(pitch, start / quarter, end / quarter) for pitch, start, end in ticks]
    if not notes:
        raise UserError(f"{path} has no notes")
    return piece_of_notes(str(path), notes, frames_per_quarter)


def midi_bytes(frames: np.ndarray, frames_per_quarter: int) -> bytes:
    """A MIDI file of a piano roll, at 120 quarter notes a minute.

    A key that sounds in frames in a row is one long note: a roll does not say where it is struck
    again.

    Args:
        frames: bool `[T, 88]`.
        frames_per_quarter: frames of a quarter note.
    """
    mido = _mido()
    silence = np.zeros((1, frames.shape[1]), np.int8)
    changes = np.diff(np.concatenate([silence, frames.astype(np.int8), silence]), axis=0)
    track, last = mido.MidiTrack(), 0
    for t, key in np.argwhere(changes).tolist():
        now = round(t * TICKS_PER_QUARTER / frames_per_quarter)
        kind = "note_on" if changes[t, key] > 0 else "note_off"
        track.append(mido.Message(kind, note=key + LOWEST, velocity=VELOCITY, time=now - last))
        last = now
    end = round(len(frames) * TICKS_PER_QUARTER / frames_per_quarter)
    track.append(mido.MetaMessage("end_of_track", time=end - last))
    content = io.BytesIO()
    mido.MidiFile(ticks_per_beat=TICKS_PER_QUARTER, tracks=[track]).save(file=content)
    return content.getvalue()


def _mido() -> ModuleType:
    try:
        import mido
    except ImportError as error:
        raise UserError(
            "MIDI files need mido, which is not installed: pip install 'rnnjax[music]'"
        ) from error
    return mido
