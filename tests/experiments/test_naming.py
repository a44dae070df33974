"""Naming from the command line: training, resuming, and every mode."""

import re
import shutil

import jax
import numpy as np
import pytest
from flax import nnx
from sklearn.metrics import confusion_matrix

import rnnjax
from experiments.naming import EXPERIMENT
from rnnjax import training
from rnnjax.tasks.naming import reports
from rnnjax.tasks.naming.config import NamingConfig
from rnnjax.tasks.naming.generator import make_model
from rnnjax.tasks.naming.names import load_names
from tests.experiments.conftest import of_split

SMALL = ["--config.hidden_size=16", "--config.embed_size=8", "--config.batch_size=20",
         "--config.num_buckets=1", "--config.average=none"]  # fmt: skip


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Names of two classes: those of vowels and a's, and those of consonants."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("names") / "names.tsv"
    rows = [
        "".join(rng.choice(list(letters), rng.integers(3, 7))) + f"\t{label}"
        for label, letters in {"vowels": "aeiou", "others": "bdkst"}.items()
        for _ in range(100)
    ]
    path.write_text("\n".join(["name\tclass", *rows]) + "\n")
    return path


@pytest.fixture(scope="module")
def trained(table, tmp_path_factory):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "naming"
    EXPERIMENT.main([
        f"--workdir={workdir}", f"--config.data={table}", *SMALL, "--config.num_steps=80",
        "--config.learning_rate=0.03", "--config.eval_every=40",
    ])  # fmt: skip
    return workdir


def test_training_learns_and_reports(trained):
    rows = of_split(trained, "valid")
    assert [row["step"] for row in rows] == [40, 80]
    assert rows[-1]["loss"] < 1.9  # log 12 = 2.5
    results = training.read_results(trained)
    assert results["test class accuracy, %"] > 90
    page = (trained / "report.html").read_text()
    assert "<h2>Confusion matrix</h2>" in page
    assert re.search(r"<td>vowels</td><td>[aeiou*, ]+</td>", page)


def test_evaluation_counts_as_scikit_learn_does(run, trained, table, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        reports.visuals, "draw_confusion", lambda names, counts: drawn.append(counts) or b"png"
    )
    result = run(trained, "--mode=evaluate", "--split=validation")
    part = load_names(NamingConfig(data=str(table))).splits["validation"]
    found = [next(iter(f)) for f in rnnjax.load(trained).classify([n.text for n in part])]
    expected = confusion_matrix([name.label for name in part], found, labels=["others", "vowels"])
    np.testing.assert_array_equal(drawn[0], expected)
    right = 100 * np.trace(expected) / expected.sum()
    assert f"class right {right:.2f}% (5-grams " in result.out
    assert re.match(rf"validation: \d\.\d{{4}} nats/char .*, {len(part)} names, 0.00%", result.out)
    assert (trained / "confusion_validation.png").read_bytes() == b"png"


def test_generation_says_which_names_are_in_the_training_data(run, trained, table):
    result = run(trained, "--mode=generate", "--class=vowels", "--num_samples=60", "--seed=3")
    train = {name.text for name in load_names(NamingConfig(data=str(table))).splits["train"]}
    expected = rnnjax.load(trained).generate("vowels", 60, range(3, 63))
    assert any(name in train for name in expected)
    lines = [f"vowels\t{name}{'*' * (name in train)}" for name in expected]
    assert result.out.splitlines() == lines
    new = sum(name not in train for name in expected)
    assert f"{new} of 60 are not in the training data, the others have a *\n" in result.err
    result = run(trained, "--mode=generate", "--class=vowels", "--num_samples=2", "--temperature=9")
    assert "2 of 2 are not in the training data\n" in result.err
    every = run(trained, "--mode=generate", "--num_samples=2").out.splitlines()
    assert [line.split("\t")[0] for line in every] == ["others"] * 2 + ["vowels"] * 2


def test_prediction_ranks_the_classes(run, trained):
    result = run(trained, "--mode=predict", "--text=aeia", "--text=  bk  té ")
    first, second = result.out.splitlines()
    assert re.fullmatch(r"aeia: vowels \d+\.\d%, others \d+\.\d%", first)
    assert re.fullmatch(r"bk té: others .*, vowels .* \(unknown characters:  é\)", second)
    result = run(trained, "--mode=predict", "--text=木村", "--text=aeia")
    unread, ranked = result.out.splitlines()
    assert unread == "木村: no class, as none of its characters is in the training names"
    assert ranked.split(":") == first.split(":")


def test_inspection_draws_how_the_belief_changes(run, trained):
    result = run(trained, "--mode=inspect", "--text=aeb")
    assert str(trained / "belief.png") in result.out
    assert (trained / "belief.png").read_bytes().startswith(b"\x89PNG")


def test_the_preset_of_a_paper_has_its_network():
    config = EXPERIMENT.presets["lipton2015"].config
    config.validate()
    model = nnx.eval_shape(lambda: make_model(config, 100, 12))
    gates = 4 * 1024
    expected = 100 * 64 + 1024 * 100 + 100  # Vectors of characters, and the output layer.
    expected += gates * (64 + 12 + 1024 + 1) + gates * (2 * 1024 + 1)
    assert sum(leaf.size for leaf in jax.tree.leaves(nnx.state(model, nnx.Param))) == expected


@pytest.mark.usefixtures("no_report")
def test_names_without_classes(run, refuses, table, tmp_path):
    own = shutil.copy(table, tmp_path / "names.tsv")
    training_flags = [f"--config.data={own}", "--config.class_column=", *SMALL,
                      "--config.num_steps=2"]  # fmt: skip
    workdir = tmp_path / "run"
    result = run(workdir, *training_flags)
    assert re.match(r"test: .* nats/char \(5-grams .*\), 20 names", result.out)
    assert len(run(workdir, "--mode=generate").out.splitlines()) == 10
    refuses("trained without classes", workdir, "--mode=predict", "--text=a")
    with open(own, "a") as file:
        file.write("uuuuu\tvowels\n")
    refuses(f"the data of {own} are not those that the run in", workdir, *training_flags)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mode=predict"], "mode predict takes --text=NAME"),
        (["--mode=predict", "--text="], "a name is empty"),
        (["--mode=predict", "--text=木村"], "no character of the name '木村'"),
        (["--mode=inspect"], "mode inspect takes one --text=NAME"),
        (["--mode=generate", "--class=vowel"], "class 'vowel'; did you mean 'vowels'"),
        (["--mode=generate", "--temperature=-1"], "temperature is 0 or more"),
        (
            ["--mode=evaluate", "--config.name_column=nam"],
            "did you mean 'name'? Valid: class, name. (--config.name_column)",
        ),
        (["--mode=evaluate", "--class"], "class"),
    ],
)
def test_mistakes_are_told_in_a_line(refuses, trained, flags, words):
    refuses(words, trained, *flags)
