"""Ways to call `unroll` that work: lists, tuples, lengths, dtypes, resets at the edge, no rows."""

import copy
import functools
import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.engines.target import compiling_for
from tests.cells.zoo import ZOO, B, D, H, T, inputs, jit

LENGTHS = np.array([T, 4, 0])
MASK = np.arange(T)[:, None] < LENGTHS
CELL = rnnjax.lstm(H)


def test_lengths_are_a_mask():
    params, xs, carry = inputs("lstm", 0)
    for run in (rnnjax.unroll, rnnjax.unroll_reference):
        ours = run(CELL, params, xs, carry, lengths=LENGTHS.tolist())
        jax.tree.map(np.testing.assert_array_equal, ours, run(CELL, params, xs, carry, mask=MASK))


def test_a_list_is_an_array_and_a_tuple_a_carry():
    params, xs, carry = inputs("lstm", 0)
    expected = rnnjax.unroll(CELL, params, xs, carry)
    ours = rnnjax.unroll(CELL, tuple(params), xs.tolist(), (carry.c, carry.h))
    jax.tree.map(np.testing.assert_array_equal, ours, expected)
    assert type(ours[0]) is rnnjax.LSTMCarry
    one = CELL(list(params), [carry.c, carry.h], xs[0].tolist())
    jax.tree.map(np.testing.assert_allclose, one, CELL(params, carry, xs[0]))


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "lstm_peepholes", "zoneout"])
@pytest.mark.parametrize("xs_dtype", ["bfloat16", "float16", "int32"])
def test_the_dtype_of_what_comes_out_is_that_of_the_params(name, xs_dtype):
    params, xs, carry = inputs(name, 0)
    xs = jnp.asarray(xs, xs_dtype)
    run = functools.partial(jax.eval_shape, functools.partial(rnnjax.unroll, ZOO[name]))
    for dtype in ("float32", "bfloat16"):
        own = jax.tree.map(lambda leaf, to=dtype: jnp.asarray(leaf, to), params)
        assert {leaf.dtype.name for leaf in jax.tree.leaves(run(own, xs))} == {dtype}
        wide, _ = run(own, xs, carry)
        narrow = jax.tree.map(lambda leaf, to=dtype: jnp.asarray(leaf, to), carry)
        reset, _ = run(own, xs, narrow, initial=carry, reset=MASK)
        assert {leaf.dtype.name for leaf in jax.tree.leaves((wide, reset))} == {"float32"}


@pytest.mark.parametrize("name", ["lstm", "lstm_layer_norm", "stack"])
@pytest.mark.parametrize("remat", ["none", "sqrt"])
def test_a_batch_without_rows(name, remat):
    cell = ZOO[name]
    params, xs, _ = inputs(name, 0)

    def value(params, xs):
        carry, ys = rnnjax.unroll(cell, params, xs, remat=remat, mask=MASK[:, :0])
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves((carry, ys))), (carry, ys)

    gradient, (carry, ys) = jit(jax.grad(value, has_aux=True))(params, xs[:, :0])
    assert ys.shape == (T, 0, cell.output_size(D))
    assert jax.tree.map(jnp.shape, carry) == jax.tree.map(
        jnp.shape, cell.initial_carry(params, (0,))
    )
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(gradient))


@pytest.mark.parametrize("name", ["lstm", "lstm_peepholes", "bidirectional_deep"])
@pytest.mark.parametrize("dimension", ["T", "B"])
def test_an_export_runs_at_other_sizes(name, dimension):
    params, xs, _ = inputs(name, 0)
    (n,) = jax.export.symbolic_shape("n")
    shape = (n, B, D) if dimension == "T" else (T, n, D)
    run = jax.jit(functools.partial(rnnjax.unroll, ZOO[name], params))
    program = jax.export.export(run)(jax.ShapeDtypeStruct(shape, np.float32))
    for size in (1, 3):
        part = xs[:size] if dimension == "T" else xs[:, :size]
        jax.tree.map(
            functools.partial(np.testing.assert_allclose, atol=1e-6), program.call(part), run(part)
        )


