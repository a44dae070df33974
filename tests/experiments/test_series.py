"""Series from the command line: forecasts and classes, evaluation, prediction, a stopped run."""

import csv
import io

import numpy as np
import pytest

import rnnjax
from experiments.series import EXPERIMENT
from rnnjax import training
from rnnjax.tasks.series.sources import EMBEDDED

SMALL = ["--config.hidden_size=12", "--config.eval_every=20", "--config.average=none",
         "--config.learning_rate=0.01"]  # fmt: skip
FORECAST = [*SMALL, "--config.num_steps=60", "--config.window=12", "--config.horizon=2"]


def sunspots():
    return np.loadtxt(EMBEDDED, delimiter=",", skiprows=1)[:, 1]


@pytest.fixture(scope="module")
def forecaster(tmp_path_factory):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "sunspots"
    EXPERIMENT.main([f"--workdir={workdir}", *FORECAST])
    return workdir


@pytest.fixture(scope="module")
def waves(tmp_path_factory):
    """A file of slow and fast waves of unequal length."""
    path = tmp_path_factory.mktemp("data") / "waves.csv"
    rng = np.random.default_rng(0)
    lines = ["wave;speed;height"]
    for n in range(40):
        steps = np.arange(rng.integers(8, 20))
        heights = np.sin((0.4, 1.2)[n % 2] * steps + n) + 0.1 * rng.normal(size=len(steps))
        lines += [f"w{n};{('slow', 'fast')[n % 2]};{height:.4f}" for height in heights]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory, waves):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "waves"
    EXPERIMENT.main([f"--workdir={workdir}", f"--config.data={waves}", *SMALL,
                     "--config.num_buckets=1", "--config.series=wave", "--config.label=speed",
                     "--config.num_steps=80"])  # fmt: skip
    return workdir


def test_a_short_training_beats_the_naive_forecasts_which_are_scored_as_by_hand(run, forecaster):
    result = run(forecaster, "--mode=evaluate")
    rows = {
        line[:14].strip(): [float(cell) for cell in line[14:].split()]
        for line in result.out.splitlines()[2:4]
    }
    y, first = sunspots(), int(0.85 * 309)
    starts = range(first, 309 - 1)
    model = rnnjax.load(forecaster)
    errors = {
        "model": [model.forecast(y[:t]) - y[t : t + 2] for t in starts],
        "last value": [y[t - 1] - y[t : t + 2] for t in starts],
    }
    for name, its in errors.items():
        expected = [np.abs(its).mean(), np.sqrt(np.square(its).mean())]
        np.testing.assert_allclose(rows[name], expected, rtol=1e-3)
    assert rows["model"][0] < rows["last value"][0]
    assert f"{len(starts)} forecasts of 2 ahead" in result.out
    assert (forecaster / "test.png").read_bytes().startswith(b"\x89PNG")


def test_the_validation_metrics_are_those_of_the_evaluation(forecaster):
    rows = [row for row in training.read_metrics(forecaster) if row["split"] == "valid"]
    best = min(rows, key=lambda row: row["loss"])
    y, (first, end) = sunspots(), (int(0.7 * 309), int(0.85 * 309))
    model = rnnjax.load(forecaster)
    errors = [model.forecast(y[:t]) - y[t : t + 2] for t in range(first, end - 1)]
    np.testing.assert_allclose(best["mae"], np.abs(errors).mean(), rtol=1e-4)
    in_variances = np.square(errors).mean() / y[:first].var()
    np.testing.assert_allclose(best["loss"], in_variances, rtol=1e-4)


def test_the_command_line_predicts_as_the_class_does(run, forecaster, tmp_path):
    y = sunspots()[:100]
    path = tmp_path / "new.csv"
    path.write_text("sunspots\n" + "\n".join(map(str, [*y, ""])) + "\nNaN\n")
    result = run(forecaster, "--mode=predict", f"--input={path}")
    header, *rows = csv.reader(io.StringIO(result.out))
    assert header == ["series", "ahead", "sunspots"]
    assert [row[:2] for row in rows] == [["new", "1"], ["new", "2"]]
    expected = rnnjax.load(forecaster).forecast([*y, np.nan])  # an empty line is no row
    np.testing.assert_allclose([float(row[2]) for row in rows], expected, rtol=1e-5)
    output = tmp_path / "out.csv"
    told = run(forecaster, "--mode=predict", f"--input={path}", f"--output={output}")
    assert told.out == f"Predictions: {output}\n"
    assert output.read_text() == result.out


def test_classes_are_learnt_and_predicted_from_unlabelled_files(run, classifier, waves, tmp_path):
    rows = [row for row in training.read_metrics(classifier) if row["split"] == "valid"]
    assert max(row["accuracy"] for row in rows) >= 100 * 5 / 6  # 50 by chance
    text = waves.read_text().splitlines()
    path = tmp_path / "unlabelled.csv"
    path.write_text("\n".join(f"{wave};{height}" for wave, _, height in
                              (line.split(";") for line in text)))  # fmt: skip
    result = run(classifier, "--mode=predict", f"--input={path}")
    predicted = list(csv.DictReader(io.StringIO(result.out)))
    heights = {}
    for line in text[1:]:
        wave, _, height = line.split(";")
        heights.setdefault(wave, []).append(float(height))
    assert [row["series"] for row in predicted] == list(heights)
    model = rnnjax.load(classifier)
    found = model.classify(list(heights.values()))
    for row, probability in zip(predicted, found, strict=True):
        assert row["speed"] == model.scaling.classes[probability.argmax()]
        assert float(row["probability"]) == pytest.approx(probability.max(), abs=1e-4)
    truth = [("slow", "fast")[int(row["series"][1:]) % 2] == row["speed"] for row in predicted]
    assert np.mean(truth) > 0.85
    told = run(classifier, "--mode=evaluate", "--split=validation")
    assert "of 6 series right; the most frequent class alone: 50.00%" in told.out


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mode=predict"], "mode predict takes --input=FILE.csv"),
        (["--mode=predict", "--input=none.csv"], "none.csv does not exist"),
        (["--mode=predict", "--input=x", "--output=nowhere/y"], "there is no folder nowhere"),
        (["--mode=evaluate", "--config.target=year"], "trained with the target sunspots; the data"),
    ],
)
def test_mistakes_are_told_in_a_line(refuses, forecaster, flags, words):
    refuses(words, forecaster, *flags)


def test_other_columns_of_new_data_are_left_out(run, forecaster, tmp_path):
    path = tmp_path / "more.csv"
    more = np.random.default_rng(0).normal(size=309)
    lines = [f"{x},{y}" for x, y in zip(sunspots(), more, strict=True)]
    path.write_text("sunspots,more\n" + "\n".join(lines))
    result = run(forecaster, "--mode=evaluate", f"--config.data={path}")
    own = run(forecaster, "--mode=evaluate")
    assert result.out == own.out


def test_a_file_to_predict_from_that_does_not_fit_is_named(refuses, forecaster, tmp_path):
    path = tmp_path / "short.csv"
    for text, words in {
        "sunspots\n1\n2": "short.csv:2: the series 'short': values has 2 rows: expected 12 or more",
        "spots\n1\n2": "short.csv has no column 'sunspots': ",
    }.items():
        path.write_text(text)
        refuses(words, forecaster, "--mode=predict", f"--input={path}")
