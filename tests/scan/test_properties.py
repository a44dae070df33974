"""`unroll` of every kind of cell against one row at a time, one step at a time.

`tests/test_testing.py` tries every cell: jit, vmap, gradients, and the simple masks and resets.
"""

import functools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import rnnjax
from tests.cells.zoo import KINDS, STREAMING, ZOO, B, T, inputs, jit
from tests.scan import rows

every_kind = pytest.mark.parametrize("name", KINDS)
streaming_kinds = pytest.mark.parametrize("name", STREAMING)
few = settings(max_examples=4)
seeds = st.integers(0, 10**6)
directions = st.booleans()
flags = arrays(bool, (T, B))


@functools.cache
def compiled(name, reverse, **options):
    """`unroll` of one cell, compiled once for each combination of options."""
    cell = ZOO[name]

    def run(params, xs, carry, mask, reset):
        return rnnjax.unroll(
            cell, params, xs, carry, mask=mask, reset=reset, reverse=reverse, **options
        )

    return jit(run)


def unroll(name, params, xs, carry=None, mask=None, reset=None, reverse=False, **options):
    return compiled(name, reverse, **options)(params, xs, carry, mask, reset)


def assert_close(ours, oracle, tolerance=2e-5):
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance),
        ours,
        oracle,
    )


def by_rows(name, params, xs, carry, steps=None, **options):
    """Every row by itself, over its own steps only; zeros elsewhere."""
    cell = ZOO[name]
    done = []
    for b in range(B):
        own = np.arange(len(xs)) if steps is None else steps[b]
        end, ys = rows.run_row(cell, params, xs[own, b], rows.row(carry, b), **options)
        whole = np.zeros((len(xs), ys.shape[1]), ys.dtype)
        whole[own] = ys
        done.append((end, whole))
    return rows.joined(done)


@pytest.mark.parametrize("name", [name for name in KINDS if name not in STREAMING])
@few
@given(seed=seeds, reverse=directions)
def test_stepwise_is_whole(name, seed, reverse):
    """`check_cell` has the cells with a step."""
    params, xs, carry = inputs(name, seed)
    ours = unroll(name, params, xs, carry, reverse=reverse)
    assert_close(ours, by_rows(name, params, xs, carry, reverse=reverse))


@every_kind
@few
@given(seed=seeds, reverse=directions, mask=flags)
def test_padding_may_stand_anywhere(name, seed, reverse, mask):
    mask[3] = True
    params, xs, carry = inputs(name, seed)
    xs = np.where(mask[..., None], xs, 1e3).astype(xs.dtype)
    ours = unroll(name, params, xs, carry, mask, np.zeros_like(mask), reverse)
    steps = [np.flatnonzero(mask[:, b]) for b in range(B)]
    assert_close(ours, by_rows(name, params, xs, carry, steps, reverse=reverse))


@every_kind
@few
@given(seed=seeds, reverse=directions, mask=flags, reset=flags)
def test_reversed_twice_is_itself(name, seed, reverse, mask, reset):
    """A border before step t of a sequence is a border before step T - t of its mirror image."""
    params, xs, carry = inputs(name, seed)
    reset[0] = False
    mirrored_reset = np.concatenate([reset[:1], reset[:0:-1]])
    once = unroll(name, params, xs, carry, mask, reset, reverse)
    end, ys = unroll(name, params, xs[::-1], carry, mask[::-1], mirrored_reset, not reverse)
    assert_close((end, ys[::-1]), once)


@every_kind
@few
@given(
    seed=seeds,
    reverse=directions,
    borders=st.lists(st.integers(1, T - 1), min_size=B, max_size=B),
)
def test_a_reset_in_the_middle_is_two_sequences(name, seed, reverse, borders):
    cell = ZOO[name]
    params, xs, carry = inputs(name, seed)
    if cell.step is None:  # Its two directions would begin in different sequences.
        carry = jax.tree.map(np.asarray, cell.initial_carry(params, (B,)))
    reset = np.zeros((T, B), bool)
    reset[borders, np.arange(B)] = True
    end, ys = unroll(name, params, xs, carry, np.ones_like(reset), reset, reverse)

    run_row = functools.partial(rows.run_row, cell, params, reverse=reverse)
    for b, border in enumerate(borders):
        starts = [rows.row(carry, b), None]
        left, right = reversed(starts) if reverse else starts
        end_left, ys_left = run_row(xs[:border, b], left)
        end_right, ys_right = run_row(xs[border:, b], right)
        assert_close(ys[:, b], np.concatenate([ys_left, ys_right]))
        if cell.step is not None:
            assert_close(rows.row(end, b), end_left if reverse else end_right)


@streaming_kinds
@few
@given(seed=seeds, reverse=directions)
def test_windows_joined_through_the_carry_are_one_pass(name, seed, reverse):
    params, first, carry = inputs(name, seed)
    second = first[::-1] + 1
    whole = unroll(name, params, np.concatenate([first, second]), carry, reverse=reverse)

    ys = {}
    for n in (1, 0) if reverse else (0, 1):
        carry, ys[n] = unroll(name, params, (first, second)[n], carry, reverse=reverse)
    # Normalised where its variance is small, rounding grows: 4e-5 after 2 T steps was seen.
    tolerance = 2e-4 if name == "in_dicts" else 2e-5
    assert_close(whole, (carry, np.concatenate([ys[0], ys[1]])), tolerance)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "bidirectional_deep"])
@few
@given(seed=seeds, reverse=directions, mask=flags, reset=flags)
def test_steps_an_iteration_do_not_matter(name, seed, reverse, mask, reset):
    params, xs, carry = inputs(name, seed)
    ours = unroll(name, params, xs, carry, mask, reset, reverse, scan_unroll=3)
    assert_close(ours, unroll(name, params, xs, carry, mask, reset, reverse))
