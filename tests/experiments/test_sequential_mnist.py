"""Sequential MNIST from the command line: training, evaluation, prediction."""

import math
import re

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import confusion_matrix

import rnnjax
from experiments.sequential_mnist import EXPERIMENT
from rnnjax.tasks.sequential_mnist import classifier, digits
from tests.experiments.conftest import of_split

SMALL = ["--config.num_steps=150", "--config.hidden_size=24", "--config.learning_rate=0.02",
         "--config.eval_every=75", "--config.average=none"]  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "digits"
    EXPERIMENT.main([f"--workdir={workdir}", *SMALL])
    return workdir


def test_training_learns_and_draws_the_confusions(trained):
    rows = of_split(trained, "valid")
    assert [row["step"] for row in rows] == [75, 150]
    assert rows[-1]["accuracy"] > 40  # 10 by chance
    for row in of_split(trained, "train"):
        cosine = (1 + math.cos(math.pi * (row["step"] - 1 - 15) / (150 - 15))) / 2
        assert row["learning_rate"] == pytest.approx(
            0.02 * min(row["step"] / 15, cosine), rel=1e-5, abs=1e-8
        )
    assert "digits right</h2>" in (trained / "report.html").read_text()


def test_evaluation_counts_as_scikit_learn_does(run, trained, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        classifier.visuals, "draw_confusion", lambda names, counts: drawn.append(counts) or b"png"
    )
    result = run(trained, "--mode=evaluate", "--split=validation")
    held_out = digits.load_digits("embedded")["validation"]
    model = rnnjax.load(trained).model
    logits = model(held_out.images.reshape(len(held_out.images), -1, 1).transpose(1, 0, 2))
    expected = confusion_matrix(held_out.labels, np.argmax(logits, axis=-1))
    np.testing.assert_array_equal(drawn[0], expected)
    share = np.trace(expected) / expected.sum()
    assert f"validation: {share:.2%} of 180 digits right" in result.out
    assert (trained / "confusion_validation.png").read_bytes() == b"png"


def test_prediction_reads_images(run, trained, tmp_path):
    held_out = digits.load_digits("embedded")["validation"]
    paths = []
    for n in range(3):
        paths.append(str(tmp_path / f"{n}.png"))
        Image.fromarray((held_out.images[n] * 255).astype(np.uint8)).save(paths[n])
    result = run(trained, "--mode=predict", *(f"--input={path}" for path in paths))
    lines = result.out.splitlines()
    assert [line.split(":")[0] for line in lines] == paths
    assert all(re.fullmatch(r".*: \d \(\d+\.\d%\)", line) for line in lines)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mode=predict"], "mode predict takes --input=IMAGE"),
        (["--mode=predict", "--input=none.png"], "none.png does not exist"),
        (["--mode=evaluate", "--split=tset"], "unknown --split=tset; did you mean 'test'"),
        (["--mode=evalute"], "unknown --mode=evalute; did you mean 'evaluate'"),
    ],
)
def test_mistakes_are_told_in_a_line(refuses, trained, flags, words):
    refuses(words, trained, *flags)