def test_equal_factories_make_equal_cells():
    make = [
        lambda: rnnjax.lstm(5),
        lambda: rnnjax.lstm(5, peepholes=True),
        lambda: rnnjax.lstm(6),
        lambda: rnnjax.gru(5),
        lambda: rnnjax.rnn(5, activation=jax.nn.relu),
        lambda: rnnjax.stack([rnnjax.zoneout(rnnjax.gru(5), 0.1), rnnjax.dense(3)]),
        lambda: rnnjax.bidirectional(rnnjax.rnn(5), rnnjax.rnn(5), combine="sum"),
    ]
    cells, again = [m() for m in make], [m() for m in make]
    assert cells == again
    assert len(set(cells + again)) == len(make)
    for size in (np.int64(5), jnp.int32(5)):
        assert rnnjax.lstm(size) == rnnjax.lstm(hidden_size=5)


def test_equal_cells_share_a_compiled_program():
    traced = []

    @functools.partial(jax.jit, static_argnums=0)
    def run(cell, params, xs):
        traced.append(cell)
        return rnnjax.unroll(cell, params, xs)[1]

    params, xs, _ = inputs("lstm", 0)
    for _ in range(2):
        run(rnnjax.lstm(H), params, xs)
    assert len(traced) == 1


@pytest.mark.parametrize("again", [lambda cell: pickle.loads(pickle.dumps(cell)), copy.deepcopy])
def test_a_cell_travels_as_its_factory_and_arguments(again):
    cell = rnnjax.stack([rnnjax.lstm(H, compute_dtype=jnp.bfloat16), rnnjax.dropout(0.1)])
    params, xs, _ = inputs("lstm", 0)
    twin = again(cell)
    assert twin == cell
    np.testing.assert_array_equal(
        rnnjax.unroll(twin, (params, ()), xs)[1], rnnjax.unroll(cell, (params, ()), xs)[1]
    )


def test_a_cell_of_ones_own_is_copied_and_travels_if_its_functions_do():
    own = rnnjax.Cell(len, len, len, None, len)
    for twin in (copy.deepcopy(own), pickle.loads(pickle.dumps(own))):
        assert twin.project is len


def test_a_cell_reads_as_it_was_written():
    assert repr(rnnjax.lstm(512, peepholes=True)) == "lstm(512, peepholes=True)"
    assert repr(rnnjax.stack([rnnjax.gru(3), rnnjax.dense(2)])) == "stack([gru(3), dense(2)])"


@pytest.mark.parametrize("run", [rnnjax.unroll, rnnjax.unroll_reference])
@pytest.mark.parametrize("name", ["lstm", "gru", "gru_reset_before"])
def test_a_reset_at_the_first_step(run, name):
    """In reverse no step precedes it in time, so that there is nothing to put back."""
    params, xs, carry = inputs(name, 0)
    reset = np.zeros((T, B), bool)
    reset[0] = True
    cell = ZOO[name]
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    fresh, resumed = run(cell, params, xs), run(cell, params, xs, carry, reverse=True)
    jax.tree.map(close, run(cell, params, xs, carry, reset=reset), fresh)
    jax.tree.map(close, run(cell, params, xs, carry, reset=reset, reverse=True), resumed)


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "gru_reset_before"])
def test_a_reset_at_padding_is_held(name, platform):
    params, xs, carry = inputs(name, 0)
    cell = ZOO[name]
    mask, reset = np.ones((T, B), bool), np.zeros((T, B), bool)
    mask[2:4], reset[2] = False, True
    with compiling_for(platform):
        end, ys = rnnjax.unroll(cell, params, xs, carry, mask=mask, reset=reset)
    expected_end, rest = rnnjax.unroll_reference(cell, params, xs[4:])
    close = functools.partial(np.testing.assert_allclose, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, (end, ys[4:]), (expected_end, rest))


@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "lstm_peepholes"])
@pytest.mark.parametrize("dtype", ["bfloat16", "int32"])
def test_inputs_of_another_dtype_are_cast_first(name, dtype):
    params, xs, _ = inputs(name, 0)
    xs = jnp.asarray(3 * xs, dtype)

    @functools.partial(jax.jit, static_argnums=1)
    def run(xs, to):
        return rnnjax.unroll(ZOO[name], params, xs.astype(to))

    jax.tree.map(np.testing.assert_array_equal, run(xs, dtype), run(xs, "float32"))
    if dtype == "bfloat16":

        def slopes(to):
            return jax.grad(lambda xs: run(xs, to)[1].sum())(xs)

        np.testing.assert_array_equal(slopes("bfloat16"), slopes("float32"))
