"""Piano rolls of notes, of MIDI files and of MusicXML, and parallel fifths."""

import io
import zipfile
from xml.etree import ElementTree

import mido
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.music import chorales, midi
from rnnjax.tasks.music.pieces import Note, opening, parallel_fifths, piece_of_notes


def chords(frames):
    """MIDI numbers of each frame."""
    return [(np.flatnonzero(frame) + 21).tolist() for frame in frames]


def roll(*frames):
    """Frames of MIDI numbers."""
    found = np.zeros((len(frames), 88), bool)
    for row, notes in zip(found, frames, strict=True):
        row[np.array(notes, int) - 21] = True
    return found


def test_a_frame_holds_the_notes_that_sound_when_it_begins():
    notes = [
        Note(60, 0, 1),
        Note(62, 1, 1.5),
        Note(64, 1.5, 2),  # Between the beginnings of two frames.
        Note(65, 2.05, 3),  # A little late.
        Note(21, 0, 3),
        Note(108, 2, 3.02),  # Held a little too long.
    ]
    expected = [[21, 60], [21, 62], [21, 65, 108]]
    assert chords(piece_of_notes("x", notes, 1).frames) == expected
    halves = chords(piece_of_notes("x", notes, 2).frames)
    assert halves[2:4] == [[21, 62], [21, 64]]
    assert len(halves) == 6
    later = [note._replace(start=note.start + 7, end=note.end + 7) for note in notes]
    assert chords(piece_of_notes("x", later, 1).frames) == expected


@pytest.mark.parametrize("pitch", [20, 109])
def test_a_note_that_no_piano_has(pitch):
    with pytest.raises(UserError, match=rf"x: the note {pitch} at quarter 2.50 .* 21 to 108"):
        piece_of_notes("x", [Note(60, 0, 1), Note(pitch, 2.5, 3)], 1)


def test_a_piece_without_a_frame():
    with pytest.raises(UserError, match="x has no frame"):
        piece_of_notes("x", [Note(60, 0.5, 0.75)], 1)


def test_a_piece_of_too_many_frames():
    with pytest.raises(UserError, match="x has 4,000,000 frames"):
        piece_of_notes("x", [Note(60, 0, 1e6)], 4)


def test_parallel_fifths():
    c, d = [48, 55, 64, 72], [50, 57, 65, 74]
    assert parallel_fifths(roll(c, d)) == [(1, 50 - 21, 57 - 21)]
    assert parallel_fifths(roll(c, c)) == []  # Nothing moves.
    assert parallel_fifths(roll([48, 55], [50, 58])) == []  # To a sixth.
    assert parallel_fifths(roll([48, 67], [50, 57])) == []  # In contrary motion.
    assert parallel_fifths(roll([48, 67], [50, 69])) == [(1, 29, 48)]  # A twelfth.
    assert parallel_fifths(roll(c, d[:3])) == []  # Another number of voices.
    assert parallel_fifths(roll([], c, d)) == [(2, 29, 36)]


def test_the_opening_of_a_melody_is_that_of_its_highest_notes_in_any_key():
    one = piece_of_notes("x", [Note(60 + n, k, k + 2) for k, n in enumerate([0, 2, 2, -1])], 1)
    other = piece_of_notes("x", [Note(67 + n, k, k + 1) for k, n in enumerate([0, 2, 1])], 1)
    assert opening(one) == (2, -3)
    assert opening(other) == (2, -1)


def midi_file(path, *tracks, ticks_per_beat=96):
    """Writes a MIDI file of messages (kind, note, time, {more})."""
    file = mido.MidiFile(ticks_per_beat=ticks_per_beat)
    for messages in tracks:
        track = mido.MidiTrack()
        for kind, note, time, *more in messages:
            options = {"velocity": 64, **(more[0] if more else {})}
            track.append(mido.Message(kind, note=note, time=time, **options))
        file.tracks.append(track)
    file.save(path)
    return path


def test_reading_midi(tmp_path):
    path = midi_file(
        tmp_path / "a.mid",
        [("note_on", 60, 0), ("note_on", 60, 96, {"velocity": 0}), ("note_on", 62, 0),
         ("note_on", 62, 96), ("note_off", 62, 96)],
        [("note_on", 40, 96, {"channel": 1}), ("note_on", 5, 0, {"channel": 9}),
         ("note_off", 5, 0, {"channel": 9}), ("note_off", 40, 192, {"channel": 1})],
    )  # fmt: skip
    assert chords(midi.read_midi(str(path), 1).frames) == [[60], [40, 62], [40, 62]]


def test_voices_of_one_channel_do_not_end_each_others_notes(tmp_path):
    long = [("note_on", 60, 0), ("note_off", 60, 3 * 96)]
    short = [("note_on", 60, 0), ("note_off", 60, 96)]
    held = [("note_on", 72, 0), ("note_on", 70, 96), ("note_off", 70, 96)]
    path = midi_file(tmp_path / "a.mid", long, short, held)
    assert chords(midi.read_midi(str(path), 1).frames) == [[60, 72], [60, 70, 72], [60]]


def test_midi_that_is_written_sounds_like_the_roll():
    frames = roll([60, 64], [60, 67], [], [60])
    file = mido.MidiFile(file=io.BytesIO(midi.midi_bytes(frames, 2)))
    assert file.length == pytest.approx(4 / 2 * 0.5)  # 120 quarter notes a minute.
    now, heard = 0, []
    for message in file.tracks[0]:
        now += message.time / file.ticks_per_beat
        if message.type.startswith("note"):
            heard.append((message.type == "note_on", message.note, now))
    assert heard == [
        (True, 60, 0), (True, 64, 0), (False, 64, 0.5), (True, 67, 0.5), (False, 60, 1),
        (False, 67, 1), (True, 60, 1.5), (False, 60, 2),
    ]  # fmt: skip


