import csv
import io
import json

import matplotlib.image
import numpy as np
import pytest

from launch.sweep import summary
from launch.sweep.plan import Planned


@pytest.fixture
def runs(tmp_path):
    """Two cells with three seeds, one of them not finished; numbers and a word as results."""
    scores = {"lstm": [80.95, 81.11, 81.18], "gru": [70.0, 74.0, None]}
    planned = []
    for cell, values in scores.items():
        for seed, value in enumerate(values):
            workdir = tmp_path / f"{cell}{seed}"
            workdir.mkdir()
            if value is not None:
                results = {"F1": value, "parameters": 12000, "note": "a word"}
                (workdir / "results.json").write_text(json.dumps(results))
            planned.append(Planned({"cell": cell}, seed, workdir, (), 10))
    return planned


def test_the_table_holds_mean_and_deviation_over_the_finished_seeds(runs):
    lines = summary.table(summary.summarise(runs)).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["cell", "seeds", "F1", "parameters"]
    assert cells[2] == ["lstm", "3", "81.08 ± 0.12", "12,000"]
    assert cells[3] == ["gru", "2", "72.0 ± 2.8", "12,000"]
    assert len({len(line) for line in lines}) == 1


def test_spread_agrees_with_numpy():
    values = np.random.default_rng(0).normal(3, 0.02, 9).tolist()
    mean, deviation = summary.spread(values).split(" ± ")
    assert abs(float(mean) - np.mean(values)) < 1e-3
    assert abs(float(deviation) - np.std(values, ddof=1)) < 1e-3


@pytest.mark.parametrize(
    ("values", "text"),
    [([], "-"), ([2.5], "2.5"), ([1200], "1,200"), ([7, 7], "7"), ([0.5, 0.5], "0.5000 ± 0.0000")],
)
def test_spread_of_little(values, text):
    assert summary.spread(values) == text


def test_the_csv_has_a_line_a_finished_run(runs):
    rows = list(csv.DictReader(io.StringIO(summary.as_csv(runs))))
    assert [(row["cell"], row["seed"], float(row["F1"])) for row in rows] == [
        ("lstm", "0", 80.95), ("lstm", "1", 81.11), ("lstm", "2", 81.18),
        ("gru", "0", 70.0), ("gru", "1", 74.0),
    ]  # fmt: skip


def test_the_picture_shows_what_there_is(runs):
    def blue(png):
        pixels = matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3]
        return ((pixels[..., 2] - pixels[..., 0]) > 0.2).sum()

    rows = summary.summarise(runs)
    assert blue(summary.draw(rows, "F1")) > blue(summary.draw(rows[:1], "F1")) > 0
    assert blue(summary.draw(rows, "absent")) == 0


def test_a_sweep_without_a_finished_run_has_a_table_too(runs, tmp_path):
    shown = summary.write([runs[-1]], tmp_path)
    assert "gru" in shown
    assert (tmp_path / "results.csv").read_text() == "cell,seed\n"
    assert not (tmp_path / "results.png").exists()
