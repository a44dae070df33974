"""Recordings from Morse code, from tables, from folders like LibriSpeech, and of digits."""

import io
import tarfile

import numpy as np
import pytest
import soundfile

from rnnjax import UserError
from rnnjax.tasks.speech import digits, morse
from rnnjax.tasks.speech.config import SpeechConfig
from rnnjax.tasks.speech.preparation import SpeechVocabulary, prepare
from rnnjax.tasks.speech.sources import load_source

RATE = 8000
OPERATOR = morse.Operator(words=20, dash=3, letter=3, word=7, shake=0, pitch=600)


def sound(path, seconds=0.2, rate=RATE):
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.3 * np.sin(np.arange(round(seconds * rate))), rate)


class Still(np.random.Generator):
    """Draws the middle of everything, and no noise."""

    def __init__(self):
        super().__init__(np.random.PCG64(0))

    def uniform(self, low=0.0, high=1.0, size=None):
        return 0.0

    def normal(self, loc=0.0, scale=1.0, size=None):
        return np.zeros(size)


def test_morse_code_has_the_durations_of_its_definition():
    """PARIS and the pause behind it are 50 dots: so words a minute are counted."""
    times = morse.key_times("paris", OPERATOR, Still()) / (1 + 0.15 * np.sin(
        np.linspace(0, 2 * np.pi, 28)))  # fmt: skip
    assert times.sum() == pytest.approx(50)
    dots = "".join("-" if its > 2 else "." for its in times[::2])
    assert dots == ".--..-.-....."[:1] + dots[1:]
    assert dots == ".--." + ".-" + ".-." + ".." + "..."
    assert times[1::2][[3, 5, 8, 10]] == pytest.approx([3, 3, 3, 3])


def test_the_sound_is_a_tone_where_the_key_is_down():
    wave = morse.keyed("et", OPERATOR, RATE, Still()) / 32768
    seconds = morse.key_times("et", OPERATOR, Still()) * 1.2 / OPERATOR.words
    lead = round(morse.LEAD * RATE)
    dot, pause, dash = (round(its * RATE) for its in seconds[:3])
    edge = 60
    assert np.abs(wave[: lead - edge]).max() == 0
    assert np.abs(wave[lead + dot + edge : lead + dot + pause - edge]).max() == 0
    down = wave[lead + dot + pause + edge : lead + dot + pause + dash - edge]
    assert np.abs(down).max() > 0.05
    spectrum = np.abs(np.fft.rfft(down * np.hanning(len(down))))
    assert abs(spectrum.argmax() * RATE / len(down) - OPERATOR.pitch) < 30
    assert len(wave) == pytest.approx(2 * lead + dot + pause + dash, abs=2)


def test_no_phrase_is_in_two_splits_and_a_recording_can_be_made_anew(monkeypatch):
    monkeypatch.setattr(morse, "SIZES", {"train": 400, "validation": 300, "test": 300})
    monkeypatch.setattr(morse, "keyed", lambda text, operator, rate, rng: operator)
    source = morse.morse(RATE)
    texts = {split: [one.text for one in its] for split, its in source.splits.items()}
    assert len({text for its in texts.values() for text in its}) == 1000
    assert all(set(text) <= {*morse.CODE, " "} for its in texts.values() for text in its)
    assert max(len(text) for text in texts["train"]) == morse.LONGEST
    held_out = set(morse.phrases(True))
    assert {*texts["validation"], *texts["test"]} <= held_out
    operators = {split: {one.samples for one in its} for split, its in source.splits.items()}
    assert [len(its) for its in operators.values()] == [60, 10, 20]
    assert len(set.union(*operators.values())) == 90
    one, other = (source.draw(7, np.random.default_rng(n)) for n in (0, 1))
    assert one.text == other.text == texts["train"][7]
    assert len({one.samples, other.samples} | operators["train"]) == 62


