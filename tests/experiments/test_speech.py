"""Speech from the command line: a small training, its modes, and mistakes."""

import json

import numpy as np
import pytest
import soundfile

import rnnjax
from experiments.speech import EXPERIMENT
from rnnjax.tasks.speech.reports import error_rates
from rnnjax.tasks.speech.speech_model import Search
from tests.experiments.conftest import run_docs

SMALL = ["--config.num_bands=12", "--config.hidden_size=16", "--config.num_layers=1",
         "--config.batch_size=8", "--config.num_buckets=1", "--config.average=none",
         "--config.dropout=0", "--config.time_masks=0", "--config.band_masks=0",
         "--config.learning_rate=0.03", "--config.num_steps=60", "--config.eval_every=60",
         "--config.warmup_steps=5"]  # fmt: skip
PITCH = {"a": 400, "b": 1200, "c": 2600}


def sung(text, rng):
    """A tone for each letter, 0.1 s each, with pauses."""
    time = np.arange(800) / 8000
    parts = [np.zeros(300)]
    for letter in text:
        parts += [0.3 * np.sin(2 * np.pi * PITCH[letter] * time), np.zeros(300)]
    samples = np.concatenate(parts)
    return samples + 0.005 * rng.normal(size=len(samples))


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    (folder / "clips").mkdir()
    rng = np.random.default_rng(0)
    for split, size in {"train": 24, "valid": 6, "test": 6}.items():
        rows = []
        for n in range(size):
            text = "".join(rng.choice([*PITCH], 2 + n % 3))
            soundfile.write(folder / f"clips/{split}{n}.wav", sung(text, rng), 8000)
            rows.append(f"clips/{split}{n}.wav\t{text}\n")
        (folder / f"{split}.tsv").write_text("file\ttext\n" + "".join(rows))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, songs):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "speech"
    EXPERIMENT.main([f"--workdir={workdir}", f"--config.data={songs}", *SMALL])
    return workdir


def test_tones_are_learnt_scored_and_predicted_as_the_class_does(run, trained, songs, tmp_path):
    told = run(trained, "--mode=evaluate", "--beam_size=4")
    scores = json.loads((trained / "scores_test.json").read_text())
    rows = [line.split("\t") for line in (songs / "test.tsv").read_text().splitlines()[1:]]
    files = [str(songs / file) for file, _ in rows]
    texts = [one.text for one in rnnjax.load(trained).transcribe(files, Search(4))]
    assert scores["beam"] == error_rates(texts, [text for _, text in rows])
    assert scores["beam"]["cer"] < 20, scores
    assert f"{scores['beam']['cer']:.2f}" in told.out
    assert (trained / "test.png").read_bytes().startswith(b"\x89PNG")
    flags = ["--mode=predict", "--beam_size=4", *(f"--input={file}" for file in files)]
    result = run(trained, *flags)
    lines = [f"{file}\t{text}" for file, text in zip(files, texts, strict=True)]
    assert result.out.splitlines() == lines
    output = tmp_path / "out.tsv"
    assert run(trained, *flags, f"--output={output}").out == f"Texts: {output}\n"
    assert output.read_text() == result.out
    told = run(trained, "--mode=inspect", "--index=2")
    assert (trained / "over_time.png").read_bytes().startswith(b"\x89PNG")


def test_a_run_of_char_lm_is_the_language_model(run, refuses, trained, trained_hello):
    run(trained, "--mode=evaluate", f"--lm={trained_hello}", "--lm_weight=0.1")
    scores = json.loads((trained / "scores_test.json").read_text())
    assert list(scores) == ["greedy", "beam", "beam and language model"]
    words = "the language model is that of a run of char_lm"
    refuses(words, trained, "--mode=evaluate", f"--lm={trained}")


def test_the_python_code_of_the_docs_runs(trained, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_docs("speech", trained)
    assert "nats" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mode=predict"], "mode predict takes --input=FILE.wav, repeatedly"),
        (["--mode=predict", "--input=no.wav"], "no.wav does not exist"),
        (["--mode=predict", "--input=x", "--output=nowhere/y"], "there is no folder nowhere"),
        (["--mode=predict", "--input=x", "--beam_size=-1"], "--beam_size is 0 or more; got -1"),
        (["--mode=inspect", "--index=6"], "--index is from 0 to 5; got 6"),
        (["--mode=evaluate", "--lm=nowhere"], "nowhere is no workdir"),
        (["--mode=predict", "--input=x", "--config.rate=16000"], "rate=8000, not 16000"),
        (["--config.subsampling=2,x"], "is numbers from 1 to 100, such as 2,2; got '2,x'"),
        (["--config.subsampling=2,2,2"], "has 3 numbers: expected at most one for each layer"),
    ],
)
def test_mistakes_are_told_in_a_line(refuses, trained, flags, words):
    refuses(words, trained, *flags)
