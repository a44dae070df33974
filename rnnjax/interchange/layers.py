"""The recurrent layers that a cell is made of, and their parameters in another library's order."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.cells.cell import Cell
from rnnjax.cells.combinators import Directions, bidirectional, stack
from rnnjax.cells.gru import GRUParams, gru
from rnnjax.cells.lstm import LSTMParams, lstm
from rnnjax.cells.pointwise import dropout, variational_dropout
from rnnjax.cells.regularizers import weight_drop
from rnnjax.cells.rnn import RNNParams, rnn
from rnnjax.cells.structure import params_that_fit
from rnnjax.errors import UserError
from rnnjax.typing import Params

OWN = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}
PARAMS: dict[str, Any] = {"lstm": LSTMParams, "gru": GRUParams, "rnn": RNNParams}
PLAIN = {"forget_gate": True, "coupled": False, "peepholes": False, "layer_norm": False}
"""The options of the LSTM of every other library."""


class Library(NamedTuple):
    """The recurrent layers of a library.

    Attributes:
        name: as messages call it.
        orders: of the gates, by kind of layer: i, f, g, o of an LSTM, r, z, n of a GRU.
        resets: where the reset gate of its GRU may act; see `rnnjax.gru`.
        activations: what its RNN may have; empty: any.
        projects: whether its LSTM may have a projection.
    """

    name: str
    orders: dict[str, str]
    resets: tuple[str, ...]
    activations: tuple[str, ...]
    projects: bool = False


class Layer(NamedTuple):
    """A recurrent layer.

    Attributes:
        kind: of the cell; lstm, gru or rnn.
        projection_size: P of an LSTM; None: it has no projection.
        reset: where the reset gate acts; empty: no GRU.
        activation: by name; empty: no RNN.
        depth: layers below it.
        reverse: whether it reads from the end.
        input_size: D; None: any.
    """

    cell: Cell
    kind: str
    hidden_size: int
    projection_size: int | None = None
    reset: str = ""
    activation: str = ""
    depth: int = 0
    reverse: bool = False
    input_size: int | None = None

    @property
    def output_size(self) -> int:
        """H, or P with a projection."""
        return self.projection_size or self.hidden_size

    @property
    def num_gates(self) -> int:
        """G."""
        return len(OWN[self.kind])


def layer_of(cell: Cell, library: Library) -> Layer:
    """A cell that is a single layer, as a library describes it.

    Raises:
        UserError: the library has no such layer.
    """
    factory, options = _made_by(cell)
    if factory not in (lstm, gru, rnn):
        raise UserError(f"{library.name} has no layer like {cell!r}: expected lstm, gru or rnn")
    hidden_size = int(options["hidden_size"])
    projection_size, reset, activation = None, "", ""
    for name, value in PLAIN.items() if factory is lstm else ():
        if options[name] != value:
            raise UserError(f"{library.name} has no LSTM with {name}={options[name]}: {cell!r}")
    if factory is lstm and options["projection_size"] is not None:
        projection_size = int(options["projection_size"])
        if not library.projects:
            raise UserError(f"{library.name} has no LSTM with a projection: {cell!r}")
    if factory is gru and (reset := options["reset"]) not in library.resets:
        expected = " or ".join(map(repr, library.resets))
        raise UserError(f"the GRU of {library.name} has reset={expected}; got {cell!r}")
    if factory is rnn:
        activation = getattr(options["activation"], "__name__", "?")
        if library.activations and activation not in library.activations:
            expected = " or ".join(library.activations)
            raise UserError(f"the RNN of {library.name} has activation {expected}; got {cell!r}")
    return Layer(cell, factory.__name__, hidden_size, projection_size, reset, activation)


def network_of(cell: Cell, library: Library, depth: int = 0, input_size: int | None = None) -> Any:
    """As `layer_of`, of a deep network of one or two directions.

    Returns:
        A tree like the parameters of the cell, with a `Layer` in the place of each layer's.
    """
    factory, options = _made_by(cell)
    if factory in (dropout, variational_dropout):
        return ()
    if factory is stack:
        parts: list[Any] = []
        for child in options["cells"]:
            parts.append(network_of(child, library, depth, input_size))
            if found := jax.tree.leaves(parts[-1], is_leaf=is_layer):
                depth = found[-1].depth + 1
                input_size = child.output_size(1)
        return tuple(parts)
    if factory is bidirectional:
        if options["combine"] != "concat":
            raise UserError(f"{library.name} puts directions side by side; got {cell!r}")
        forward, backward = (layer_of(options[name], library) for name in Directions._fields)
        return Directions(
            forward._replace(depth=depth, input_size=input_size),
            backward._replace(depth=depth, input_size=input_size, reverse=True),
        )
    return layer_of(cell, library)._replace(depth=depth, input_size=input_size)


def is_layer(node: Any) -> bool:
    """Whether a node of a tree of `network_of` is a layer."""
    return isinstance(node, Layer)


def params_of(
    layer: Layer, library: Library, w_ih: Any, w_hh: Any, b: Any, b_hh: Any = None, **more: Any
) -> Params:
    """The parameters of a layer.

    Args:
        layer, library: what it is, and whose order the gates have.
        w_ih, w_hh, b: `[D, GH]`, `[H, GH]` (`[P, GH]` with a projection), `[GH]`.
        b_hh: `[GH]`, the recurrent bias; None: there is none.
        more: what else a layer has, such as `w_hr`.
    """
    have, want = library.orders[layer.kind], OWN[layer.kind]
    w_ih, w_hh, b = (permute(np.asarray(x), have, want) for x in (w_ih, w_hh, b))
    b_hh = np.zeros_like(b) if b_hh is None else permute(np.asarray(b_hh), have, want)
    arrays: dict[str, Any] = {"w_ih": w_ih, "w_hh": w_hh, "b": b + b_hh, **more}
    if layer.reset == "after":  # the reset gate acts on the candidate's part of b_hh
        gates = 2 * layer.hidden_size
        arrays["b"] = np.concatenate([b[:gates] + b_hh[:gates], b[gates:]])
        arrays["b_hn"] = b_hh[gates:]
    return jax.tree.map(jnp.asarray, PARAMS[layer.kind](**arrays))


def packed_for(layer: Layer, library: Library, params: Params) -> Any:
    """The params of a layer, in numpy, with the gates in the order of a library."""
    have, want = OWN[layer.kind], library.orders[layer.kind]
    whole = jax.tree.map(np.asarray, params)
    turned = {name: permute(getattr(whole, name), have, want) for name in ("w_ih", "w_hh", "b")}
    return whole._replace(**turned)


def permute(packed: np.ndarray, have: str, want: str) -> np.ndarray:
    """The G blocks of the last axis `[..., G H]` in another order, each called by a letter."""
    blocks = dict(zip(have, np.split(packed, len(have), axis=-1), strict=True))
    return np.concatenate([blocks[gate] for gate in want], axis=-1)


def recurrent_bias(layer: Layer, library: Library, packed: Any) -> np.ndarray:
    """`[GH]`: `b_hn` in the place of the candidate, 0 elsewhere."""
    order = library.orders[layer.kind]
    blocks = {gate: np.zeros(layer.hidden_size, packed.b.dtype) for gate in order}
    if layer.reset == "after":
        blocks["n"] = packed.b_hn
    return np.concatenate([blocks[gate] for gate in order])


def checked(cell: Cell, params: Params) -> Params:
    """Params that are those of a cell; UserError otherwise."""
    leaves = jax.tree.leaves(params)
    if not leaves or not np.ndim(leaves[0]):
        raise UserError(f"{cell!r} has parameters; got {params!r}")
    return params_that_fit(cell, params, np.shape(leaves[0])[0])


def _made_by(cell: Cell) -> tuple[Any, dict[str, Any]]:
    """The factory of a cell and all its arguments; weight drop has no parameters of its own."""
    if not isinstance(cell, Cell):
        raise UserError(f"weights travel for a Cell, such as rnnjax.lstm(128); got {cell!r}")
    if cell.origin is None:
        return None, {}
    factory, options = cell.origin.factory, cell.origin.arguments
    return _made_by(options["cell"]) if factory is weight_drop else (factory, options)
