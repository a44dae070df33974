"""Sound files of every kind: what is converted, what is said, and what cannot be read."""

import numpy as np
import pytest
import soundfile

from rnnjax import UserError
from rnnjax.data.audio import as_sound, notes_of, read_sound

RATE = 8000
TIME = np.arange(RATE // 4) / RATE
TONE = 0.5 * np.sin(2 * np.pi * 440 * TIME)


def written(path, samples, rate=RATE, **options):
    soundfile.write(path, samples, rate, **options)
    return str(path)


def test_a_file_of_the_right_kind_is_read_as_it_is(tmp_path):
    samples = np.round(32767 * TONE).astype(np.int16)
    found = read_sound(written(tmp_path / "a.wav", samples), RATE)
    np.testing.assert_array_equal(found.samples, samples)
    assert found.notes == ()
    content = (tmp_path / "a.wav").read_bytes()
    np.testing.assert_array_equal(read_sound("in a tar", RATE, content).samples, samples)


@pytest.mark.parametrize("width", ["PCM_24", "FLOAT", "PCM_U8"])
def test_another_width_is_said(tmp_path, width):
    found = read_sound(written(tmp_path / "a.wav", TONE, subtype=width), RATE)
    assert found.notes == (f"{width} made 16 bits wide",)
    np.testing.assert_allclose(found.samples / 32768, TONE, atol=0.009)  # 8 bits


def test_another_rate_and_channels_are_said_and_the_tone_stays(tmp_path):
    time = np.arange(11025) / 44100
    sides = np.stack([np.sin(2 * np.pi * 440 * time), np.zeros(len(time))], axis=1)
    found = read_sound(written(tmp_path / "a.flac", sides, 44100), RATE)
    assert found.notes == (
        "resampled from 44,100 to 8,000 samples a second", "the mean of 2 channels taken"
    )  # fmt: skip
    assert len(found.samples) == len(TONE)
    inside = slice(100, -100)
    np.testing.assert_allclose(found.samples[inside] / 32768, TONE[inside], atol=2e-3)


def test_a_file_cut_short_is_said(tmp_path):
    written(tmp_path / "a.wav", TONE)
    content = (tmp_path / "a.wav").read_bytes()
    (note,) = read_sound("a.wav", RATE, content[: len(content) // 2]).notes
    assert note.startswith("cut short")
    assert not read_sound("a.wav", RATE, content + b"LIST").notes  # more than the header tells of


def test_silence_and_clipping_are_said(tmp_path):
    silent = written(tmp_path / "silent.wav", np.zeros(800))
    loud = written(tmp_path / "loud.wav", np.clip(4 * TONE, -1, 1))
    sounds = [(path, read_sound(path, RATE)) for path in (silent, loud, loud)]
    assert notes_of(sounds) == [
        f"1 recording silent: {silent}",
        f"2 recordings clipped: samples at the limit of 16 bits: {loud}, ...",
    ]
    assert as_sound(np.full(800, -(2**15), np.int16), RATE, RATE, "x").notes[0].startswith("clip")


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        (np.zeros(0), r"x holds no sound: expected samples \[N\], got \[0\]"),
        (np.zeros((3, 2)), r"x holds no sound: expected samples \[N\], got \[3, 2\]"),
        (np.array([0.0, np.nan]), "x holds numbers that are not finite"),
        (np.array([0, 1 << 30], np.int32), "x: expected int16 or floats from -1 to 1, got int32"),
    ],
)
def test_samples_that_are_no_sound(samples, words):
    with pytest.raises(UserError, match=words):
        as_sound(samples, RATE, RATE, "x")


def test_files_that_are_no_sound(tmp_path):
    with pytest.raises(UserError, match=r"empty.wav holds no sound: 0 samples"):
        read_sound(written(tmp_path / "empty.wav", np.zeros(0)), RATE)
    (tmp_path / "text.wav").write_text("hello")
    with pytest.raises(UserError, match=r"text.wav is no sound file that can be read"):
        read_sound(str(tmp_path / "text.wav"), RATE)
    with pytest.raises(UserError, match=r"gone.wav does not exist"):
        read_sound(str(tmp_path / "gone.wav"), RATE)
