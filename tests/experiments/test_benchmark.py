"""The benchmark's arithmetic, on contenders whose times are known."""

import json
import time

import pytest

from experiments.benchmark import report, suites
from experiments.benchmark.peers import BASELINE, Calls


def test_a_ratio_above_one_is_faster_than_the_baseline(monkeypatch):
    def sleeper(seconds):
        return lambda case: Calls(lambda: time.sleep(seconds), lambda: time.sleep(2 * seconds))

    def missing(case):
        raise ImportError("no module named peer")

    contenders = {BASELINE: sleeper(0.03), "rnnjax": sleeper(0.01), "peer": missing}
    monkeypatch.setattr(suites, "CONTENDERS", contenders)
    monkeypatch.setattr(suites, "SIZES", [(1, 1, 1, 1)])
    rows = suites.layers(repeats=3)
    assert [row["what"] for row in rows] == [
        "lstm train",
        "lstm forward",
        "gru train",
        "gru forward",
    ]
    assert all(row["rnnjax"] == pytest.approx(3, rel=0.3) and row[BASELINE] == 1 for row in rows)
    assert all("peer" not in row for row in rows)


def test_the_mean_of_ratios_is_geometric():
    rows = [{"what": "a", "size": [1], "peer": 0.5}, {"what": "a", "size": [2], "peer": 8.0}]
    assert report.with_means(rows)[-1]["peer"] == pytest.approx(2)


def test_results_are_saved_as_json_and_as_a_plot(tmp_path):
    rows = [{"what": "a", "size": [1, 2], "x": 2.0}, {"what": "b", "size": [3, 4], "y": 1.5}]
    report.save(rows, "layers", tmp_path)
    assert json.loads((tmp_path / "layers.json").read_text()) == rows
    assert (tmp_path / "layers.png").read_bytes().startswith(b"\x89PNG")
    assert report.table(rows).splitlines()[2].split() == ["b", "3,4", "1.50"]