def test_what_is_no_midi_file(tmp_path):
    (tmp_path / "text.mid").write_text("no music")
    (tmp_path / "empty.mid").write_bytes(b"")
    midi_file(tmp_path / "silent.mid", [])
    midi_file(tmp_path / "low.mid", [("note_on", 20, 0), ("note_off", 20, 96)])
    whole = midi_file(tmp_path / "whole.mid", [("note_on", 60, 0), ("note_off", 60, 96)])
    (tmp_path / "cut.mid").write_bytes(whole.read_bytes()[:-6])
    seconds = bytearray(whole.read_bytes())
    seconds[12:14] = b"\xe7\x28"  # 25 frames a second of 40 ticks.
    (tmp_path / "seconds.mid").write_bytes(seconds)
    for name, told in {
        "text": "is no MIDI file",
        "empty": "is no MIDI file that mido reads: it ends too early$",
        "cut": "is no MIDI file that mido reads: it ends too early$",
        "silent": "has no notes",
        "low": "the note 20",
        "seconds": "counts time in seconds",
    }.items():
        with pytest.raises(UserError, match=rf"{name}\.mid.*{told}"):
            midi.read_midi(str(tmp_path / f"{name}.mid"), 1)


def part(*measures, sharps=0):
    """A part of notes (step and octave, duration) and other elements as text; a quarter is 2."""
    key = f"<key><fifths>{sharps}</fifths></key>"
    text, divisions = "", f"<attributes><divisions>2</divisions>{key}</attributes>"
    for measure in measures:
        text += f"<measure>{divisions}"
        divisions = ""
        for element in measure:
            text += element if isinstance(element, str) else note(*element)
        text += "</measure>"
    return f"<part>{text}</part>"


def note(name, duration):
    pitch = "<rest/>"
    if name:
        alter = {"#": 1, "b": -1}.get(name[1:-1], 0)
        pitch = f"<step>{name[0]}</step><alter>{alter}</alter><octave>{name[-1]}</octave>"
        pitch = f"<pitch>{pitch}</pitch>"
    return f"<note>{pitch}<duration>{duration}</duration></note>"


def test_notes_of_a_part_of_musicxml():
    chord = note("C5", 4).replace("<note>", "<note><chord/>")
    back = "<backup><duration>2</duration></backup>"
    on = "<forward><duration>1</duration></forward>"
    text = part([("A4", 4), chord, (None, 2)], [back, ("F#4", 1), on, ("Bb3", 2)])
    found = list(chorales.part_notes(ElementTree.fromstring(text)))
    assert found == [
        Note(69, 0, 2), Note(72, 0, 2), Note(66, 2, 2.5), Note(58, 3, 4),
    ]  # fmt: skip


def score(names, *parts):
    """A score of voices that all have the same notes but for the octave."""
    names = "".join(f"<score-part><part-name>{v}</part-name></score-part>" for v in names)
    return f"<score><part-list>{names}</part-list>{''.join(parts)}</score>"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A music21 with three files, of which two have four voices."""
    folder = tmp_path / "music21/corpus/bach"
    folder.mkdir(parents=True)
    (tmp_path / "music21/__init__.py").write_text("raise AssertionError('it is not imported')")
    for name, voices in {
        "bwv2.1": ["Horn", "Soprano", "Alto", "Tenor", "Bass\nContinuo"],
        "bwv1.6": ["Soprano", "Alto", "Tenor", "Bass"],
        "bwv3.1": ["Soprano 1", "Soprano 2", "Alto", "Tenor", "Bass"],
    }.items():
        pitches = ["C6", "G4", "E4", "C4", "C3"][-len(voices) :]
        text = score(voices, *(part([(p, 2), (p, 4)]) for p in pitches))
        with zipfile.ZipFile(folder / f"{name}.mxl", "w") as archive:
            archive.writestr("META-INF/container.xml", "<container/>")
            archive.writestr("it.xml", text)
    monkeypatch.syspath_prepend(tmp_path)


def test_chorales_are_read_from_the_files_of_music21(package):
    first, second = chorales.chorales(1)
    assert (first.name, second.name) == ("bwv1.6", "bwv2.1")
    assert chords(first.frames) == chords(second.frames) == [[48, 60, 64, 67]] * 3


@pytest.mark.parametrize(
    ("sharps", "tonic", "found"),
    [
        (1, "G4", 72),
        (-1, "F4", 60),
        (-3, "Eb4", 60),
        (6, "F#4", 72),
        (-6, "Gb4", 72),
        (0, "C4", 60),
    ],
)
def test_chorales_are_transposed_to_c_by_their_key_signature(sharps, tonic, found):
    parts = [part([(tonic, 2)], sharps=sharps)] * 4
    text = score(["Soprano", "Alto", "Tenor", "Bass"], *parts)
    assert {note.pitch for note in chorales.score_notes(ElementTree.fromstring(text))} == {found}


def test_without_music21_the_message_says_what_to_install(monkeypatch):
    def missing(name):
        raise chorales.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(chorales.metadata, "version", missing)
    with pytest.raises(UserError, match=r"pip install 'rnnjax\[music\]'; or --config.data=PATH"):
        chorales.version()
