"""Log-mel spectrograms on the device, and SpecAugment."""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.typing import Array, PRNGKey

WINDOW, HOP = 0.025, 0.010
"""Seconds."""
FLOOR = 1e-6
"""Power that is added before the logarithm: the noise of a quiet room."""
LEAST_SPREAD = 0.1
"""Of the logarithms of a recording, in nats; it keeps silence silent."""


def sizes(rate: int) -> tuple[int, int]:
    """Samples in a window and from one window to the next."""
    return round(WINDOW * rate), round(HOP * rate)


def num_frames(samples, rate: int):
    """Whole windows of a recording of so many samples; an array or a number."""
    window, hop = sizes(rate)
    return (samples - window + hop).clip(0) // hop


@functools.cache
def mel_filters(rate: int, num_bands: int) -> np.ndarray:
    """Triangles `[F, D]`, of equal area, over the F frequencies of a window.

    Their D + 2 corners are equally far from each other on Slaney's mel scale, linear up to 1 kHz
    and logarithmic above it, from 0 to half of the rate.

    References:
        Slaney 1998, "Auditory toolbox, version 2", technical report 1998-010, Interval Research.
    """
    window, _ = sizes(rate)
    step, knee, ratio = 200 / 3, 1000.0, np.log(6.4) / 27
    top = rate / 2
    highest = top / step if top < knee else knee / step + np.log(top / knee) / ratio
    mels = np.linspace(0, highest, num_bands + 2)
    above = knee * np.exp(ratio * (mels - knee / step))
    corners = np.where(mels < knee / step, step * mels, above)
    found = np.arange(window // 2 + 1)[:, None] * rate / window
    low, middle, high = corners[:-2], corners[1:-1], corners[2:]
    rising, falling = (found - low) / (middle - low), (high - found) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


@jax.named_scope("features")
def log_mel(samples: Array, *, rate: int, num_bands: int) -> Array:
    """``log(FLOOR + mel(|FFT(hann * window_t)|^2))``, `[T, B, D]` in float32.

    Args:
        samples: `[N, B]`, from -1 to 1.
        rate: samples a second.
        num_bands: D.
    """
    window, hop = sizes(rate)
    starts = hop * jnp.arange(int(num_frames(np.int64(len(samples)), rate)))
    cut = samples.T[:, starts[:, None] + jnp.arange(window)]  # [B, T, window]
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)
    spectrum = jnp.fft.rfft(cut.astype(jnp.float32) * hann.astype(np.float32))
    power = spectrum.real**2 + spectrum.imag**2
    mels = power @ mel_filters(rate, num_bands).astype(np.float32)
    return jnp.log(FLOOR + mels).swapaxes(0, 1)


def normalised(features: Array, frames: Array) -> Array:
    """Each band of a recording with mean 0, all of them together with variance 1; 0 beyond the end.

    So neither loudness nor the colour of a microphone matters, and a band in which little happens
    stays weak.

    Args:
        features: `[T, B, D]`.
        frames: of each recording, int `[B]`.
    """
    real = (jnp.arange(len(features))[:, None] < frames)[..., None]
    count = jnp.maximum(frames, 1)[:, None]
    mean = jnp.where(real, features, 0).sum(axis=0) / count
    centred = jnp.where(real, features - mean, 0)
    variance = ((centred**2).sum(axis=0) / count).mean(axis=-1, keepdims=True)
    return centred / jnp.sqrt(variance + LEAST_SPREAD**2)


def spec_augment(
    features: Array,
    frames: Array,
    key: PRNGKey,
    *,
    time_masks: int,
    time_width: float,
    band_masks: int,
    band_width: int,
) -> Array:
    """Masks stretches of time and stretches of bands of each recording with 0, its mean.

    A width is drawn from 0 to the widest, then a place from all places where that fits.

    Args:
        features: `[T, B, D]`, normalised.
        frames: of each recording, int `[B]`.
        key: for the draws, other ones in each row.
        time_masks: stretches of time.
        time_width: frames of the longest, as a share of those of the recording.
        band_masks: stretches of bands.
        band_width: the widest of them.

    References:
        Park et al. 2019, "SpecAugment: a simple data augmentation method for automatic speech
        recognition", section 2, without the warping of time.
    """
    steps, rows, bands = features.shape
    key_time, key_band = jax.random.split(key)

    def kept(key: PRNGKey, count: int, widest: Array, length: Array, size: int) -> Array:
        """Whether a place stays, bool `[size, B]`."""
        draws = jax.random.uniform(key, (2, count, rows))
        widths = jnp.floor(draws[0] * (widest + 1))
        starts = jnp.floor(draws[1] * (length - widths + 1))
        places = jnp.arange(size)[:, None, None]
        return ~((places >= starts) & (places < starts + widths)).any(axis=1)

    longest = jnp.floor(time_width * frames)
    in_time = kept(key_time, time_masks, longest, frames, steps)
    widest = jnp.full(rows, min(band_width, bands))
    in_bands = kept(key_band, band_masks, widest, jnp.full(rows, bands), bands)
    return features * in_time[..., None] * in_bands.T


def stacked(features: Array, frames: Array, factor: int) -> tuple[Array, Array]:
    """Makes `factor` frames one, side by side: `[ceil(T / factor), B, factor * D]`, and how many.

    What is missing of the last frame of a recording is 0.

    Args:
        features: `[T, B, D]`, 0 beyond the frames.
        frames: of each recording, int `[B]`.
        factor: 1 or more.
    """
    if factor == 1:
        return features, frames
    steps, rows, size = features.shape
    features = jnp.pad(features, ((0, -steps % factor), (0, 0), (0, 0)))
    groups = features.reshape(-1, factor, rows, size).swapaxes(1, 2)
    return groups.reshape(-1, rows, factor * size), -(-frames // factor)
