"""The oracle of `unroll`: one row at a time, one step at a time, in plain Python."""

import functools

import jax
import numpy as np

from tests.cells.zoo import Both, Deep, jit


@functools.cache
def _step(cell):
    return jit(cell.__call__)


@functools.cache
def _initial_carry(cell):
    return jit(lambda params: cell.initial_carry(params, ()))


def run_row(made_of, params, xs, carry=None, *, reverse=False):
    """Runs one sequence without padding or borders, `xs [T, D] -> (carry, ys [T, H])`.

    Args:
        made_of: a cell with a step, or `Both`, or `Deep`.
        params: its params.
        xs: the inputs.
        carry: what it starts from; the initial one if None.
        reverse: from the last step to the first.
    """
    if isinstance(made_of, Deep):
        carries = []
        for n, layer in enumerate(made_of.layers):
            start = None if carry is None else carry[n]
            end, xs = run_row(layer, params[n], xs, start, reverse=reverse)
            carries.append(end)
        return tuple(carries), xs
    if isinstance(made_of, Both):
        starts = (None, None) if carry is None else carry
        end_f, ys_f = run_row(made_of.forward, params[0], xs, starts[0], reverse=reverse)
        end_b, ys_b = run_row(made_of.backward, params[1], xs, starts[1], reverse=not reverse)
        combined = {
            "concat": lambda: np.concatenate([ys_f, ys_b], axis=1),
            "sum": lambda: ys_f + ys_b,
            "mean": lambda: (ys_f + ys_b) / 2,
        }
        return type(params)(end_f, end_b), combined[made_of.combine]()
    carry = _initial_carry(made_of)(params) if carry is None else carry
    ys = {}
    for t in reversed(range(len(xs))) if reverse else range(len(xs)):
        carry, ys[t] = _step(made_of)(params, carry, xs[t])
    return carry, np.stack([ys[t] for t in range(len(xs))])


def row(tree, b):
    """Row b of a carry."""
    return jax.tree.map(lambda leaf: leaf[b], tree)


def joined(rows):
    """Rows of `(carry, ys)` as one batch: `(carry [B, ...], ys [T, B, H])`."""
    carries, ys = zip(*rows, strict=True)
    return jax.tree.map(lambda *leaves: np.stack(leaves), *carries), np.stack(ys, axis=1)
