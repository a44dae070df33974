"""Spectrograms against stored values of librosa; masks and stacked frames."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.tasks.speech import features
from tests.reference.make_log_mel import CASES


@pytest.mark.parametrize("name", CASES)
def test_log_mel_spectrograms_are_those_of_librosa(name):
    rate, bands = CASES[name]
    stored = np.load(Path(__file__).parents[2] / "reference/log_mel.npz")
    samples = stored[f"samples_{name}"] / 32768
    both = jnp.asarray(np.stack([samples, np.roll(samples, 99)], axis=1), jnp.float32)
    found = features.log_mel(both, rate=rate, num_bands=bands)
    # float32: a band of little power lies beside one of a million times as much
    np.testing.assert_allclose(found[:, 0], stored[f"log_mel_{name}"], atol=2e-3)
    assert np.abs(found[:, 1] - found[:, 0]).max() > 0.1


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (199, 0), (200, 1), (279, 1), (280, 2)])
def test_only_whole_windows_are_frames(samples, frames):
    assert features.num_frames(np.int64(samples), 8000) == frames
    made = jax.eval_shape(
        lambda x: features.log_mel(x, rate=8000, num_bands=4), jnp.ones((max(samples, 200), 1))
    )
    assert len(made) == max(frames, 1)


def test_each_recording_is_normalised_by_itself_and_padding_is_zero():
    rng = np.random.default_rng(0)
    values, frames = rng.normal(loc=5, scale=3, size=(9, 3, 4)), np.array([9, 4, 0])
    spoilt = values.copy()
    spoilt[4:, 1], spoilt[:, 2] = np.nan, np.inf
    found = features.normalised(jnp.asarray(spoilt, jnp.float32), jnp.asarray(frames))
    for row, count in enumerate(frames[:2]):
        its = values[:count, row]
        expected = (its - its.mean(axis=0)) / np.sqrt(its.var(axis=0).mean() + 0.01)
        np.testing.assert_allclose(found[:count, row], expected, atol=1e-5)
    assert not found[4:, 1].any()
    assert not found[:, 2].any()


def test_silence_stays_silent():
    found = features.normalised(jnp.full((5, 1, 3), -13.8), jnp.array([5]))
    np.testing.assert_allclose(found, 0, atol=1e-5)


def masked(time_masks, time_width, band_masks, band_width, frames=(40, 12), rows=400):
    lengths = jnp.asarray(np.resize(frames, rows))
    ones = jnp.where(jnp.arange(40)[:, None, None] < lengths[:, None], 1.0, 0) * jnp.ones((1, 1, 8))
    found = features.spec_augment(
        ones, lengths, jax.random.key(0), time_masks=time_masks, time_width=time_width,
        band_masks=band_masks, band_width=band_width,
    )  # fmt: skip
    return np.asarray(found), np.asarray(lengths)


def test_time_masks_are_stretches_of_frames_that_reach_all_widths_and_places():
    found, lengths = masked(1, 0.25, 0, 8)
    widths, edges = {40: set(), 12: set()}, {40: set(), 12: set()}
    for row, count in enumerate(lengths.tolist()):
        frames = found[:count, row]
        assert (frames.min(axis=1) == frames.max(axis=1)).all()  # all bands of a frame
        gone = np.flatnonzero(frames[:, 0] == 0)
        assert len(gone) == 0 or gone[-1] - gone[0] + 1 == len(gone)
        widths[count].add(len(gone))
        edges[count].update(gone.tolist())
    assert widths == {40: set(range(11)), 12: set(range(4))}
    assert edges == {count: set(range(count)) for count in (40, 12)}


def test_band_masks_are_stretches_of_bands():
    found, lengths = masked(0, 0.5, 1, 3)
    widths, touched = set(), set()
    for row, count in enumerate(lengths.tolist()):
        assert (found[:count, row] == found[0, row]).all()
        gone = np.flatnonzero(found[0, row] == 0)
        assert len(gone) == 0 or gone[-1] - gone[0] + 1 == len(gone)
        widths.add(len(gone))
        touched.update(gone.tolist())
    assert widths == {0, 1, 2, 3}
    assert touched == set(range(8))


def test_no_masks_change_nothing_and_rows_have_draws_of_their_own():
    found, lengths = masked(0, 0.5, 0, 3)
    assert all(found[:count, row].all() for row, count in enumerate(lengths.tolist()))
    found, _ = masked(2, 0.25, 2, 3, frames=(40,))
    assert len({found[:, row].tobytes() for row in range(400)}) > 390


def test_stacked_frames_are_side_by_side():
    frames = jnp.arange(2.0 * 5 * 3).reshape(5, 2, 3).at[3:, 1].set(0)
    found, steps = features.stacked(frames, jnp.array([5, 3]), 2)
    assert steps.tolist() == [3, 2]
    for row, count in enumerate((5, 3)):
        flat = np.asarray(frames[:count, row]).ravel()
        its = np.asarray(found[: steps[row], row]).ravel()
        np.testing.assert_array_equal(its[: len(flat)], flat)
        assert not its[len(flat) :].any()
