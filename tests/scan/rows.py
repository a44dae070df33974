"""The oracle of `unroll`: one row at a time, one step at a time, in plain Python."""

import functools

import jax
import numpy as np

import rnnjax
from tests.cells.zoo import jit


@functools.cache
def _step(cell):
    return jit(cell.__call__)


@functools.cache
def _initial_carry(cell):
    return jit(lambda params: cell.initial_carry(params, ()))


def run_row(cell, params, xs, carry=None, *, reverse=False):
    """Runs one sequence without padding or borders, `xs [T, D] -> (carry, ys [T, H])`.

    The directions of a bidirectional cell run by themselves, as do the layers of a stack of such.

    Args:
        cell, params, xs: what runs.
        carry: what it starts from; the initial one if None.
        reverse: from the last step to the first.
    """
    if cell.step is None and cell.origin.factory is rnnjax.stack:
        carries = []
        for n, layer in enumerate(cell.origin.arguments["cells"]):
            start = None if carry is None else carry[n]
            end, xs = run_row(layer, params[n], xs, start, reverse=reverse)
            carries.append(end)
        return tuple(carries), xs
    if cell.step is None:
        parts, starts = cell.origin.arguments, (None, None) if carry is None else carry
        end_f, ys_f = run_row(parts["forward"], params[0], xs, starts[0], reverse=reverse)
        end_b, ys_b = run_row(parts["backward"], params[1], xs, starts[1], reverse=not reverse)
        combined = {
            "concat": lambda: np.concatenate([ys_f, ys_b], axis=1),
            "sum": lambda: ys_f + ys_b,
            "mean": lambda: (ys_f + ys_b) / 2,
        }
        return type(params)(end_f, end_b), combined[parts["combine"]]()
    carry = _initial_carry(cell)(params) if carry is None else carry
    ys = {}
    for t in reversed(range(len(xs))) if reverse else range(len(xs)):
        carry, ys[t] = _step(cell)(params, carry, xs[t])
    return carry, np.stack([ys[t] for t in range(len(xs))])


def row(tree, b):
    """Row b of a carry."""
    return jax.tree.map(lambda leaf: leaf[b], tree)


def joined(rows):
    """Rows of `(carry, ys)` as one batch: `(carry [B, ...], ys [T, B, H])`."""
    carries, ys = zip(*rows, strict=True)
    return jax.tree.map(lambda *leaves: np.stack(leaves), *carries), np.stack(ys, axis=1)
