"""Where torch.nn keeps its weights, and where rnnjax keeps the same ones.

torch multiplies from the left (`W x`), so every matrix is transposed; both pack i, f, g, o and
r, z, n. torch has two biases, b_ih and b_hh, where only their sum acts: rnnjax has the sum, and
`b_hn`, the part of b_hh that the reset gate of a GRU multiplies.
"""

from pathlib import Path

import numpy as np

from rnnjax import GRUParams, LSTMCarry, LSTMParams, RNNParams
from rnnjax.cells.combinators import Directions

H = 4  # the hidden size of every stored case


def load(case):
    """The stored arrays of one case, by name."""
    with np.load(Path(__file__).parent / f"torch_{case}.npz", allow_pickle=False) as stored:
        return dict(stored)


def layer_params(stored, suffix, *, gradient=False):
    """The params of a layer and direction ("l0", "l1_reverse", ...), or the gradient by them."""

    def get(name):
        return stored.get(f"gradient_{name}_{suffix}" if gradient else f"{name}_{suffix}")

    w_ih, w_hh, w_hr = get("weight_ih").T, get("weight_hh").T, get("weight_hr")
    b_ih, b_hh = get("bias_ih"), get("bias_hh")
    # The derivative by a sum is the derivative by either term.
    b = b_ih if gradient else b_ih + b_hh
    num_gates = w_ih.shape[1] // H
    if num_gates == 1:
        return RNNParams(w_ih, w_hh, b)
    if num_gates == 3:
        return GRUParams(w_ih, w_hh, np.concatenate([b[: 2 * H], b_ih[2 * H :]]), b_hh[2 * H :])
    return LSTMParams(w_ih, w_hh, b, w_hr=None if w_hr is None else w_hr.T)


def layer_carry(stored, row, moment, *, prefix=""):
    """The carry of one row of torch's [layers * directions, B, H]; moment is "0" or "n"."""
    h, c = (stored.get(f"{prefix}{name}_{moment}") for name in "hc")
    return h[row] if c is None else LSTMCarry(c=c[row], h=h[row])


def network(of_layer, num_layers, bidirectional):
    """Arranges `of_layer(row, suffix)` as the params and carries of a whole network are."""

    def layer(n):
        if not bidirectional:
            return of_layer(n, f"l{n}")
        return Directions(of_layer(2 * n, f"l{n}"), of_layer(2 * n + 1, f"l{n}_reverse"))

    layers = tuple(layer(n) for n in range(num_layers))
    return layers if num_layers > 1 else layers[0]
