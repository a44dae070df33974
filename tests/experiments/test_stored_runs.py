"""Runs that older code wrote (tests/reference/make_runs.sh) restore, and give the same scores."""

import importlib
import json
import shutil
import types
from pathlib import Path

import pytest

from rnnjax import training
from tests.experiments.conftest import command
from tests.experiments.small_tasks import only_training

RUNS = Path(__file__).parents[1] / "reference/runs"
STEPS = {"char_lm": 200, "ner": 20, "captioning": 150}


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """A copy of the stored runs and their data, in the current folder."""
    shutil.copytree(RUNS, tmp_path / "runs")
    monkeypatch.chdir(tmp_path / "runs")


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.usefixtures("stored")
def test_a_stored_run_evaluates_as_when_it_was_written(name, capsys):
    experiment = importlib.import_module(f"experiments.{name}")
    result = command(capsys, experiment, f"--workdir={name}", "--mode=evaluate")
    assert result.code == 0, result.err
    lines = [line for line in result.out.splitlines() if "METEOR" not in line]
    assert lines == (RUNS / name / "evaluation.txt").read_text().splitlines()


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.usefixtures("stored", "no_report")
def test_a_stored_run_resumes(name, capsys):
    config = json.loads(Path(name, "config.json").read_text())
    config["num_steps"] = STEPS[name] + 2
    experiment = importlib.import_module(f"experiments.{name}")
    known = vars(experiment.EXPERIMENT.presets["default"].config)
    given = {key: config[key] for key in config if key in known and config[key] is not None}
    flags = [f"--config.{key}={value}" for key, value in given.items()]
    module = types.SimpleNamespace(EXPERIMENT=only_training(experiment.EXPERIMENT))
    result = command(capsys, module, f"--workdir={name}", *flags)
    assert result.code == 0, result.err
    assert f"/{name} from step {STEPS[name]}." in result.err
    assert len(training.read_metrics(name)) >= 1
