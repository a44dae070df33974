"""Sentiment from the command line: training, evaluation, prediction, inspection."""

import json
import re

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

import rnnjax
from experiments import reading
from experiments.sentiment import EXPERIMENT
from rnnjax.tasks.sentiment import reports
from tests.experiments.conftest import assert_told, command, of_split, run_docs

GOOD = ["a warm and lovely film", "we laughed and loved it", "lovely music , warm people"]
BAD = ["a cold and boring film", "we yawned and hated it", "boring music , cold people"]
MEDIOCRE = ["a film like other films", "we saw it , that is all", "some music , some people"]
TRAIN = [(stars, text) for stars, its in ((5, GOOD), (1, BAD), (3, MEDIOCRE)) for text in its]
TEST = [(5, "lovely and warm people"), (1, "boring , cold <music>"), (1, "we loved it ? no")]
SMALL = ["--config.embed_size=8", "--config.hidden_size=8", "--config.min_count=1",
         "--config.num_buckets=1", "--config.batch_size=4", "--config.learning_rate=0.03",
         "--config.dropout=0.1", "--config.average=none"]  # fmt: skip


def write(path, rows):
    path.write_text("".join(f"{stars} {text}\n" for stars, text in rows))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with named splits."""
    folder = tmp_path_factory.mktemp("texts")
    for split, rows in (("train", TRAIN), ("dev", TRAIN), ("test", TEST)):
        write(folder / split, rows)
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "sentiment"
    EXPERIMENT.main([
        f"--workdir={workdir}", f"--config.data={corpus}", *SMALL, "--config.num_steps=60",
        "--config.eval_every=20",
    ])  # fmt: skip
    return workdir


def test_training_learns_the_classes(trained):
    rows = of_split(trained, "valid")
    assert [row["step"] for row in rows] == [20, 40, 60]
    assert rows[-1]["accuracy"] == 100
    page = (trained / "report.html").read_text()
    assert "test: " in page
    assert "the most confident first</h2>" in page


def test_evaluation_counts_what_the_python_class_says(run, trained, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        reports.visuals, "draw_confusion", lambda names, counts: drawn.append(counts) or b"png"
    )
    result = run(trained, "--mode=evaluate")
    gold = [str(stars) for stars, _ in TEST]
    found = [one.label for one in rnnjax.load(trained).classify([text for _, text in TEST])]
    assert sum(a == b for a, b in zip(gold, found, strict=True)) > 0
    np.testing.assert_array_equal(drawn[0], confusion_matrix(gold, found, labels=["1", "3", "5"]))
    scores = json.loads((trained / "scores_test.json").read_text())
    right = 100 * np.mean([a == b for a, b in zip(gold, found, strict=True)])
    f1 = 100 * f1_score(gold, found, average="macro")
    distance = sum(abs(int(a) - int(b)) for a, b in zip(gold, found, strict=True)) / 3
    assert (scores["accuracy"], scores["macro_f1"]) == pytest.approx((right, f1))
    assert scores["absolute_error"] == pytest.approx(distance)
    assert f"test: {right:.2f}% of 3 texts right, macro F1 {f1:.2f}, mean abs" in result.out
    assert re.search(r"^\d+\.\d% of the words are unknown$", result.out, re.M)


def test_prediction_is_that_of_the_python_class(run, refuses, trained, tmp_path):
    texts = [text for _, text in TEST]
    expected = rnnjax.load(trained).classify(texts)
    (tmp_path / "texts.txt").write_text("\n\n".join(texts) + "\n")
    (tmp_path / "texts.tsv").write_text("id\ttext\n" + "".join(f"1\t{text}\n" for text in texts))
    flags = [f"--text={text}" for text in texts]
    for given in (flags, [f"--input={tmp_path}/texts.txt"], [f"--input={tmp_path}/texts.tsv"]):
        result = run(trained, "--mode=predict", *given)
        assert result.out.splitlines() == [
            f"{one.label} ({one.probabilities[one.label]:.1%})\t{text}"
            for one, text in zip(expected, texts, strict=True)
        ]
    assert "no known word" not in result.err
    words = r"'--text=caf\udce9' is not UTF-8, and names no file"
    refuses(words, trained, "--mode=predict", "--text=fine", "--text=caf\udce9")
    unknown = run(trained, "--mode=predict", *flags, "--text=qwx \N{SNOWMAN}")
    told = "1 of 4 texts have no known word, their classes are guesses; first: 'qwx \N{SNOWMAN}'"
    assert told in unknown.err
    (tmp_path / "empty.tsv").write_text("id\ttext\n1\tfine\n2\t \n")
    empty = f"{tmp_path}/empty.tsv"
    refuses(f"{empty}:3: the text is empty", trained, "--mode=predict", f"--input={empty}")
    lines = run(trained, "--mode=predict", f"--input={tmp_path}/texts.txt")
    assert f"Left out of {tmp_path}/texts.txt: 2 empty lines" in lines.err
    output = tmp_path / "out.jsonl"
    result = run(trained, "--mode=predict", *flags, f"--output={output}")
    assert result.out == f"3 texts: {output}\n"
    records = [json.loads(line) for line in output.read_text().splitlines()]
    for record, one, text in zip(records, expected, texts, strict=True):
        assert (record["text"], record["label"]) == (text, one.label)
        assert record["probabilities"] == pytest.approx(one.probabilities, rel=1e-6)
    single = run(trained, "--mode=predict", "--text=fine", f"--output={output}")
    assert single.out == f"1 text: {output}\n"


def test_the_python_code_of_the_docs_runs(trained, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_docs("sentiment", trained)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"Lovely music and warm people\. 5 stars \(\d+%\)", lines[0])
    assert re.fullmatch(r"A boring film\. 1 stars \(\d+%\)", lines[1])
    assert lines[2].startswith("{'A': ")


def test_pages_show_every_text_with_its_words_in_colour(run, trained, tmp_path):
    text, output = "Boring  <music>, lovely people", tmp_path / "out.html"
    model = rnnjax.load(trained)
    for by in ("attention", "gradient"):
        flags = [f"--text={text}", f"--colour_by={by}", f"--output={output}"]
        run(trained, "--mode=predict", *flags)
        (shown,) = re.findall(r'<p class="text">(.*?)</p>', output.read_text())
        pieces = re.findall(r"<span(.*?)>(.*?)</span>", shown)
        assert "".join(piece for _, piece in pieces) == "Boring  &lt;music&gt;, lovely people"
        (relevance,) = model.relevance([text], by)
        strongest = np.abs(relevance).max()
        shades = [float(found[1]) if (found := re.search(r" / ([\d.]+)\)", style)) else 0
                  for style, piece in pieces if piece.strip()]  # fmt: skip
        np.testing.assert_allclose(shades, np.abs(relevance) / strongest, atol=0.006)


def test_inspection_shows_the_errors_the_most_confident_first(run, trained, tmp_path):
    rows = [(stars, text) for text in GOOD + BAD for stars in (1, 5)]
    write(tmp_path / "train", rows)
    write(tmp_path / "dev", rows)
    run(trained, "--mode=inspect", "--split=validation", f"--config.data={tmp_path}")
    page = (trained / "inspect.html").read_text()
    shares = [float(p) for p in re.findall(r"</b> ([\d.]+)%<br>true:", page)]
    assert "6 errors, the most confident first" in page
    assert len(shares) == 6
    assert shares == sorted(shares, reverse=True)


@pytest.mark.usefixtures("no_report")
def test_another_corpus_goes_on_with_the_words_and_classes_of_the_model(
    run, refuses, trained, tmp_path, capsys
):
    (tmp_path / "texts").mkdir()
    for split in ("train", "dev"):
        write(tmp_path / "texts" / split, [(1, "cold zebras"), (5, "warm people")])
    flags = [f"--config.data={tmp_path}/texts", f"--restore_from={trained}", *SMALL]
    result = run(tmp_path / "new", *flags, "--config.num_steps=1")
    assert "unknown: 25.0% of train, 25.0% of validation" in result.err
    assert f"Kept from {trained}: vocabulary and parameters." in result.err
    kept, old = (rnnjax.load(folder).vocabulary for folder in (tmp_path / "new", trained))
    assert kept == old
    other = command(capsys, reading, f"--workdir={tmp_path}/reading", f"--restore_from={trained}")
    assert_told(other, f"{trained} has no vocabulary of reading: this is no saved vocabulary")
    write(tmp_path / "texts" / "train", [(1, "cold zebras"), (4, "warm"), (5, "people")])
    words = "the label '4', which the restored model does not know: "
    refuses(words, tmp_path / "other", *flags)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mode=predict"], "mode predict takes --text=TEXT (repeatedly) or --input=FILE"),
        (["--mode=predict", "--text= "], "text 1 of 1 is empty"),
        (["--mode=predict", "--input=none.txt"], "none.txt does not exist"),
        (["--mode=predict", "--text=a", "--output=a.txt"], "unknown ending; Valid: .html, .jsonl"),
        (["--mode=predict", "--text=a", "--colour_by=attn"], "unknown --colour_by=attn; did you"),
    ],
)
def test_mistakes_are_told_in_a_line(refuses, trained, flags, words):
    refuses(words, trained, *flags)
