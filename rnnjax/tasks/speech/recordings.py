"""A recording with its text, and the splits of a source."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from rnnjax.data.audio import FULL


class Recording(NamedTuple):
    """A recording.

    Attributes:
        samples: int16 `[N]`.
        text: what is said; empty: unknown, or nothing.
        place: for messages.
    """

    samples: np.ndarray
    text: str
    place: str


class Source(NamedTuple):
    """Where recordings come from.

    Attributes:
        splits: recordings by split; train, validation and test, and others.
        draw: makes a training recording anew, ``(index, rng) -> Recording``.
        notes: what was converted, or is odd, a line each.
    """

    splits: dict[str, list[Recording]]
    draw: Callable[[int, np.random.Generator], Recording] | None = None
    notes: tuple[str, ...] = ()


def with_noise(wave: np.ndarray, decibels: float, rng: np.random.Generator) -> np.ndarray:
    """Adds white noise to a sound `[N]` of floats and makes it int16.

    Args:
        wave: from -1 to 1; where it is 0, nothing sounds.
        decibels: from the power of the noise to that of the sound where it sounds.
    """
    sounding = wave[wave != 0]
    power = np.mean(sounding**2) if sounding.size else 0
    noisy = wave + rng.normal(scale=np.sqrt(power * 10 ** (-decibels / 10)), size=len(wave))
    return np.clip(FULL * noisy, -FULL, FULL - 1).astype(np.int16)
