"""The recurrent layers of each library, and the order of their gates."""

from typing import NamedTuple

import numpy as np


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


OWN = {"lstm": "ifgo", "gru": "rzn", "rnn": "h"}
TORCH = Library("torch.nn", OWN, ("after",), ("tanh", "relu"), projects=True)
FLAX = Library("flax", OWN, ("after",), ())
KERAS = Library("Keras", {**OWN, "gru": "zrn"}, ("after", "before"), ("tanh", "relu"))
HAIKU = Library("haiku", {"lstm": "igfo", "gru": "zrn", "rnn": "h"}, ("before",), ("relu",))


def permute(packed: np.ndarray, have: str, want: str) -> np.ndarray:
    """The blocks of the last axis in another order.

    Args:
        packed: `[..., G H]`, G gates side by side.
        have: a letter for each gate, in the order of the blocks.
        want: the same letters in the order of the result.
    """
    blocks = dict(zip(have, np.split(packed, len(have), axis=-1), strict=True))
    return np.concatenate([blocks[gate] for gate in want], axis=-1)
