"""Sound from files: one channel of 16-bit numbers at one rate, and what had to be converted."""

import io
import math
import re
from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rnnjax.data.files import regular_file
from rnnjax.errors import UserError, counted

FULL = 32768
"""The 16-bit number of the loudest sound, and one more."""
CLIPPED_SHARE = 0.001
"""Of all samples at the limit, from which on a sound counts as clipped."""


class Sound(NamedTuple):
    """A recording.

    Attributes:
        samples: int16 `[N]`, one channel.
        notes: what was converted, or is odd about it.
    """

    samples: np.ndarray
    notes: tuple[str, ...] = ()


def read_sound(path: str, rate: int, content: bytes | None = None) -> Sound:
    """Reads a sound file: WAV, FLAC, OGG or another format of libsndfile.

    Channels are averaged, another rate is resampled by a polyphase filter (scipy), another width
    becomes 16 bits.

    Args:
        rate: samples a second that are wanted.
        content: the bytes of the file, where they have been read; the path is for messages then.

    Raises:
        UserError: soundfile is not installed, or the file cannot be read or holds no sound.
    """
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise UserError(
            f"sound files need a package ({error}): pip install 'rnnjax[speech]'"
        ) from error
    file = regular_file(path) if content is None else io.BytesIO(content)
    try:
        with soundfile.SoundFile(file) as opened:
            found, width = opened.samplerate, opened.subtype
            channels = opened.read(dtype="float32", always_2d=True)
            sizes = re.findall(r": (\d+) \(should be (\d+)\)", opened.extra_info)
    except (soundfile.LibsndfileError, OSError, ValueError) as error:
        raise UserError(f"{path} is no sound file that can be read: {error}") from error
    if not channels.size:
        raise UserError(f"{path} holds no sound: 0 samples")
    notes = []
    if any(int(told) > int(real) for told, real in sizes):
        notes.append("cut short: the header tells of more than the file holds")
    if found != rate:
        notes.append(f"resampled from {found:,} to {rate:,} samples a second")
    if channels.shape[1] > 1:
        notes.append(f"the mean of {channels.shape[1]} channels taken")
    if width != "PCM_16":
        notes.append(f"{width} made 16 bits wide")
    return as_sound(channels.mean(axis=1), found, rate, path, notes)


def as_sound(
    samples: np.ndarray, found: int, rate: int, name: str, notes: Iterable[str] = ()
) -> Sound:
    """A sound of samples.

    Args:
        samples: `[N]`, int16 or floats from -1 to 1.
        found: samples a second of these.
        rate: samples a second that are wanted.

    Raises:
        UserError: there are no samples, more than one axis, numbers that are not finite, or whole
            numbers of another width.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1 or not samples.size:
        raise UserError(f"{name} holds no sound: expected samples [N], got {list(samples.shape)}")
    if samples.dtype != np.int16:
        if samples.dtype.kind != "f":
            raise UserError(f"{name}: expected int16 or floats from -1 to 1, got {samples.dtype}")
        wide = samples.astype(np.float64) * FULL
        if not np.isfinite(wide).all():
            raise UserError(f"{name} holds numbers that are not finite")
        samples = np.clip(np.rint(wide), -FULL, FULL - 1).astype(np.int16)
    notes = list(notes)
    loudest = int(np.abs(samples.astype(int)).max())
    if not loudest:
        notes.append("silent")
    elif (np.abs(samples.astype(int)) >= FULL - 1).mean() > CLIPPED_SHARE:
        notes.append("clipped: samples at the limit of 16 bits")
    if found != rate:
        from scipy.signal import resample_poly  # It takes a second.

        common = math.gcd(rate, found)
        wide = resample_poly(samples.astype(np.float64), rate // common, found // common)
        samples = np.clip(np.rint(wide), -FULL, FULL - 1).astype(np.int16)
    return Sound(samples, tuple(notes))


def notes_of(sounds: Iterable[tuple[str, Sound]]) -> list[str]:
    """A line for each kind of note, with how many sounds have it and the first of them."""
    named = defaultdict(list)
    for name, sound in sounds:
        for note in sound.notes:
            named[note].append(name)
    return [
        f"{counted(len(names), 'recording')} {note}: {names[0]}" + ", ..." * (len(names) > 1)
        for note, names in named.items()
    ]
