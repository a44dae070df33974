"""`--profile` in every experiment."""

import re

import jax
import pytest

from experiments import captioning, char_lm, ner
from rnnjax import training
from rnnjax.training.profiling.operations import read_profile

PARTS = ("embed", "project", "scan", "head", "loss", "optimizer")
HELLO = ["--preset=hello", "--config.num_steps=12", "--config.warmup_steps=0"]


@pytest.mark.parametrize("module", [char_lm, ner, captioning])
def test_all_parts_of_the_step_have_their_names(module):
    config = module.PRESETS["default"].config
    task = module.EXPERIMENT.abstract_task(config)
    step, new_state = training.make_training(config, task.loss_fn)
    state = jax.eval_shape(new_state, task.params, task.carry)
    text = step.lower(state, task.batch).as_text(debug_info=True)
    for scope in PARTS:
        assert re.search(rf'["/(]{scope}[/)]', text), scope
    for scope in ("embed", "scan", "head", "loss"):
        assert re.search(rf'"[^"]*transpose\(jvp\({scope}\)\)', text), scope
    assert re.search(r'"[^"]*jvp\(loss\)[^"]*/(exp|while)\b', text)


def test_a_profiled_run_reports_its_operations(tmp_path, char_lm_command):
    found = char_lm_command(f"--workdir={tmp_path}", "--profile=5:8", *HELLO)
    assert found.code == 0
    assert "Steps 5 to 8:" in found.err
    page = (tmp_path / "report.html").read_text()
    assert "Top operations" in page
    operations = read_profile(tmp_path / "profile").operations
    parts = {(one.scope, one.backward) for one in operations}
    assert parts >= {(part, False) for part in PARTS}
    assert parts >= {(part, True) for part in PARTS if part != "optimizer"}


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["--profile=abc"], "--profile is written FIRST:LAST, such as 100:110; got 'abc'"),
        (["--profile=8:5"], "--profile=8:5 ends before it begins: write --profile=5:8"),
        (["--profile=8:13"], "--profile=8:13: the steps of this run are 1 to 12"),
        (["--profile="], "--profile is empty: give a value"),
    ],
)
def test_bad_ranges_end_before_anything_is_made(tmp_path, char_lm_command, argv, told):
    found = char_lm_command(f"--workdir={tmp_path / 'run'}", *HELLO, *argv)
    assert found.code == 2
    assert told in found.err
    assert not (tmp_path / "run").exists()


def test_only_training_is_profiled(tmp_path, char_lm_command):
    found = char_lm_command(f"--workdir={tmp_path}", "--mode=sample", "--profile=1:2")
    assert found.code == 2
    assert "--profile is for mode train" in found.err
