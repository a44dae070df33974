"""Weights of the haiku cores VanillaRNN, LSTM and GRU."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.cells.cell import Cell
from rnnjax.interchange.layers import Library, checked, layer_of, packed_for, params_of
from rnnjax.interchange.tensors import Tensors, nested
from rnnjax.typing import Params

HAIKU = Library("haiku", {"lstm": "igfo", "gru": "zrn", "rnn": "h"}, ("before",), ("relu",))
MODULES = {"lstm": "lstm", "gru": "gru", "rnn": "vanilla_rnn"}


def from_haiku(cell: Cell, tensors: Mapping[str, Any], module: str | None = None) -> Params:
    """Parameters out of those of a haiku core.

    An LSTM of haiku adds 1 to the forget gate at run time: that is part of `b` here. Its GRU resets
    before the matmul, and its z weights the NEW state, so that z changes its sign. Its RNN is a
    relu network.

    Args:
        cell: `lstm`, `gru(H, reset="before")` or `rnn(H, activation=jax.nn.relu)`.
        tensors: the parameters, `{module: {name: array}}`.
        module: the name of the core, such as `my_net/lstm`; None: that of its kind, such as `lstm`.
            All other modules are left aside.

    Raises:
        UserError: haiku has no such core, or an array is missing, does not fit or is left over.
    """
    layer = layer_of(cell, HAIKU)
    given = Tensors("haiku", tensors, f"{module or MODULES[layer.kind]}/")
    size, columns, b_hh = layer.hidden_size, layer.num_gates * layer.hidden_size, None
    if layer.kind == "lstm":
        w = given.take("linear/w", (None, columns), cell)
        w_ih, w_hh = w[:-size], w[-size:]
        b = given.take("linear/b", (columns,), cell)
        b = b + _forget_bias(size, b.dtype)
    elif layer.kind == "gru":
        w_ih, w_hh, b = (
            _with_negative_z(given.take(name, shape, cell))
            for name, shape in (
                ("w_i", (None, columns)), ("w_h", (size, columns)), ("b", (columns,))
            )
        )  # fmt: skip
    else:
        w_ih, b = given.take("linear/w", (None, size), cell), given.take("linear/b", (size,), cell)
        w_hh = given.take("linear_1/w", (size, size), cell)
        b_hh = given.take("linear_1/b", (size,), cell) if "linear_1/b" in given else None
    given.check_all_taken(cell)
    return params_of(layer, HAIKU, w_ih, w_hh, b, b_hh)


def to_haiku(
    cell: Cell, params: Params, module: str | None = None
) -> dict[str, dict[str, np.ndarray]]:
    """The parameters of a haiku core; arguments and errors as for `from_haiku`.

    1 is taken from the forget bias, so in float32 that bias may come back changed in its last bit.
    The second bias of a `VanillaRNN` is 0.
    """
    layer = layer_of(cell, HAIKU)
    w_ih, w_hh, b, *_ = packed_for(layer, HAIKU, checked(cell, params))
    if layer.kind == "lstm":
        b = b - _forget_bias(layer.hidden_size, b.dtype)
        arrays = {"linear/w": np.concatenate([w_ih, w_hh]), "linear/b": b}
    elif layer.kind == "gru":
        w_ih, w_hh, b = map(_with_negative_z, (w_ih, w_hh, b))
        arrays = {"w_i": w_ih, "w_h": w_hh, "b": b}
    else:
        arrays = {"linear/w": w_ih, "linear/b": b}
        arrays |= {"linear_1/w": w_hh, "linear_1/b": np.zeros_like(b)}
    path = module or MODULES[layer.kind]
    return nested({f"{path}/{name}": array for name, array in arrays.items()})


def _forget_bias(size: int, dtype: Any) -> np.ndarray:
    """1 at the forget gate of `[4 H]`."""
    return np.repeat([float(gate == "f") for gate in HAIKU.orders["lstm"]], size).astype(dtype)


def _with_negative_z(packed: np.ndarray) -> np.ndarray:
    """The other way round of z, ``1 - sigmoid(a) = sigmoid(-a)``, which is its own inverse."""
    size = packed.shape[-1] // 3
    return np.concatenate([-packed[..., :size], packed[..., size:]], axis=-1)  # z, r, n
