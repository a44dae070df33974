"""The layers to look at: fresh cells, or those of trained runs."""

import dataclasses
import importlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from flax import nnx

from experiments import summaries
from rnnjax import diagnostics, training
from rnnjax.cells.cell import Cell
from rnnjax.cells.lstm import lstm
from rnnjax.cells.named import make_cell
from rnnjax.diagnostics import LayerTrace
from rnnjax.errors import UserError
from rnnjax.models import Recurrent
from rnnjax.training.checkpoints.workdir import read_owner
from rnnjax.typing import Params, PRNGKey

LEAST_LENGTH = 8
INPUT_SIZE = 8
INPUT_SCALE = 0.1
"""Small, so that tanh is nearly linear and the scale of the recurrent matrix decides."""

Layers = dict[tuple[str, str], LayerTrace]
"""Layers by what they are called, and by the variant of it."""


def numbers(flag: str, text: str) -> list[float]:
    """The numbers of a flag, with commas between them; UserError if one is none."""
    try:
        found = [float(word) for word in text.split(",")] if text else []
    except ValueError:
        found = [math.nan]
    if not all(0 <= value < 100 for value in found):
        raise UserError(f"--{flag} is a list such as 0.9,1.1, from 0 to 100; got {text!r}")
    return found


def fresh_layers(
    names: Sequence[str], scales: Sequence[float], hidden_size: int, length: int, key: PRNGKey
) -> Layers:
    """Every cell with its recurrent matrices at every scale, all with the same inputs.

    A cell of one's own that has no `w_hh` to scale stays as it is drawn.
    """
    if not scales:
        raise UserError("--scales names one number at least")
    found = {}
    for name in [name.strip() for name in names]:
        cell = make_cell(name, hidden_size)
        params = cell.init(key, INPUT_SIZE)
        if cell.step is None or not hasattr(params, "w_hh"):
            _check_steps(name, cell)
            found[name, "as drawn"] = _traced(cell, params, length, key)
            continue
        for scale in scales:
            scaled = diagnostics.scaled_recurrence(params, scale)
            found[name, f"scale {scale:g}"] = _traced(cell, scaled, length, key)
    return found


def forgetting_layer(bias: float, hidden_size: int, length: int, key: PRNGKey) -> LayerTrace:
    """A fresh LSTM whose forget gates begin with a bias."""
    cell = lstm(hidden_size, forget_bias=bias)
    return _traced(cell, cell.init(key, INPUT_SIZE), length, key)


def trained_layers(workdirs: Sequence[str], length: int) -> Layers:
    """The recurrent layers of runs, as they read the longest sequence of a batch of training.

    Args:
        workdirs: of runs of any experiment.
        length: most steps to read.

    Raises:
        UserError: a model has no recurrent network, several, or one in both directions.
    """
    found: Layers = {}
    for workdir in workdirs:
        layers = _layers_of_run(workdir, length)
        for n, layer in enumerate(layers, 1):
            name = Path(workdir).name + (f", layer {n}" if len(layers) > 1 else "")
            found[name, "trained"] = layer
    return found


def _layers_of_run(workdir: str, length: int) -> tuple[LayerTrace, ...]:
    name = read_owner(Path(workdir))
    if name not in summaries():
        raise UserError(f"{workdir} holds the experiment '{name}', which is not among those here")
    experiment = importlib.import_module(f"experiments.{name}").EXPERIMENT
    mode = next(mode for mode in experiment.modes if mode not in experiment.fresh_modes)
    run = experiment.parse([f"--workdir={workdir}", f"--mode={mode}"])
    prepared = experiment.prepare(run)
    model = training.restore_model(workdir, experiment.model, run.config, prepared)
    parts = [node for _, node in nnx.iter_graph(model) if isinstance(node, Recurrent)]
    if len(parts) != 1:
        raise UserError(
            f"{workdir}: expected a model with one recurrent network (`Recurrent`); the "
            f"{type(model).__name__} of {name} has {len(parts)}"
        )
    _check_steps(workdir, parts[0].cell)
    seen: list[tuple[Cell, Params, Any]] = []
    parts[0].cell = _recording(parts[0].cell, seen)
    graph, params = nnx.split(model, nnx.Param)
    batch, carry = prepared.batches[0], experiment.carry(run.config, model)
    experiment.loss(run.config, graph, prepared)(params, carry, batch, None)
    cell, cell_params, xs = seen[0]
    lengths = np.asarray(batch.get("lengths", [len(xs)] * xs.shape[1]))
    row, steps = int(lengths.argmax()), min(int(lengths.max()), len(xs), length)
    if steps < LEAST_LENGTH:
        raise UserError(
            f"{workdir}: the longest sequence of its first batch has {steps} steps; expected "
            f"{LEAST_LENGTH} or more"
        )
    return diagnostics.trace(cell, cell_params, xs[:steps, row : row + 1])


def _recording(cell: Cell, seen: list[tuple[Cell, Params, Any]]) -> Cell:
    """The same cell; what it runs with is appended to a list."""

    def over_time(run, params, carry, initial, xs, key):
        seen.append((cell, params, xs))
        return run(cell, params, carry, initial, xs, key)

    return dataclasses.replace(cell, over_time=over_time)


def _traced(cell: Cell, params: Params, length: int, key: PRNGKey) -> LayerTrace:
    xs = INPUT_SCALE * jax.random.normal(key, (length, 1, INPUT_SIZE))
    layers = diagnostics.trace(cell, params, xs)
    if len(layers) != 1:
        raise UserError(f"--cells are single layers; {cell!r} has {len(layers)}")
    return layers[0]


def _check_steps(name: str, cell: Cell) -> None:
    if cell.step is None:
        raise UserError(
            f"{name} reads in both directions: the gradient is shown for a cell that reads forwards"
        )
