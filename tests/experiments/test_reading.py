"""Reading from the command line: training, evaluation, prediction, inspection."""

import json
import re

import numpy as np
import pytest

import rnnjax
from experiments.reading import EXPERIMENT
from rnnjax.tasks.reading.babi import Question
from tests.experiments.conftest import of_split, run_docs

SMALL = ["--config.embed_size=8", "--config.hidden_size=8", "--config.num_buckets=1",
         "--config.batch_size=8", "--config.learning_rate=0.03", "--config.dropout=0",
         "--config.average=none", "--config.hops=2"]  # fmt: skip


def stories(places):
    """Two people walk somewhere; a question about each of them."""
    return "".join(
        f"1 Ada went to the {a}.\n2 Bela went to the {b}.\n3 Where is Ada?\t{a}\t1\n"
        f"4 Where is Bela?\t{b}\t2\n"
        for a in places for b in places
    )  # fmt: skip


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder with named splits."""
    folder = tmp_path_factory.mktemp("stories")
    for split in ("train", "valid"):
        (folder / f"{split}.txt").write_text(stories(("attic", "cellar", "dairy")))
    (folder / "test.txt").write_text(stories(("attic", "dairy", "<moon>")))
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "reading"
    EXPERIMENT.main([
        f"--workdir={workdir}", f"--config.data={corpus}", *SMALL, "--config.num_steps=120",
        "--config.eval_every=40", "--config.supervise_attention=0.5",
    ])  # fmt: skip
    return workdir


def test_training_learns_to_find_the_sentence_that_is_asked_for(trained):
    rows = of_split(trained, "valid")
    assert [row["step"] for row in rows] == [40, 80, 120]
    assert rows[-1]["accuracy"] == 100
    said = rnnjax.load(trained).ask(
        "Ada went to the dairy. Bela went to the attic.", "Where is Ada?"
    )
    assert said.answer == "dairy"
    assert 0 in said.attention.argmax(axis=1)
    page = (trained / "report.html").read_text()
    assert "What each hop attends to, test; *: a fact" in page


def test_evaluation_counts_what_the_python_class_says(run, trained):
    result = run(trained, "--mode=evaluate")
    assert "1 words of test are unknown: moon" in result.err
    places = ("attic", "dairy", "<moon>")
    asked = [
        (Question((f"Ada went to the {a}.", f"Bela went to the {b}."), f"Where is {name}?"), answer)
        for a in places for b in places for name, answer in (("Ada", a), ("Bela", b))
    ]  # fmt: skip
    said = rnnjax.load(trained).answer([one for one, _ in asked])
    right = sum(one.answer == answer for one, (_, answer) in zip(said, asked, strict=True))
    scores = json.loads((trained / "scores_test.json").read_text())
    assert 6 <= right <= 12
    assert scores["1 single-supporting-fact"]["accuracy"] == pytest.approx(100 * right / 18)
    assert scores["mean"]["baseline"] == pytest.approx(100 * 6 / 18)
    assert f"test: {100 * right / 18:.2f}% of the answers right, mean over kinds" in result.out


def test_prediction_is_that_of_the_python_class(run, trained, tmp_path):
    sentences, questions = ["Ada went to the zoo.", "Bela went to the attic."], ["Where is Bela?"]
    (expected,) = rnnjax.load(trained).answer([Question((*sentences,), questions[0])])
    (tmp_path / "a.txt").write_text("\n".join(sentences))
    (tmp_path / "babi.txt").write_text(f"1 {sentences[0]}\n2 {sentences[1]}\n\n3 {questions[0]}\n")
    asked = f"--question={questions[0]}"
    for given in (
        [f"--story={' '.join(sentences)}", asked],
        [f"--input={tmp_path}/a.txt", asked],
        [f"--input={tmp_path}/babi.txt"],
    ):
        result = run(trained, "--mode=predict", *given)
        assert "Words that the model does not know: zoo." in result.err
        tops = dict.fromkeys(expected.attention.argmax(axis=1).tolist())
        cells = [f"{expected.answer} ({expected.probability:.1%})", *questions]
        assert result.out == "\t".join([*cells, *(sentences[n] for n in tops)]) + "\n"
    output = tmp_path / "out.jsonl"
    run(trained, "--mode=predict", *given, f"--output={output}")
    (record,) = map(json.loads, output.read_text().splitlines())
    assert (record["story"], record["answer"]) == (sentences, expected.answer)
    np.testing.assert_allclose(record["attention"], expected.attention, rtol=1e-6)


def test_pages_shade_each_sentence_by_each_hop(run, trained):
    result = run(trained, "--mode=inspect")
    page = (trained / "inspect.html").read_text()
    found = re.search(r"(\d+) of 18 answers wrong, the most confident first", result.out)
    assert found
    assert int(found[1]) >= 6
    assert "the &lt;moon&gt;." in page
    shares = [int(share) for share in re.findall(r"</b> (\d+)% \(true: ", page)]
    assert len(shares) == int(found[1])
    assert shares == sorted(shares, reverse=True)
    weights = re.findall(r'style="background:rgb\(var\(--blue\) / ([\d.]+)\)">([\d.]+)</td>', page)
    assert weights
    assert all(shade == weight for shade, weight in weights)


def test_the_python_code_of_the_docs_runs(trained, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_docs("reading", trained)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"attic \d+%", lines[0])
    assert len(lines) == 3
    assert "Ada went to the attic" in lines[1] + lines[2]


def test_other_stories_need_answers_that_the_model_knows(refuses, trained, tmp_path):
    for split in ("train", "valid"):
        (tmp_path / f"{split}.txt").write_text(stories(("attic", "zoo")))
    flags = [f"--config.data={tmp_path}", f"--restore_from={trained}", *SMALL]
    words = "train.txt:8 has the answer 'zoo', which the restored model does not know"
    refuses(words, tmp_path / "new", *flags)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mode=predict"], "mode predict takes --story=TEXT with --question=TEXT, or --input"),
        (["--mode=predict", "--story=Ada ran."], "mode predict takes --story=TEXT with --question"),
        (["--mode=predict", "--story=...", "--question=Who?"], "--story has no sentence"),
        (["--mode=predict", "--story=Ada ran.", "--question=?"], "question 1 of 1 is empty"),
        (["--mode=predict", "--input=none.txt"], "none.txt does not exist"),
        (["--mode=predict", "--story=A b.", "--question=C?", "--output=a.txt"], "unknown ending"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_a_line(refuses, trained, flags, words):
    refuses(words, trained, *flags)
