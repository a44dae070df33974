"""Questions about images from the command line: training, evaluation, prediction, inspection."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import rnnjax
from experiments.vqa import EXPERIMENT
from rnnjax.tasks.vqa.config import VqaConfig as Config
from rnnjax.tasks.vqa.preparation import prepare
from rnnjax.tasks.vqa.sources import load_splits
from tests.experiments.conftest import of_split, run_docs

SMALL = ["--config.image_size=8", "--config.embed_size=8", "--config.hidden_size=16",
         "--config.feature_size=15", "--config.attention_size=8", "--config.questions=3",
         "--config.batch_size=8", "--config.hops=2", "--config.learning_rate=0.01",
         "--config.average=none"]  # fmt: skip
LIGHTS = {"red": (220, 30, 30), "blue": (40, 40, 230)}
SIDES = ("left", "right")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Images of which one side is white and the other in a colour; tables with named splits."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    tables = {split: ["image,question,answer"] for split in ("train", "valid", "test")}
    for split, table in tables.items():
        for n in range(16):
            colour, side = [*LIGHTS][n % 2], SIDES[n // 2 % 2]
            pixels = rng.integers(230, 256, (8, 8, 3)).astype(np.uint8)
            pixels[:, slice(0, 4) if side == "left" else slice(4, 8)] = LIGHTS[colour]
            Image.fromarray(pixels).save(folder / f"images/{split}{n}.png")
            answers = {
                "Which colour is it?": colour, "Where is it?": side,
                "Is it red?": "yes" if colour == "red" else "no",
            }  # fmt: skip
            if split == "test" and n == 0:
                answers["Where is the <moon>?"] = "gone"
            table += [f"images/{split}{n}.png,{text},{said}" for text, said in answers.items()]
    tables["train"] += ["images/broken.png,Is it red?,no", "images/none.png,Is it red?,no"]
    (folder / "images/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    for split, table in tables.items():
        (folder / f"{split}.csv").write_text("\n".join(table) + "\n")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory, corpus):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "vqa"
    EXPERIMENT.main([
        f"--workdir={workdir}", f"--config.data={corpus}", *SMALL, "--config.num_steps=100",
        "--config.eval_every=50",
    ])  # fmt: skip
    return workdir


def test_training_learns_to_look(trained, corpus):
    rows = of_split(trained, "valid")
    assert [row["step"] for row in rows] == [50, 100]
    assert rows[-1]["accuracy"] == 100
    said = rnnjax.load(trained).ask(
        str(corpus / "images/test1.png"), "Which colour is it?", "Where is it?"
    )
    assert [one.answer for one in said] == ["blue", "left"]
    report = (trained / "report.html").read_text()
    assert "2 images of train left out: " in report
    assert "broken.png is no image of a kind that is read" in report
    assert "2 words of test are unknown: moon, the" in report
    assert "1 answers of test are those of no training question and count as wrong: gone" in report
    assert (trained / "attention_test.png").read_bytes()[1:4] == b"PNG"


def test_evaluation_counts_what_the_python_class_says(run, trained, corpus):
    result = run(trained, "--mode=evaluate")
    assert "2 words of test are unknown: moon, the" in result.err
    scores = json.loads((trained / "scores_test.json").read_text())
    assert scores["all"]["questions"] == 49
    assert scores["yes or no"]["baseline"] == 50
    model, right = rnnjax.load(trained), 0
    for row in (corpus / "test.csv").read_text().splitlines()[1:]:
        image, question, answer = row.split(",")
        right += model.ask(str(corpus / image), question)[0].answer == answer
    assert right <= 48
    assert scores["all"]["accuracy"] == pytest.approx(100 * right / 49)
    assert f"test: {100 * right / 49:.2f}% of the answers right" in result.out


def test_prediction_is_that_of_the_python_class(run, trained, corpus, tmp_path):
    image, question = corpus / "images/test2.png", "Where is the zebra?"
    (expected,) = rnnjax.load(trained).ask(str(image), question)
    said = f"{expected.answer} ({expected.probability:.1%})\t{question}\t{image}\n"
    result = run(trained, "--mode=predict", f"--image={image}", f"--question={question}")
    assert "Words that the model does not know: the, zebra." in result.err
    assert result.out == said
    table = tmp_path / "asked.tsv"
    table.write_text(f"image\tquestion\nnone.png\tWhere is it?\n{image}\t{question}\n")
    result = run(trained, "--mode=predict", f"--input={table}")
    assert result.out == said
    assert re.search(r"Left out: .*asked.tsv:2: .*none.png does not exist", result.err)
    for kind in ("jsonl", "html"):
        output = tmp_path / f"out.{kind}"
        result = run(trained, "--mode=predict", f"--input={table}", f"--output={output}")
    (record,) = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert record["answer"] == expected.answer
    np.testing.assert_allclose(record["attention"], expected.attention, rtol=1e-5)
    assert f"<b>{expected.answer}</b>" in output.read_text()


def test_predictions_are_in_the_order_of_the_table(run, trained, corpus, tmp_path):
    asked = [(corpus / f"images/test{n}.png", f"Where is {n}{m}?") for m in (0, 1) for n in (0, 1)]
    table = tmp_path / "asked.tsv"
    table.write_text("image\tquestion\n" + "".join(f"{i}\t{q}\n" for i, q in asked))
    lines = run(trained, "--mode=predict", f"--input={table}").out.splitlines()
    assert [line.split("\t")[1:] for line in lines] == [[q, str(i)] for i, q in asked]


def test_the_page_shows_errors_and_right_answers(run, trained):
    result = run(trained, "--mode=inspect")
    page = (trained / "inspect.html").read_text()
    wrong, every = map(int, re.match(r"(\d+) of (\d+) answers wrong", result.out).groups())
    assert every == 49
    assert page.count("(true: ") == min(wrong, 24) >= 1
    assert "Where is the &lt;moon&gt;?" in page
    assert page.count("✓") == 24
    assert page.count("<figure>") == min(wrong, 24) + 24


def test_the_python_code_of_the_docs_runs(trained, corpus, capsys, tmp_path, monkeypatch):
    (tmp_path / "scene.png").symlink_to(corpus / "images/test1.png")
    monkeypatch.chdir(tmp_path)
    run_docs("vqa", trained)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert all(re.fullmatch(r"\S+ \d+%|hop \d: row \d, column \d", line) for line in lines)


def test_a_table_of_one_file_is_divided_by_image(corpus, tmp_path):
    rows = (corpus / "train.csv").read_text().replace("images/", f"{corpus}/images/")
    (tmp_path / "all.csv").write_text(rows)
    splits, note = load_splits(Config(data=f"{tmp_path}/all.csv", image_size=8))
    assert {split: len(its) for split, its in splits.items()} == {
        "train": 14, "validation": 1, "test": 1,
    }  # fmt: skip
    assert all(len(one.questions) == 3 for its in splits.values() for one in its)
    assert len({one.name for its in splits.values() for one in its}) == 16
    assert note.endswith("a tenth of the training images is the validation split")


def test_images_that_also_stand_in_training_are_told(corpus):
    one = corpus / "valid.csv"
    found = prepare(Config(data=f"train={one},validation={one}", image_size=8))
    assert "16 of the 16 validation images also stand in training" in found.description


def test_other_questions_need_answers_that_the_model_knows(refuses, trained, corpus, tmp_path):
    for split in ("train", "valid"):
        rows = (corpus / f"{split}.csv").read_text().replace("images/", f"{corpus}/images/")
        (tmp_path / f"{split}.csv").write_text(rows.replace(",blue", ",azure"))
    flags = [f"--config.data={tmp_path}", f"--restore_from={trained}", *SMALL]
    words = "train.csv:5 has the answer 'azure', which the restored model does not"
    refuses(words, tmp_path / "new", *flags)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("image,question,answer\n{png},,red\n", "asked.csv:2: the question is missing; got ''"),
        ("image,question,answer\n,Is it?,red\n", "asked.csv:2: the image is missing; got ''"),
        ("image,question,answer\n{png},Is it?, \n", "asked.csv:2: the answer is missing; got ' '"),
        ("image,text,answer\n{png},Is it?,red\n", "no column 'question'"),
        ("image,question,answer\nnone.png,Is it?,red\n", "no image of the train split can be read"),
    ],
)
def test_tables_that_cannot_be_used_are_told_in_a_line(
    run, refuses, corpus, tmp_path, table, words
):
    path = tmp_path / "asked.csv"
    path.write_text(table.format(png=corpus / "images/test0.png"))
    refuses(words, tmp_path / "run", f"--config.data={path}", *SMALL)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mode=predict"], "mode predict takes --image=FILE with --question=TEXT, or --input"),
        (["--mode=predict", "--image=a.png"], "mode predict takes --image=FILE with --question"),
        (["--mode=predict", "--question=Who?"], "mode predict takes --image=FILE with --question"),
        (["--mode=predict", "--image=none.png", "--question=Who?"], "none.png does not exist"),
        (["--mode=predict", "--image={png}", "--question=?"], "the question '?' has no word"),
        (["--mode=predict", "--input=none.tsv"], "none.tsv does not exist"),
        (["--mode=predict", "--input={png}", "--output=a.txt"], "unknown ending"),
        (["--config.image_size=20"], "--config.image_size is 24 or more; got 20"),
        (["--config.image_size=26"], "multiple of 4 pixels; got 26"),
    ],
)  # fmt: skip
def test_mistakes_are_told_in_a_line(refuses, trained, corpus, flags, words):
    flags = [flag.format(png=corpus / "images/test0.png") for flag in flags]
    refuses(words, trained, *flags)
