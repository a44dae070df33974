"""The layers to look at: fresh cells, or those of trained runs."""

import importlib
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

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
from rnnjax.typing import Array, Carry, Params, PRNGKey

LEAST_LENGTH = 8
INPUT_SIZE = 8
INPUT_SCALE = 0.1
"""Small, so that tanh is nearly linear and the scale of the recurrent matrix decides."""

Layers = dict[tuple[str, str], LayerTrace]
"""Layers by what they are called, and by the variant of it."""


class _Read(NamedTuple):
    """The sequences `[T, B, D]` that a recurrent network has read, and which steps are real."""

    cell: Cell
    params: Params
    xs: Array
    mask: Array | None


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

    A cell that has no matrix `w_hh` to scale stays as it is drawn.
    """
    if not scales:
        raise UserError("--scales names one number at least")
    found = {}
    for name in [name.strip() for name in names]:
        cell = make_cell(name, hidden_size)
        if cell.step is None:
            raise UserError(
                f"{name} reads in both directions: the gradient is shown for a cell that reads "
                "forwards"
            )
        params = cell.init(key, INPUT_SIZE)
        if np.ndim(getattr(params, "w_hh", 0)) != 2:
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

    `length` is the most steps to read.

    Raises:
        UserError: no recurrent network of a model reads whole sequences, or they are too short.
    """
    found: Layers = {}
    for workdir in workdirs:
        layers = _layers_of_run(workdir, length)
        for n, layer in enumerate(layers, 1):
            name = Path(workdir).name + (f", layer {n}" if len(layers) > 1 else "")
            found[name + " (backwards)" * layer.reverse, "trained"] = layer.in_reading_order()
    return found


class _Heard(Recurrent):
    """A recurrent network that tells which sequences it reads."""

    def __init__(self, part: Recurrent, tell: Callable[[_Read], None]):
        self.cell, self.params, self.output_size = part.cell, part.params, part.output_size
        self.tell = tell

    def __call__(
        self, xs: Array, carry: Carry | None = None, **options: Any
    ) -> tuple[Carry, Array]:
        if not isinstance(xs, jax.core.Tracer):
            self.tell(_Read(self.cell, self.params.get_value(), xs, options.get("mask")))
        return super().__call__(xs, carry, **options)


def _layers_of_run(workdir: str, length: int) -> list[LayerTrace]:
    name = read_owner(Path(workdir))
    if name not in summaries():
        raise UserError(f"{workdir} holds the experiment '{name}', which is not among those here")
    experiment = importlib.import_module(f"experiments.{name}").EXPERIMENT
    mode = next(mode for mode in experiment.modes if mode not in experiment.fresh_modes)
    run = experiment.parse([f"--workdir={workdir}", f"--mode={mode}"])
    prepared = experiment.prepare(run)
    model = training.restore_model(workdir, experiment.model, run.config, prepared)
    seen: list[_Read] = []
    for path, part in [*nnx.iter_graph(model)]:
        if isinstance(part, Recurrent):
            *above, last = path
            parent: Any = model
            for key in above:
                parent = parent[key] if isinstance(key, int) else getattr(parent, str(key))
            setattr(parent, str(last), _Heard(part, seen.append))
    graph, params = nnx.split(model, nnx.Param)
    batch, carry = prepared.batches[0], experiment.carry(run.config, model)
    experiment.loss_fn(run.config, graph, prepared)(params, carry, batch, None)
    if not seen:
        raise UserError(
            f"{workdir}: expected a model with a recurrent network (`Recurrent`) that reads whole "
            f"sequences; the {type(model).__name__} of {name} has none"
        )
    cut = [_longest(one, batch.get("lengths"), length) for one in seen]
    long = [(one, xs) for one, xs in zip(seen, cut, strict=True) if len(xs) >= LEAST_LENGTH]
    if not long:
        raise UserError(
            f"{workdir}: the longest sequence of its first batch has {max(map(len, cut))} steps; "
            f"expected {LEAST_LENGTH} or more"
        )
    return [layer for one, xs in long for layer in diagnostics.trace(one.cell, one.params, xs)]


def _longest(one: _Read, lengths: Array | None, length: int) -> Array:
    """The longest of the sequences `[T, 1, D]`, or its first steps."""
    rows = one.xs.shape[1]
    if one.mask is not None:
        lengths = one.mask.sum(axis=0)
    counts = np.full(rows, len(one.xs)) if lengths is None else np.asarray(lengths)
    row = int(counts.argmax())
    return one.xs[: min(int(counts[row]), length), row : row + 1]


def _traced(cell: Cell, params: Params, length: int, key: PRNGKey) -> LayerTrace:
    xs = INPUT_SCALE * jax.random.normal(key, (length, 1, INPUT_SIZE))
    layers = diagnostics.trace(cell, params, xs)
    if len(layers) != 1:
        raise UserError(f"--cells are single layers; {cell!r} has {len(layers)}")
    return layers[0]