@pytest.fixture
def tables(tmp_path):
    """train.tsv and valid.tsv, beside the folder of their sounds."""
    for split, texts in {"train": ["Ab  a", "b"], "valid": ["ba"]}.items():
        rows = []
        for n, text in enumerate(texts):
            sound(tmp_path / f"clips/{split}{n}.wav", 0.2 + 0.1 * n, rate=RATE * (1 + n))
            rows.append(f"clips/{split}{n}.wav\t{text}\n")
        (tmp_path / f"{split}.tsv").write_text("file\ttext\n" + "".join(rows))
    return tmp_path


def test_tables_name_sound_files_and_texts(tables):
    prepared = prepare(SpeechConfig(data=str(tables), batch_size=2, num_buckets=1))
    assert prepared.vocabulary == SpeechVocabulary((" ", "a", "b"), RATE)
    one, two = prepared.splits["train"]
    assert (one.text, two.text) == ("ab a", "b")
    assert (len(one.samples), len(two.samples)) == (1600, 2400)
    batch = prepared.batches[0]
    rows = {its: row for row, its in enumerate(batch["indices"].tolist())}
    assert batch["lengths"][[rows[0], rows[1]]].tolist() == [1600, 2400]
    assert batch["symbols"][:, rows[0]].tolist() == [2, 3, 1, 2]
    assert batch["num_symbols"][[rows[0], rows[1]]].tolist() == [4, 1]
    assert "1 recording resampled from 16,000 to 8,000" in prepared.description


def test_tables_count_where_sounds_are_called_like_those_of_digits(tables):
    sound(tables / "clips/3_ann_0.wav", 0.2)
    assert list(load_source(SpeechConfig(data=str(tables))).splits) == ["train", "validation"]


def test_texts_that_need_more_steps_than_there_are_are_told(tables):
    config = SpeechConfig(data=str(tables), batch_size=2, subsampling="6")
    # 0.2 s are 18 frames, 3 steps for 4 characters; 0.3 s are 28, 5 for 1
    seen, line = prepare(config).description.splitlines()[2:]
    assert seen == "1 of the 1 validation recordings also stand in training"
    assert line == (
        "1 training recordings are too short for their text and do not count "
        f"(--config.subsampling=6): {tables}/train.tsv:2, 3 steps for 4 symbols"
    )


def test_folders_like_librispeech_are_read(tmp_path):
    for split in ("train-clean-100", "dev-clean"):
        folder = tmp_path / f"{split}/7/9"
        sound(folder / "7-9-0.flac")
        (folder / "7-9.trans.txt").write_text("7-9-0 HELLO THERE\n")
    splits = load_source(SpeechConfig(data=str(tmp_path))).splits
    assert {split: [one.text for one in its] for split, its in splits.items()} == {
        "train": ["hello there"], "validation": ["hello there"]
    }  # fmt: skip


def spoil_missing(folder):
    (folder / "clips/valid0.wav").unlink()
    return f"{folder}/valid.tsv:2: there is no sound file {folder}/clips/valid0.wav"


def spoil_character(folder):
    (folder / "valid.tsv").write_text("file\ttext\nclips/valid0.wav\tbax\n")
    return f"{folder}/valid.tsv:2: the text has 'x', which no training text has: 'bax'"


def spoil_column(folder):
    (folder / "valid.tsv").write_text("path\ttext\nclips/valid0.wav\tba\n")
    return "no column 'file'"


def spoil_table(folder):
    (folder / "valid.tsv").rename(folder / "valid.txt")
    return f"{folder} has no table of the validation split: expected .tsv, .csv, .jsonl with"


def spoil_length(folder):
    sound(folder / "clips/valid0.wav", 0.01)
    return f"{folder}/valid.tsv:2 has 80 samples: expected a window of 200 or more"


def spoil_long(folder):
    sound(folder / "clips/valid0.wav", 21)
    return f"{folder}/valid.tsv:2 lasts 21.0 s: expected --config.max_seconds=20 at most"


