"""The textbook form of a layer: one matrix over the old state and the input together."""

from typing import Any

import jax.numpy as jnp

from rnnjax.errors import UserError
from rnnjax.typing import Array


def stacked_form(params: Any) -> tuple[Array, Array]:
    """The params of one layer as a single matrix `W_a [G, H + D]`, and the bias `b_a [G]`.

    ::

        W_aa a_tm1 + W_ax x_t + b_a = W_a [a_tm1, x_t] + b_a,    W_a = [W_aa | W_ax]

    It gives the same numbers. For an input of size m and k cells each gate owns k rows of
    `m + k` numbers, in the order in which the params pack the gates.

    Args:
        params: of `rnn`, `lstm` or `gru`, with `w_ih [D, G]`, `w_hh [H, G]`, `b [G]`.

    Raises:
        UserError: input and state are not simply added: layer normalisation, or a GRU with the
            reset after the matmul.
    """
    if getattr(params, "norms", None) is not None or getattr(params, "b_hn", None) is not None:
        raise UserError(
            "W_a [a, x] adds the parts of a and x; layer normalisation and a GRU with "
            "reset='after' act on one part before the sum, so they have no stacked form"
        )
    return jnp.concatenate([params.w_hh, params.w_ih]).T, params.b
