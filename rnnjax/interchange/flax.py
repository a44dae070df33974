"""Weights of the cells of flax.linen and flax.nnx: SimpleCell, LSTMCell, GRUCell and the like."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.cells.cell import Cell
from rnnjax.errors import UserError
from rnnjax.interchange.layers import OWN, Layer, Library, checked, layer_of, packed_for, params_of
from rnnjax.interchange.tensors import Tensors, nested
from rnnjax.typing import Params

FLAX = Library("flax", OWN, ("after",), ())
Modules = dict[str, dict[str, np.ndarray]]


def from_linen(cell: Cell, tensors: Mapping[str, Any]) -> Params:
    """Parameters out of those of a cell of flax.linen.

    Args:
        cell: `lstm` for `LSTMCell` and `OptimizedLSTMCell`, `gru` for `GRUCell`, `rnn` for
            `SimpleCell`, with its activation.
        tensors: `variables["params"]` of the cell, such as `{"ii": {"kernel": ...}, ...}`.

    Raises:
        UserError: flax has no such cell, or an array is missing, does not fit or is left over.
    """
    return _read(cell, Tensors("flax.linen", tensors), apart=True)


def to_linen(cell: Cell, params: Params) -> Modules:
    """The parameters of a cell of flax.linen; arguments and errors as for `from_linen`."""
    return _written(cell, params, apart=True)


def from_nnx(cell: Cell, tensors: Any) -> Params:
    """Parameters out of a cell of flax.nnx.

    Its `GRUCell` has no bias `b_hn`: 0 here.

    Args:
        cell: `lstm` for `LSTMCell` and `OptimizedLSTMCell`, `gru` for `GRUCell`, `rnn` for
            `SimpleCell`, with its activation.
        tensors: the module, or the pure dictionary of its state.

    Raises:
        UserError: flax has no such cell, or an array is missing, does not fit or is left over.
    """
    if not isinstance(tensors, Mapping):
        from flax import nnx

        if not isinstance(tensors, nnx.Module):
            raise UserError(f"expected a cell of flax.nnx; got {type(tensors).__name__}")
        tensors = nnx.to_pure_dict(nnx.state(tensors, nnx.Param))
    given = Tensors("flax.nnx", {name.rstrip("_"): value for name, value in tensors.items()})
    return _read(cell, given, apart="ii/kernel" in given, bias_hn=False)


def to_nnx(cell: Cell, params: Params, *, optimized: bool = True) -> Modules:
    """The state of a cell of flax.nnx, for `nnx.update(module, state)`.

    An LSTM is an `OptimizedLSTMCell`, or an `LSTMCell` if it is not `optimized`.

    Raises:
        UserError: flax has no such cell, or a GRU has a `b_hn` other than 0.
    """
    apart = not optimized and layer_of(cell, FLAX).kind == "lstm"
    modules = _written(cell, params, apart=apart, bias_hn=False)
    return {"if_" if name == "if" else name: module for name, module in modules.items()}


def _modules(layer: Layer, apart: bool) -> tuple[list[str], list[str]]:
    """The modules that hold the input and the recurrent matrices, one for each gate or for all."""
    gates = FLAX.orders[layer.kind] if layer.kind != "rnn" else [""]
    if apart:
        return [f"i{gate}" for gate in gates], [f"h{gate}" for gate in gates]
    return ["dense_i"], ["dense_h"]


def _read(cell: Cell, given: Tensors, *, apart: bool, bias_hn: bool = True) -> Params:
    layer = layer_of(cell, FLAX)
    inputs, recurrent = _modules(layer, apart)
    size = layer.hidden_size
    columns = layer.num_gates * size // len(inputs)

    def packed(modules: list[str], name: str, *rows: int | None) -> np.ndarray:
        found = [given.take(f"{m}/{name}", (*rows, columns), cell) for m in modules]
        return np.concatenate(found, axis=-1)

    w_ih, w_hh = packed(inputs, "kernel", None), packed(recurrent, "kernel", size)
    b = packed(recurrent if layer.kind == "lstm" else inputs, "bias")
    b_hh = None
    if layer.kind == "gru" and bias_hn:
        b_hh = np.concatenate([np.zeros(2 * size, b.dtype), packed(recurrent[-1:], "bias")])
    given.check_all_taken(cell)
    return params_of(layer, FLAX, w_ih, w_hh, b, b_hh)


def _written(cell: Cell, params: Params, *, apart: bool, bias_hn: bool = True) -> Modules:
    layer = layer_of(cell, FLAX)
    packed = packed_for(layer, FLAX, checked(cell, params))
    inputs, recurrent = _modules(layer, apart)
    tensors = {}
    for modules, name, array in (
        (inputs, "kernel", packed.w_ih),
        (recurrent, "kernel", packed.w_hh),
        (recurrent if layer.kind == "lstm" else inputs, "bias", packed.b),
    ):
        for module, part in zip(modules, np.split(array, len(modules), axis=-1), strict=True):
            tensors[f"{module}/{name}"] = part
    if layer.kind == "gru" and bias_hn:
        tensors[f"{recurrent[-1]}/bias"] = packed.b_hn
    elif layer.kind == "gru" and packed.b_hn.any():
        raise UserError(
            f"the GRUCell of flax.nnx has no bias b_hn: expected zeros, got {packed.b_hn}"
        )
    return nested(tensors)