@pytest.mark.parametrize(
    "spoil",
    [spoil_missing, spoil_character, spoil_column, spoil_table, spoil_length, spoil_long],
)
def test_what_is_wrong_with_tables_is_said_with_its_place(tables, spoil):
    words = spoil(tables)
    with pytest.raises(UserError) as error:
        prepare(SpeechConfig(data=str(tables), batch_size=2))
    assert words in str(error.value)
    assert "\n" not in str(error.value)


@pytest.fixture
def recordings(tmp_path):
    """Two speakers, two digits: of the digit d, 800 + 100 d samples, louder by the index."""
    path = tmp_path / "recordings.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for digit in (0, 7):
            for speaker in ("ann", "bo"):
                for index in (0, 5, 10, 11):
                    file, level = io.BytesIO(), 0.05 * (1 + index)
                    soundfile.write(file, np.full(800 + 100 * digit, level), RATE, format="WAV")
                    member = tarfile.TarInfo(f"{digit}_{speaker}_{index}.wav")
                    member.size = len(file.getvalue())
                    tar.addfile(member, io.BytesIO(file.getvalue()))
    return path


def test_digits_have_the_official_split_and_strings_stay_in_it(recordings, monkeypatch):
    monkeypatch.setattr(digits, "NUM_TRAINING", 40)
    source = digits.read_source(recordings, RATE)
    levels = {"train": {0.55, 0.6}, "validation": {0.3}, "test": {0.05}}
    for split in ("validation", "test"):
        singles = source.splits[split]
        assert sorted(one.text for one in singles) == ["0", "0", "7", "7"]
        for one in singles:
            margin = int(digits.MARGIN * RATE)
            assert len(one.samples) == 2 * margin + 800 + 100 * int(one.text)
            wave, (level,) = one.samples / 32768, levels[split]
            # The noise is 40 dB below the sound: a hundredth of its level.
            assert np.allclose(wave[margin:-margin], level, atol=0.05 * level)
            for part in (wave[:margin], wave[-margin:]):
                assert np.std(part) == pytest.approx(0.01 * level, rel=0.2)
        strings = source.splits[f"{split}_strings"]
        assert {len(one.text) for one in strings} == {3, 4, 5, 6, 7}
        for one in strings[:20]:
            # Nothing is louder than the takes of the split, but for the noise.
            assert np.median(np.abs(one.samples)) / 32768 < max(levels[split])
    lengths = [len(one.text) for one in source.splits["train"]]
    assert np.bincount(lengths).tolist() == [0, 23, 3, 3, 3, 3, 3, 2]
    one, again = (source.draw(4, np.random.default_rng(7)) for _ in range(2))
    np.testing.assert_array_equal(one.samples, again.samples)
    assert one.text == again.text
    assert len(one.text) == 3


def test_a_string_is_its_recordings_with_pauses_and_noise():
    takes = {"ann": {"1": [np.full(500, 16000, np.int16)]}}
    one = digits.joined(takes, 2, RATE, np.random.default_rng(0))
    assert one.text == "11"
    loud = np.abs(one.samples) > 6000
    starts = np.flatnonzero(np.diff(loud.astype(int)) == 1)
    ends = np.flatnonzero(np.diff(loud.astype(int)) == -1)
    assert (ends - starts).tolist() == [500, 500]
    assert len(one.samples) <= 1000 + 3 * 0.4 * RATE


def test_files_that_hold_no_digits(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"a.tar.gz cannot be read as a tar file"):
        digits.read_source(tmp_path / "a.tar.gz", RATE)
    sound(tmp_path / "folder/3_ann_0.wav")
    assert digits.is_source(tmp_path / "folder")
    with pytest.raises(UserError, match="folder has no recording of the train split: expected"):
        digits.read_source(tmp_path / "folder", RATE)
