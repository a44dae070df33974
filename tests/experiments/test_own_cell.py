"""`--config.cell=MODULE:FACTORY`: a reader's own cell; `test_every_task` has the cells by name."""

import json
import sys

import pytest

from experiments import captioning, char_lm, ner
from launch.sweep import plan
from tests.experiments.conftest import assert_told, command

INDRNN = '''\
"""An independently recurrent network (Li et al. 2018)."""
import jax
import jax.numpy as jnp
from rnnjax import Cell

def indrnn(hidden_size):
    def init(key, input_size):
        w = jax.random.normal(key, (input_size, hidden_size)) / input_size**0.5
        return {"w": w, "u": jnp.ones(hidden_size), "b": jnp.zeros(hidden_size)}
    def step(params, h_tm1, u_t):
        h_t = jax.nn.relu(u_t + params["u"] * h_tm1)
        return h_t, h_t
    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: jnp.zeros((*batch_shape, hidden_size)),
        project=lambda params, x, key=None: x @ params["w"] + params["b"],
        step=step,
        output_size=lambda input_size: hidden_size,
    )

not_a_cell = lambda hidden_size: "a cell"
'''
CELL = "--config.cell=my_own_module:indrnn"
TWO_STEPS = ["--config.num_steps=2", "--config.warmup_steps=0", "--config.num_layers=2"]
HELLO = ["--config.data=hello", "--config.batch_size=4", "--config.window=5"]


@pytest.fixture
def my_module(tmp_path, monkeypatch):
    """The file of the cell, in the current directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    path = tmp_path / "my_own_module.py"
    path.write_text(INDRNN)
    yield path
    sys.modules.pop("my_own_module", None)


@pytest.mark.usefixtures("no_report")
def test_it_trains_and_is_used_in_every_mode_of_char_lm(my_module, capsys):
    def call(*argv):
        return command(capsys, char_lm, "--workdir=run", *argv)

    trained = call(CELL, *HELLO, *TWO_STEPS)
    assert trained.code == 0, trained.err
    assert json.loads((my_module.parent / "run/config.json").read_text())["cell"] == CELL[14:]
    for mode in ("evaluate", "sample", "inspect", "score"):
        text = ["--text=hello"] * (mode in ("inspect", "score"))
        used = call(f"--mode={mode}", *text)
        assert used.code == 0, used.err
    resumed = call(CELL, *HELLO, *TWO_STEPS, "--config.num_steps=3")
    assert "from step 2" in resumed.err
    my_module.unlink()
    del sys.modules["my_own_module"]
    later = call("--mode=evaluate")
    assert later.code == 2
    assert later.err.count("\n") == 1
    assert later.err.startswith("error: the cell my_own_module:indrnn cannot be imported from ")


def test_it_is_swept_and_compiled_elsewhere(my_module, tmp_path):
    runs = plan.plan(
        char_lm.EXPERIMENT, {"cell": ("lstm", "my_own_module:indrnn")}, 1, HELLO, tmp_path / "sweep"
    )
    assert [run.setting["cell"] for run in runs] == ["lstm", "my_own_module:indrnn"]
    config = char_lm.EXPERIMENT.parse(runs[1].flags).config
    params = char_lm.EXPERIMENT.abstract_task(config).params
    assert params["recurrent"]["params"].get_value()[0]["u"].shape == (256,)


@pytest.mark.parametrize("module", [char_lm, ner, captioning])
@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("my_own_module:not_a_cell", "is no factory of cells: expected a rnnjax Cell of hidden_si"),
        ("my_own_module:inrnn", "has no inrnn; did you mean 'indrnn'?"),
        ("my_module:indrnn", "No module named 'my_module'"),
        ("lsmt", "unknown --config.cell=lsmt; did you mean 'lstm'?"),
    ],
)
def test_what_is_no_cell_is_told_in_a_line(my_module, capsys, module, cell, told):
    assert_told(command(capsys, module, "--workdir=run", f"--config.cell={cell}"), told)
    assert not (my_module.parent / "run").exists()


def test_weight_drop_of_a_cell_without_recurrent_matrix_is_refused(my_module, capsys):
    argv = ["--workdir=run", CELL, *HELLO, "--config.weight_drop=0.1"]
    result = command(capsys, char_lm, *argv)
    assert result.code == 2
    assert "weight_drop wraps a single recurrent layer, whose parameters have a w_hh" in result.err
