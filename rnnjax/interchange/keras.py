"""Weights of the Keras layers SimpleRNN, LSTM and GRU."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnjax.cells.cell import Cell
from rnnjax.errors import UserError
from rnnjax.interchange.layers import (
    OWN,
    Layer,
    Library,
    checked,
    layer_of,
    packed_for,
    params_of,
    recurrent_bias,
)
from rnnjax.interchange.tensors import Tensors
from rnnjax.typing import Params

KERAS = Library("Keras", {**OWN, "gru": "zrn"}, ("after", "before"), ("tanh", "relu"))
NAMES = ("kernel", "recurrent_kernel", "bias")


def from_keras(cell: Cell, weights: Sequence[Any], config: Mapping[str, Any]) -> Params:
    """Parameters out of a Keras layer.

    `reset_after=True`, the default of `keras.layers.GRU`, is `rnnjax.gru(H)`; False is
    `rnnjax.gru(H, reset="before")`. `unit_forget_bias` is part of the initial bias in both.

    Args:
        cell: `lstm`, `gru` or `rnn`.
        weights: `layer.get_weights()`: kernel, recurrent kernel and, with `use_bias`, bias.
        config: `layer.get_config()`.

    Raises:
        UserError: Keras has no such layer, or its config or a shape does not fit the cell.
    """
    layer = layer_of(cell, KERAS)
    _check_config(layer, config)
    names = [*NAMES, *(f"weight {n}" for n in range(len(NAMES), len(weights)))]
    given = Tensors("the Keras layer", dict(zip(names, weights, strict=False)))
    columns = layer.num_gates * layer.hidden_size
    w_ih = given.take("kernel", (None, columns), cell)
    w_hh = given.take("recurrent_kernel", (layer.hidden_size, columns), cell)
    b, b_hh = np.zeros(columns, w_ih.dtype), None
    if config.get("use_bias", True):
        if layer.reset == "after":
            b, b_hh = given.take("bias", (2, columns), cell)
        else:
            b = given.take("bias", (columns,), cell)
    given.check_all_taken(cell)
    return params_of(layer, KERAS, w_ih, w_hh, b, b_hh)


def to_keras(cell: Cell, params: Params) -> list[np.ndarray]:
    """The argument of `set_weights` of a built layer; arguments and errors as for `from_keras`."""
    layer = layer_of(cell, KERAS)
    packed = packed_for(layer, KERAS, checked(cell, params))
    bias = packed.b
    if layer.reset == "after":
        bias = np.stack([bias, recurrent_bias(layer, KERAS, packed)])
    return [packed.w_ih, packed.w_hh, bias]


def _check_config(layer: Layer, config: Mapping[str, Any]) -> None:
    expected: dict[str, Any] = {"activation": layer.activation or "tanh"}
    if layer.kind != "rnn":
        expected["recurrent_activation"] = "sigmoid"
    if layer.kind == "gru":
        expected["reset_after"] = layer.reset == "after"
    for name, value in expected.items():
        if name not in config:
            raise UserError(f"the config of the Keras layer lacks {name}: no {layer.kind}?")
        if config[name] != value:
            raise UserError(
                f"the Keras layer has {name}={config[name]!r}; {layer.cell!r} has {value!r}"
            )
