"""`--profile` in every experiment."""

import re

import jax
import pytest

from experiments import captioning, char_lm, ner
from rnnjax import training
from rnnjax.training.profiling.operations import read_profile
from tests.experiments.conftest import message

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


def test_a_bad_range_ends_before_anything_is_made(tmp_path, char_lm_command):
    found = char_lm_command(f"--workdir={tmp_path / 'run'}", *HELLO, "--profile=8:13")
    assert "--profile=8:13: the steps of this run are 1 to 12" in message(found)
    assert not (tmp_path / "run").exists()
