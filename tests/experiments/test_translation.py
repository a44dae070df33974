"""Translation from the command line: training, resuming, evaluation, prediction, inspection."""

import io
import json
import re
import shutil
import sys

import pytest
import sacrebleu

import rnnjax
from experiments.translation import EXPERIMENT
from tests.experiments.conftest import of_split

GERMAN = [
    "ein hund rennt .",
    "zwei hunde rennen .",
    "ein mann schläft .",
    "zwei männer schlafen .",
    "ein hund schläft .",
    "zwei hunde schlafen .",
    "ein mann rennt .",
    "zwei männer rennen .",
]
ENGLISH = ["a dog runs .", "two dogs run .", "a man sleeps .", "two men sleep .",
           "a dog sleeps .", "two dogs sleep .", "a man runs .", "two men run ."]  # fmt: skip
SMALL = [
    "--config.source=de", "--config.target=en", "--config.level=word", "--config.min_count=1",
    "--config.cell=gru", "--config.hidden_size=24", "--config.embed_size=12",
    "--config.attention_size=12", "--config.batch_size=4", "--config.num_buckets=1",
    "--config.warmup_steps=0", "--config.average=none", "--config.log_every=1",
]  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Parallel files whose validation and test splits are those of training."""
    folder = tmp_path_factory.mktemp("pairs")
    for split in ("train", "val", "test"):
        for ending, lines in (("de", GERMAN), ("en", ENGLISH)):
            (folder / f"{split}.{ending}").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus):
    """The workdir of a short training; not to be changed but for what modes write."""
    workdir = tmp_path_factory.mktemp("trained") / "translation"
    EXPERIMENT.main([
        f"--workdir={workdir}", f"--config.data={corpus}", *SMALL, "--config.num_steps=150",
        "--config.learning_rate=0.02", "--config.eval_every=75",
    ])  # fmt: skip
    return workdir


def test_training_learns_the_sentences_and_draws_the_attention(trained):
    rows = of_split(trained, "valid")
    assert [row["step"] for row in rows] == [75, 150]
    assert rows[-1]["bleu"] > 90
    assert rows[-1]["loss"] < 0.2
    page = (trained / "report.html").read_text()
    assert "ein hund rennt .  -&gt;  a dog runs ." in page
    assert re.search(r"(?s)validation: bleu \d.*test: bleu \d", page)
    assert 'alt="Attention, test"' in page
    shown = [row["text"].splitlines() for row in of_split(trained, "sample")]
    pairs = zip(GERMAN, ENGLISH, strict=True)
    assert shown[-1] == [f"{de} -> {en} (reference: {en})" for de, en in pairs][:4]
    assert len(shown) == 2


def test_evaluation_has_the_score_of_sacrebleu_for_what_it_writes(run, trained):
    result = run(trained, "--mode=evaluate", "--split=validation", "--beam_size=2")
    written = (trained / "translations_validation.txt").read_text().splitlines()
    assert len(written) == 8
    expected = sacrebleu.BLEU().corpus_score(written, [ENGLISH]).score
    found = json.loads((trained / "scores_validation.json").read_text())
    assert found["bleu"] == pytest.approx(expected)
    assert f"validation: bleu {expected:.2f}" in result.out


def test_scores_are_told_where_they_cannot_be_written(run, trained, tmp_path):
    workdir = shutil.copytree(trained, tmp_path / "run")
    (workdir / "scores_test.json").unlink()
    (workdir / "scores_test.json").mkdir()
    result = run(workdir, "--mode=evaluate", "--split=test")
    assert (result.code, result.out[:6]) == (0, "test: ")
    assert f"Cannot write {workdir / 'scores_test.json'}" in result.err


def test_files_keep_their_lines(run, refuses, trained, tmp_path, monkeypatch):
    """Empty ones too, and words that the model never saw come from the source."""
    given = "ein hund rennt .\n\nzwei männer schlafen .\nqwx\n"
    (tmp_path / "in.txt").write_text(given)
    output = tmp_path / "out.txt"
    result = run(trained, "--mode=predict", f"--input={tmp_path}/in.txt", f"--output={output}")
    lines = output.read_text().split("\n")
    assert lines[:3] == ["a dog runs .", "", "two men sleep ."]
    assert len(lines) == 5
    assert not lines[4]
    assert "1 of 3 texts have no known word" in result.err
    assert "11.1% of the symbols of the source are unknown" in result.err  # qwx, of nine
    assert f"{tmp_path / 'in.txt'}:4: 'qwx'" in result.err
    stdin = io.TextIOWrapper(io.BytesIO(given.encode()))
    monkeypatch.setattr(sys, "stdin", stdin)
    piped = run(trained, "--mode=predict", "--input=-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\n")))
    refuses("nothing to translate: stdin has no word", trained, "--mode=predict", "--input=-")
    assert piped.out.split("\n") == lines
    (tmp_path / "wide.txt").write_bytes("zwei männer rennen .\r\n".encode("utf-16-le"))
    wide = run(trained, "--mode=predict", f"--input={tmp_path / 'wide.txt'}",
               "--config.encoding=utf-16-le")  # fmt: skip
    assert wide.out == "two men run .\n"
    texts = run(trained, "--mode=predict", "--text=zwei hunde rennen .")
    assert texts.out == "two dogs run .\n"
    (tmp_path / "long.txt").write_text("ein hund rennt .\n" + "hund " * 320 + "\n")
    told = "long.txt:2 has 321 symbols, and texts of up to 320 are translated, 64 times the longest"
    refuses(told, trained, "--mode=predict", f"--input={tmp_path}/long.txt", f"--output={output}")
    assert output.read_text().split("\n") == lines


def test_several_translations_of_a_text_with_their_scores(run, trained, tmp_path):
    texts = ["--text=ein hund rennt .", "--text=zwei hunde schlafen ."]
    several = run(trained, "--mode=predict", *texts, "--num_best=3", "--num_groups=5",
                  "--diversity=9")  # fmt: skip
    rows = [line.split("\t") for line in several.out.splitlines()]
    assert [number for number, *_ in rows] == ["1", "1", "1", "2", "2", "2"]
    for first, expected in ((0, "a dog runs ."), (3, "two dogs sleep .")):
        found = rows[first : first + 3]
        assert found[0][2] == expected
        assert len({text for *_, text in found}) == 3
        scores = [float(score) for _, score, _ in found]
        assert scores == sorted(scores, reverse=True)
    (tmp_path / "in.txt").write_text("ein hund rennt .\n\nzwei hunde schlafen .\n")
    lines = run(trained, "--mode=predict", f"--input={tmp_path}/in.txt", "--num_best=2")
    numbers = [line.partition("\t")[0] for line in lines.out.splitlines()]
    assert numbers == ["1", "1", "", "3", "3"]  # of the lines of the file


def test_inspection_shows_attention_and_ranks(run, trained):
    run(trained, "--mode=inspect")
    page = (trained / "inspect.html").read_text()
    assert re.findall("<h2>(.*?)</h2>", page) == ["Spread over the split", "Best", "Worst"]
    assert page.count('<figure><label class="picture">') == 18


@pytest.mark.usefixtures("no_report")
def test_another_corpus_goes_on_with_the_words_of_the_model(run, trained, tmp_path):
    for split in ("train", "val"):
        (tmp_path / f"{split}.de").write_text("ein wal rennt .\n")
        (tmp_path / f"{split}.en").write_text("one whale runs .\n")
    flags = [f"--config.data={tmp_path}", *SMALL, f"--restore_from={trained}"]
    result = run(tmp_path / "new", *flags, "--config.num_steps=1")
    assert "unknown: 25.0% and 50.0% of train, 25.0% and 50.0% of validation" in result.err
    assert rnnjax.load(tmp_path / "new").vocabulary == rnnjax.load(trained).vocabulary


def test_a_run_is_loaded_from_python(trained):
    (found,) = rnnjax.load(trained).translate(["zwei hunde schlafen ."])
    assert found.text == "two dogs sleep ."
    assert found.source == ("zwei", "hunde", "schlafen", ".", "<end>")
    assert found.attention.shape == (4, 5)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mode=predict"], "mode predict takes --text=TEXT"),
        (["--mode=predict", "--text=a", "--input=b"], "mode predict takes --text=TEXT"),
        (["--mode=predict", "--text= "], "nothing to translate: --text has no word"),
        (["--mode=predict", "--text=a", "--output=no/where"], "there is no folder no"),
        (["--mode=evaluate", "--config.target=nl"], "has no partner: there is no"),
        (["--mode=evaluate", "--beam_size=0"], "beam_size is 1 .. 1000; got 0"),
        (["--mode=predict", "--text=a", "--num_best=6"], "--num_best is 1 .. 5, the --beam_size"),
    ],
)
def test_mistakes_are_told_in_a_line(refuses, trained, flags, words):
    refuses(words, trained, *flags)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--config.scorer=dot"], "dot attention compares a hidden state with the memory"),
        (["--config.source=en"], "name two languages; got en and en"),
    ],
)
def test_settings_that_cannot_work_are_told_in_a_line(refuses, corpus, tmp_path, flags, words):
    refuses(words, tmp_path / "new", f"--config.data={corpus}", *SMALL, *flags)
    assert not (tmp_path / "new").exists()
