"""What the compiled gradient needs besides its inputs and outputs."""

import functools

import jax
import jax.numpy as jnp
import pytest

import rnnjax


def temporary_bytes(cell, num_steps, remat, *, batch_size, hidden_size, engine="auto"):
    """Of the gradient, by the params, of the final carry. The outputs are given back, not kept."""

    def value(params, xs):
        carry, ys = rnnjax.unroll(cell(hidden_size), params, xs, remat=remat, engine=engine)
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(carry)), ys

    params = jax.eval_shape(lambda: cell(hidden_size).init(jax.random.key(0), 1))
    xs = jax.ShapeDtypeStruct((num_steps, batch_size, 1), jnp.float32)
    compiled = jax.jit(jax.grad(value, has_aux=True)).lower(params, xs).compile()
    return compiled.memory_analysis().temp_size_in_bytes


CELLS = [rnnjax.lstm, functools.partial(rnnjax.lstm, peepholes=True)]


@pytest.mark.parametrize("cell", CELLS)
def test_sqrt_grows_like_the_square_root_of_the_length(cell):
    sizes = {"batch_size": 8, "hidden_size": 32}
    short = temporary_bytes(cell, 1600, "sqrt", **sizes)
    long = temporary_bytes(cell, 6400, "sqrt", **sizes)
    assert 1.5 < long / short < 2.6
    assert temporary_bytes(cell, 6400, "none", **sizes) > 8 * long


@pytest.mark.parametrize("engine", ["fused_lstm", "scan"])
def test_gates_saves_what_a_step_computes(engine):
    sizes = {"batch_size": 8, "hidden_size": 32, "engine": engine}
    kept = temporary_bytes(rnnjax.lstm, 1600, "none", **sizes)
    assert kept > 1.8 * temporary_bytes(rnnjax.lstm, 1600, "gates", **sizes)


def test_ten_thousand_steps_of_256_units_train_under_two_gib():
    needed = temporary_bytes(rnnjax.lstm, 10_000, "sqrt", batch_size=8, hidden_size=256)
    assert needed < 2**29
