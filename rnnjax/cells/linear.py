"""Cells whose carry is linear in the carry before: a parallel engine can run them over time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from rnnjax.typing import Array, Carry, Params


class LinearSpec(NamedTuple):
    """The form of a cell that is linear in its carry, element by element.

    ::

        a_t, b_t = coefficients(params, u_t)
        h_t = a_t * h_tm1 + b_t
        y_t = output(params, h_t, u_t)

    Neither function sees the carry, so both work on a whole sequence at once.

    Attributes:
        coefficients: `(params, u) -> (a, b)`, `[..., N]` each, real or complex.
        output: `(params, h, u) -> y`, `[..., H]`.
        state: `carry -> h`; where h is complex, the carry holds its real and imaginary part.
        carry: `h -> carry`.
    """

    coefficients: Callable[[Params, Any], tuple[Array, Array]]
    output: Callable[[Params, Array, Any], Array]
    state: Callable[[Carry], Array] = lambda carry: carry
    carry: Callable[[Array], Carry] = lambda h: h

    def step(self, params: Params, carry: Carry, u_t: Any) -> tuple[Carry, Array]:
        """The step of the cell."""
        a_t, b_t = self.coefficients(params, u_t)
        h_t = a_t * self.state(carry) + b_t
        return self.carry_like(h_t, carry), self.output(params, h_t, u_t)

    def carry_like(self, h: Array, like: Carry) -> Carry:
        """The carry of a state, in the dtypes of another carry."""
        return jax.tree.map(lambda new, old: new.astype(old.dtype), self.carry(h), like)
