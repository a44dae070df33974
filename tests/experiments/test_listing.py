"""What there is to run: a list, and what a misspelt name gets."""

import dataclasses
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import experiments

ROOT = Path(__file__).parents[2]


def run(*command, cwd=ROOT):
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(cwd)},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip


def test_every_experiment_is_listed_in_a_line_here_and_by_the_launcher():
    listed = run(sys.executable, "-m", "experiments")
    assert listed.returncode == 0, listed.stderr
    for name, summary in experiments.summaries().items():
        experiment = importlib.import_module(f"experiments.{name}").EXPERIMENT
        assert (experiment.name, experiment.summary) == (name, summary)
        (line,) = [line for line in listed.stdout.splitlines() if line.startswith(f"  {name} ")]
        assert line.endswith(f"  {summary}")
        assert len(line) <= 100
    launcher = run("launch/local.sh", "--help").stdout.splitlines()
    found = [line.split(None, 1) for line in listed.stdout.splitlines() if line.startswith("  ")]
    assert found == [line.split(None, 1) for line in launcher if line.startswith("  ")]


def test_an_experiment_is_run_by_its_name(tmp_path):
    helped = run(sys.executable, "-m", "experiments", "char_lm", "--help")
    assert helped.stdout.startswith("A character language model")


@pytest.mark.parametrize("name", experiments.summaries())
def test_help_names_every_mode_flag_and_preset(name):
    experiment = importlib.import_module(f"experiments.{name}").EXPERIMENT
    helped, presets = experiment.help(), experiment.presets
    default = presets["default"].config
    fields = [f"--config.{field.name}" for field in dataclasses.fields(default)]
    fields += [f"--{field.name.rstrip('_')}" for field in dataclasses.fields(experiment.options)]
    for words in (*fields, *(f"--mode={mode} " for mode in experiment.modes), "--restore_from"):
        assert words in helped
    for field in dataclasses.fields(experiment.options):
        its = field.metadata["modes"]
        assert not its or {"train", *experiment.modes}.intersection(its), field.name
    for one, preset in presets.items():
        assert f"  {one}" in helped
        assert preset.about.split()[0] in helped
        if one == "default" or name != "captioning":  # whose others need data of the user
            preset.config.validate()
        assert one == "default" or preset.config != default
    assert max(map(len, helped.splitlines())) <= 100


@pytest.mark.parametrize("command", [(sys.executable, "-m", "experiments"), ("launch/local.sh",)])
def test_a_misspelt_name_is_told_with_the_valid_ones(command):
    told = run(*command, "nerr")
    assert told.returncode == 2
    assert "here is no experiment 'nerr'" in told.stderr
    assert all(name in told.stderr for name in experiments.summaries())
    assert told.stdout == ""


def test_the_benchmark_offers_the_suites_that_there_are(tmp_path):
    """Whoever deletes a task deletes its suite."""
    for folder in ("rnnjax", "experiments"):
        shutil.copytree(
            ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    (tmp_path / "experiments/benchmark/tagging.py").unlink()
    told = run(sys.executable, "-m", "experiments.benchmark", "--suite=tagging", cwd=tmp_path)
    assert told.returncode == 2
    suites = "layers|persistent|compile|variants|cells|memory|decode|training|peak"
    assert f"value should be one of <{suites}>" in told.stderr


def test_help_and_wrong_flags_do_not_wait_for_what_they_do_not_need():
    """What these packages take to import was more than a third of the time of a wrong flag."""
    program = f"""
import importlib, sys
for name in {list(experiments.summaries())}:
    importlib.import_module("experiments." + name)
late = {{"matplotlib", "orbax.checkpoint", "sklearn", "tensorflow_datasets"}}
print(sorted(late & sys.modules.keys()))
"""
    done = run(sys.executable, "-c", program)
    assert done.stdout == "[]\n", done.stderr
