"""Bach's four-part chorales from the files of the package music21, without importing it."""

import importlib.util
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

from rnnjax.errors import UserError
from rnnjax.tasks.music.pieces import Note, Piece, piece_of_notes

VOICES = ("Soprano", "Alto", "Tenor", "Bass")
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


def version() -> str:
    """The version of music21 that is installed.

    Raises:
        UserError: none is.
    """
    try:
        return metadata.version("music21")
    except metadata.PackageNotFoundError as error:
        raise UserError(
            "the chorales come with music21, which is not installed: pip install 'rnnjax[music]'; "
            "or --config.data=PATH names a folder of MIDI files or a .mat file of piano rolls"
        ) from error


def chorales(frames_per_quarter: int) -> list[Piece]:
    """The chorales in the order of their numbers in Bach's works (BWV), without repeats played.

    They are in C major or A minor as the published JSB data are, see `score_notes`. Pieces with
    other voices than one each of soprano, alto, tenor and bass are left out, and so
    are the parts of instruments, which double the voices.

    Raises:
        UserError: music21 is not installed, or has no chorales.
    """
    found = importlib.util.find_spec("music21")
    roots = found.submodule_search_locations if found else None
    paths = sorted(Path((roots or [""])[0], "corpus/bach").glob("bwv*.mxl"))
    pieces = []
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            (score,) = (n for n in archive.namelist() if n.endswith("xml") and "META" not in n)
            notes = score_notes(ElementTree.fromstring(archive.read(score)))
        if notes:
            pieces.append(piece_of_notes(path.stem, notes, frames_per_quarter))
    if not pieces:
        raise UserError(f"music21 {version()} has no chorales in its folder corpus/bach")
    return pieces


def score_notes(score: ElementTree.Element) -> list[Note]:
    """The notes of the four voices of a MusicXML score; empty where it has other voices.

    They are transposed by -5 to 6 semitones, so that the key signature becomes that of C major and
    A minor.
    """
    names = [part.findtext("part-name") or "" for part in score.iter("score-part")]
    voices = [
        part
        for name, part in zip(names, score.iter("part"), strict=True)
        if name.startswith(VOICES)
    ]
    if len(voices) != len(VOICES):
        return []
    sharps = int(score.findtext(".//fifths") or 0)
    shift = (5 - 7 * sharps) % 12 - 5
    notes = (note for part in voices for note in part_notes(part))
    return [note._replace(pitch=note.pitch + shift) for note in notes]


def part_notes(part: ElementTree.Element) -> Iterator[Note]:
    """Yields the notes of a part of a MusicXML score, tied ones one by one."""
    now = start = 0.0
    divisions = 1
    for element in (element for measure in part.iter("measure") for element in measure):
        divisions = int(element.findtext("divisions") or divisions)
        length = float(element.findtext("duration") or 0) / divisions
        if element.tag == "backup":
            now -= length
        elif element.tag == "forward":
            now += length
        elif element.tag == "note" and length:  # Grace notes have no duration.
            if element.find("chord") is None:
                start, now = now, now + length
            if (pitch := element.find("pitch")) is not None:
                step, alter = pitch.findtext("step", ""), float(pitch.findtext("alter") or 0)
                octave = int(pitch.findtext("octave", ""))
                number = 12 * (octave + 1) + SEMITONES[step] + round(alter)
                yield Note(number, start, start + length)
