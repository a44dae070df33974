"""Cells by name, and by the import path of a reader's own factory."""

import sys

import jax
import jax.numpy as jnp
import pytest

from rnnjax import bidirectional, gru, lstm, stack, variational_dropout, weight_drop
from rnnjax.cells.named import CELLS, deep, make_cell, operand_dtype
from rnnjax.errors import UserError

MODULE = """
import rnnjax

size = 3
plain = lambda hidden_size: rnnjax.rnn(hidden_size)
seen = []

def narrow(hidden_size, compute_dtype=None):
    seen.append(compute_dtype)
    return rnnjax.rnn(hidden_size)

def passing(hidden_size, **options):
    return narrow(hidden_size, **options)

class Layers:
    pass

def unfinished(hidden_size):
    return jnp.zeros(hidden_size)

def with_two(hidden_size, input_size):
    return rnnjax.rnn(hidden_size)
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module of cells in the current directory, which is not on the path as with `python -P`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    (tmp_path / "cells_of_mine.py").write_text(MODULE)
    (tmp_path / "broken_of_mine.py").write_text("import nowhere_to_be_found\n")
    yield
    for name in ("cells_of_mine", "broken_of_mine"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["plain", "narrow", "passing"])
def test_a_factory_gets_the_dtype_if_it_takes_one(module, name):
    cell = make_cell(f"cells_of_mine:{name}", 4, compute_dtype=jnp.bfloat16)
    assert cell.output_size(2) == 4
    seen = sys.modules["cells_of_mine"].seen
    assert seen == ([] if name == "plain" else [jnp.bfloat16])


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_takes_the_dtype_of_a_config(name):
    cells = [make_cell(name, 4, compute_dtype=operand_dtype("bfloat16")) for _ in range(2)]
    assert cells[0] == cells[1]
    assert "bfloat16" in repr(cells[0])


def test_layers_and_directions_are_made_of_it(module):
    cell = deep("cells_of_mine:plain", 4, num_layers=2, dropout=0.1, both_directions=True)
    params = cell.init(jax.random.key(0), 3)
    assert [jax.tree.leaves(layer)[0].shape for layer in params[::2]] == [(3, 4), (8, 4)]
    assert cell.output_size(3) == 8


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("lsmt", r"unknown cell 'lsmt'; did you mean 'lstm'\? Valid: fast_weights, gated_del"),
        ("no_module_here:cell", "cannot be imported .* No module named 'no_module_here'"),
        ("broken_of_mine:cell", "cannot be imported .* No module named 'nowhere_to_be_found'"),
        ("cells_of_mine:plan", "cells_of_mine has no plan; did you mean 'plain'"),
        ("cells_of_mine:size", "expected a function hidden_size -> Cell, got int"),
        ("cells_of_mine:Layers", r"Layers cannot be made of hidden_size=4: TypeError: Layers\(\)"),
        ("cells_of_mine:unfinished", "NameError: name 'jnp' is not defined"),
        ("cells_of_mine:with_two", "missing 1 required positional argument: 'input_size'"),
        ("math:sqrt", "math:sqrt is no factory of cells: expected a rnnjax Cell .* got float"),
        ("rnnjax:stack", "cannot be made of hidden_size=4: UserError: stack takes"),
        ("cells_of_mine:", "is not written MODULE:FACTORY, as my_module:my_cell is"),
        (":plain", "is not written MODULE:FACTORY"),
        ("../cells_of_mine.py:plain", "is not written MODULE:FACTORY"),
    ],
)
def test_what_is_no_factory_of_cells_is_told_in_a_line(module, name, told):
    with pytest.raises(UserError, match=told) as error:
        make_cell(name, 4)
    assert "\n" not in str(error.value)
    assert name in str(error.value) or name.partition(":")[2] in str(error.value)


@pytest.mark.parametrize("name", CELLS)
def test_a_weight_drop_of_zero_is_no_wrapper(name):
    """A wrapper over time would be the only reason for a single layer to have `over_time`."""
    layer = make_cell(name, 3)
    assert layer.over_time is None
    params = deep(name, 3).init(jax.random.key(0), 2)
    if not hasattr(params[0], "w_hh"):
        with pytest.raises(UserError, match=r"have a w_hh; got .*: give weight_drop=0"):
            deep(name, 3, weight_drop=0.5).init(jax.random.key(0), 2)
        return
    dropped = deep(name, 3, weight_drop=0.5).init(jax.random.key(0), 2)
    jax.tree.map(lambda a, b: (a == b).all() or pytest.fail(name), params, dropped)


def test_deep_is_the_stack_that_it_says():
    layer = [weight_drop(lstm(4), 0.3), variational_dropout(0.2)]
    assert deep("lstm", 4, num_layers=2, dropout=0.2, weight_drop=0.3) == stack(layer * 2)
    both = bidirectional(gru(4), gru(4))
    assert deep("gru", 4, dropout=0.1, both_directions=True) == stack(
        [both, variational_dropout(0.1)]
    )
