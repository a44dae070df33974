"""Weights of torch.nn.RNN, LSTM and GRU, as their state dicts name them."""

from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from rnnjax.cells.cell import Cell
from rnnjax.interchange.layers import (
    OWN,
    Layer,
    Library,
    checked,
    is_layer,
    network_of,
    packed_for,
    params_of,
    recurrent_bias,
)
from rnnjax.interchange.tensors import Tensors
from rnnjax.typing import Params

TORCH = Library("torch.nn", OWN, ("after",), ("tanh", "relu"), projects=True)


def from_torch(cell: Cell, tensors: Mapping[str, Any], prefix: str = "") -> Params:
    """Parameters out of the state dict of a torch.nn.RNN, LSTM or GRU.

    ::

        cell = rnnjax.stack([rnnjax.bidirectional(rnnjax.lstm(H), rnnjax.lstm(H))] * 2)
        tensors = rnnjax.interchange.read_safetensors("weights.safetensors")
        params = rnnjax.interchange.from_torch(cell, tensors, prefix="encoder.")

    The two biases of torch become their sum, and `b_hn` of a GRU. A module without biases has
    biases of 0. A state dict does not say whether an RNN has tanh or relu: the cell does.

    Args:
        cell: `lstm`, `gru` or `rnn`; `bidirectional` for two directions, `stack` for layers.
        tensors: arrays by torch's names, such as `weight_ih_l0_reverse`.
        prefix: before these names, where the module is part of a larger one; all other names are
            left aside.

    Raises:
        UserError: torch.nn has no such layer, or an array is missing, does not fit or is left over.
    """
    network, given = network_of(cell, TORCH), Tensors("the state dict", tensors, prefix)

    def read(layer: Layer) -> Params:
        end, rows = _suffix(layer), layer.num_gates * layer.hidden_size

        def take(name: str, *shape: int | None) -> np.ndarray:
            return given.take(f"{name}_{end}", shape, layer.cell)

        w_ih = take("weight_ih", rows, layer.input_size).T
        w_hh = take("weight_hh", rows, layer.output_size).T
        biased = f"bias_ih_{end}" in given or f"bias_hh_{end}" in given
        b_ih, b_hh = np.zeros(rows, w_ih.dtype), None
        if biased:
            b_ih, b_hh = take("bias_ih", rows), take("bias_hh", rows)
        more = {}
        if layer.projection_size is not None:
            more["w_hr"] = take("weight_hr", layer.output_size, layer.hidden_size).T
        return params_of(layer, TORCH, w_ih, w_hh, b_ih, b_hh, **more)

    params = jax.tree.map(read, network, is_leaf=is_layer)
    given.check_all_taken(cell)
    return params


def to_torch(cell: Cell, params: Params, prefix: str = "") -> dict[str, np.ndarray]:
    """The state dict of a torch.nn.RNN, LSTM or GRU; arguments and errors as for `from_torch`.

    The bias is in `bias_ih`; `bias_hh` is 0 but for the candidate of a GRU.
    """
    network, tensors = network_of(cell, TORCH), {}

    def write(layer: Layer, own: Params) -> None:
        packed = packed_for(layer, TORCH, own)
        arrays = {
            "weight_ih": packed.w_ih.T,
            "weight_hh": packed.w_hh.T,
            "bias_ih": packed.b,
            "bias_hh": recurrent_bias(layer, TORCH, packed),
        }
        if layer.projection_size is not None:
            arrays["weight_hr"] = packed.w_hr.T
        for name, array in arrays.items():
            tensors[f"{prefix}{name}_{_suffix(layer)}"] = np.ascontiguousarray(array)

    jax.tree.map(write, network, checked(cell, params), is_leaf=is_layer)
    return tensors


def _suffix(layer: Layer) -> str:
    return f"l{layer.depth}_reverse" if layer.reverse else f"l{layer.depth}"
