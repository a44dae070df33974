"""Recordings from files: tables of sound files and texts, and folders like those of LibriSpeech."""

import os
from collections.abc import Sequence
from pathlib import Path

from rnnjax import data
from rnnjax.data.audio import notes_of, read_sound
from rnnjax.data.examples import SUFFIXES, numbered_lines, suffix_of
from rnnjax.data.files import in_a_line
from rnnjax.data.labelled import as_column, drawn_splits, read_columns
from rnnjax.data.named_splits import is_list_of_paths, split_files
from rnnjax.errors import UserError
from rnnjax.tasks.speech import digits
from rnnjax.tasks.speech.config import SpeechConfig
from rnnjax.tasks.speech.morse import morse
from rnnjax.tasks.speech.recordings import Recording, Source

TRANSCRIPTS = ".trans.txt"
"""How the files with lines of an id and a text end, as in LibriSpeech."""
SOUNDS = (".flac", ".wav", ".ogg", ".mp3", ".opus")


def load_source(config: SpeechConfig) -> Source:
    """The recordings of a config, by split.

    Its data are `embedded`; the recordings of the Free Spoken Digit Dataset (a folder or a tar
    file); or a folder with named splits, `train=PATH,validation=PATH,test=PATH`, or one table,
    which is divided. A split has tables (.tsv, .csv, .jsonl) with the columns file and text, files
    relative to the table, or transcripts as LibriSpeech has them.

    Raises:
        UserError: there is no such source, it cannot be read, a sound file is missing or holds no
            sound, or a recording is longer than `max_seconds`.
    """
    if config.data == "embedded":
        source = morse(config.rate)
    else:
        path = Path(os.path.expanduser(config.data))
        if not is_list_of_paths(config.data) and digits.is_source(path):
            source = digits.read_source(path, config.rate)
        else:
            source = _from_tables(config)
    for its in source.splits.values():
        for one in its:
            if (seconds := len(one.samples) / config.rate) > config.max_seconds:
                raise UserError(
                    f"{one.place} lasts {seconds:.1f} s: expected --config.max_seconds="
                    f"{config.max_seconds:g} at most"
                )
    return source


def _from_tables(config: SpeechConfig) -> Source:
    found = split_files(config.data, pool=True)
    listed = found.read(lambda path: _listed(path, config))
    for split, its in listed.items():
        if not its:
            raise UserError(
                f"{config.data} has no table of the {split} split: expected {', '.join(SUFFIXES)} "
                f"with columns {config.audio_column} and {config.text_column}, or *{TRANSCRIPTS}"
            )
    if found.pooled:
        listed = drawn_splits(listed["train"], config.fold, config.data, "recording")
    splits: dict[str, list[Recording]] = {}
    sounds = []
    for split, its in listed.items():
        splits[split] = []
        for one in its:
            path = one.fields["audio"]
            if not Path(path).exists():
                raise UserError(f"{one.place}: there is no sound file {path}")
            sound = read_sound(path, config.rate)
            sounds.append((path, sound))
            splits[split].append(Recording(sound.samples, one.fields["text"], one.place))
    return Source(splits, notes=tuple(notes_of(sounds)))


def _listed(path: Path, config: SpeechConfig) -> Sequence[data.Example]:
    """What a file lists: fields audio, a path, and text; empty if it is no list."""
    if path.name.endswith(TRANSCRIPTS):
        examples = []
        for place, line in numbered_lines(str(path), encoding=config.encoding):
            name, _, text = line.strip().partition(" ")
            names = [path.parent / f"{name}{kind}" for kind in SOUNDS]
            file = next((its for its in names if its.exists()), names[0])
            examples.append(data.Example({"audio": str(file), "text": text}, place))
    elif suffix_of(path.name) in SUFFIXES:
        columns = {name: as_column(getattr(config, f"{name}_column")) for name in ("audio", "text")}
        examples = read_columns(str(path), columns, encoding=config.encoding)
        for one in examples:
            one.fields["audio"] = str(path.parent / os.path.expanduser(one.fields["audio"]))
    else:
        return []
    for one in examples:
        one.fields["text"] = in_a_line(one.fields["text"].lower())
    return examples
