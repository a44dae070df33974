"""Free Spoken Digit Dataset: recordings of one digit, and strings of them with pauses and noise."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnnjax.data.audio import FULL, notes_of, read_sound
from rnnjax.data.examples import SUFFIXES, suffix_of
from rnnjax.data.files import files_named
from rnnjax.errors import UserError
from rnnjax.tasks.speech.recordings import Recording, Source, with_noise

NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav$")
TEST, VALIDATION = range(5), range(5, 10)
"""Indices of the official test split, and of those that are held out of its training split."""
NUM_TRAINING, NUM_STRINGS = 3000, 400
STRING_LENGTHS = (3, 7)
"""Digits in the strings of validation and test; those of training are as long at most."""
PAUSE = (0.0, 0.4)
"""Seconds between two digits."""
DECIBELS = (10.0, 40.0)
"""From the noise to the speech."""
MARGIN = 0.1
"""Seconds before and after a single digit, whose recordings begin and end with the sound."""

Takes = Mapping[str, Mapping[str, Sequence[np.ndarray]]]
"""Samples by speaker and digit."""


def is_source(path: Path) -> bool:
    """Whether a path holds recordings DIGIT_SPEAKER_INDEX.wav and no table of them; or a tar."""
    if path.is_dir():
        names = [file.name for file in path.rglob("*")]
        return any(map(NAME.match, names)) and not any(suffix_of(n) in SUFFIXES for n in names)
    return path.is_file() and path.name.endswith((".tar", ".tar.gz", ".tgz", ".tar.xz"))


def read_source(path: Path, rate: int) -> Source:
    """The official splits of single digits, strings of each, and training strings drawn anew.

    A training string has 1 to 7 digits of one speaker, as many of one digit as of all other lengths
    together. The splits are train; validation and test with single digits between two margins of
    faint noise; and validation_strings and test_strings.

    Args:
        path: see `is_source`.
        rate: samples a second.

    Raises:
        UserError: the path cannot be read, or a split has no recording.
    """
    sounds = [(name, read_sound(name, rate, content)) for name, content in files_named(path, NAME)]
    takes: dict[str, dict] = {s: defaultdict(dict) for s in ("train", "validation", "test")}
    splits: dict[str, list[Recording]] = {"train": [], "validation": [], "test": []}
    for name, sound in sounds:
        digit, speaker, index = NAME.search(name).groups()  # type: ignore[union-attr]
        split = "test" if int(index) in TEST else "train"
        split = "validation" if int(index) in VALIDATION else split
        takes[split][speaker].setdefault(digit, []).append(sound.samples)
        splits[split].append(Recording(_with_margins(sound.samples, rate), digit, name))
    for split, its in splits.items():
        if not its:
            raise UserError(
                f"{path} has no recording of the {split} split: expected DIGIT_SPEAKER_INDEX.wav "
                "with the indices 0-4 (test), 5-9 (validation) and others"
            )

    def draw(index: int, rng: np.random.Generator) -> Recording:
        count = 1 if index % 2 else 1 + index // 2 % STRING_LENGTHS[1]
        return joined(takes["train"], count, rate, rng)._replace(place=f"training string {index}")

    train = [draw(n, np.random.default_rng([n, 0, 0, 1])) for n in range(NUM_TRAINING)]
    strings = {}
    for number, split in enumerate(("validation", "test"), 1):
        rng = np.random.default_rng([number, 0, 0, 1])
        low, high = STRING_LENGTHS
        strings[f"{split}_strings"] = [
            joined(takes[split], low + n % (high - low + 1), rate, rng)._replace(
                place=f"{split} string {n}"
            )
            for n in range(NUM_STRINGS)
        ]
    every = {**splits, "train": train, **strings}
    return Source(every, draw, tuple(notes_of(sounds)))


def joined(takes: Takes, count: int, rate: int, rng: np.random.Generator) -> Recording:
    """A string of digits by one speaker: random recordings with pauses between them, and noise."""
    speaker = sorted(takes)[rng.integers(len(takes))]
    its, parts, text = takes[speaker], [], ""
    for _ in range(count):
        digit = sorted(its)[rng.integers(len(its))]
        take = its[digit][int(rng.integers(len(its[digit])))]
        pause = np.zeros(int(rng.uniform(*PAUSE) * rate))
        parts += [pause, rng.uniform(0.7, 1.0) * take / FULL]
        text += digit
    parts.append(np.zeros(int(rng.uniform(*PAUSE) * rate)))
    return Recording(with_noise(np.concatenate(parts), rng.uniform(*DECIBELS), rng), text, "")


def _with_margins(samples: np.ndarray, rate: int) -> np.ndarray:
    margin = np.zeros(int(MARGIN * rate))
    wave = np.concatenate([margin, samples / FULL, margin])
    return with_noise(wave, max(DECIBELS), np.random.default_rng(len(samples)))
