"""Long range from the command line: training, resuming, every mode, cells compared."""

import json
import re
import sys

import numpy as np
import pytest

import rnnjax
from experiments.long_range import EXPERIMENT
from tests.experiments.conftest import of_split

TINY = ["--config.hidden_size=6", "--config.batch_size=8", "--config.warmup_steps=0",
        "--config.embed_size=4"]  # fmt: skip
MY_CELL = """\
import rnnjax
def my_cell(hidden_size):
    return rnnjax.rnn(hidden_size)
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The workdir of a network that can add 2 of 4 numbers; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "adding"
    EXPERIMENT.main([
        f"--workdir={workdir}", "--config.length=4", "--config.hidden_size=16",
        "--config.num_steps=250", "--config.learning_rate=0.02", "--config.eval_every=125",
    ])  # fmt: skip
    return workdir


def test_training_learns_to_add(run, trained):
    losses = [row["loss"] for row in of_split(trained, "valid")]
    assert losses[-1] < 0.02  # 1/6 without memory
    results = json.loads((trained / "results.json").read_text())
    assert results["validation loss"] == min(losses)
    result = run(trained, "--mode=evaluate", "--split=validation")
    assert f"mean squared error {min(losses):.6f}" in result.out
    assert re.match(r"validation: \d+\.\d\d % of sums right \(error below 0.04\); ", result.out)
    rows = re.findall(r"^ +(\d+) +([\d.]+) +([\d.]+)$", result.out, re.M)
    assert [int(row[0]) for row in rows] == [2, 4, 8]
    scores = rnnjax.load(trained).scores_at(8)
    assert (float(rows[2][1]), float(rows[2][2])) == (
        round(scores["accuracy"], 1), round(scores["loss"], 6),
    )  # fmt: skip
    assert (trained / "distance_validation.png").read_bytes().startswith(b"\x89PNG")


def test_prediction_adds_and_inspection_writes_a_page(run, trained):
    texts = ["--text=0.1 0.9* 0.3 0.4*", "--text=0* 0.9 0.1* 0.9"]
    result = run(trained, "--mode=predict", *texts)
    np.testing.assert_allclose([*map(float, result.out.split())], [1.3, 0.1], atol=0.4)
    result = run(trained, "--mode=inspect")
    page = (trained / "inspect.html").read_text()
    number = r"(-?[\d.]+)"
    sums = re.findall(
        rf"<pre>{number} \+ {number} = {number}; the network says {number}</pre>", page
    )
    assert len(sums) == 3
    for a, b, total, said in np.array(sums, float):
        assert a + b == pytest.approx(total, abs=2e-3)
        assert said == pytest.approx(total, abs=0.5)


@pytest.mark.usefixtures("no_report")
def test_cells_are_trained_alike_and_compared(run, tmp_path, monkeypatch):
    (tmp_path / "my_own_cells.py").write_text(MY_CELL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    flags = [*TINY, "--preset=copy", "--config.num_steps=2", "--config.eval_every=1"]
    result = run(tmp_path / "runs", "--mode=compare", *flags, "--lengths=1,3",
                 "--cells=rnn, my_own_cells:my_cell")  # fmt: skip
    sys.modules.pop("my_own_cells")
    rows = dict(re.findall(r"^  (\S+) +([\d.]+ +[\d.]+)$", result.out, re.M))
    assert rows["rnn"] == rows["my_own_cells:my_cell"]  # the same cell, data and seed
    for n, length in enumerate((1, 3)):
        model = rnnjax.load(tmp_path / f"runs/copy_rnn_{length}")
        assert float(rows["rnn"].split()[n]) == round(model.scores_at(length)["accuracy"], 1)
    page = (tmp_path / "runs/compare.html").read_text()
    assert "A network of its own for each cell and distance" in page


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mode=predict"], "mode predict takes --text=EXAMPLE"),
        (["--mode=predict", "--text=1 2"], "--text of adding is numbers from 0 to 1"),
        (
            ["--mode=evaluate", "--split=train"],
            "the data have no train split: choose --split among validation, test",
        ),
        (["--mode=compare", "--cells=gru,lsmt"], "unknown --config.cell=lsmt; did you mean 'lstm'"),
        (["--mode=compare", "--lengths=5,x"], "--lengths is a list such as 25,50; got '5,x'"),
        (["--mode=compare", "--lengths=5,1"], "problem adding is 2 or more; got 1"),
        (["--mode=compare", "--mesh=data:1"], "--mesh is for mode train"),
        (["--mode=evaluate", "--preset=copy"], "--preset is for mode train"),
    ],
)
def test_mistakes_are_told_in_a_line(refuses, trained, flags, words):
    before = sorted(trained.iterdir())
    refuses(words, trained, *flags)
    assert sorted(trained.iterdir()) == before
