"""The engine of any cell: against the plain loop, and against JAX where the loop says nothing."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import UserError
from rnnjax.engines import generic, target
from rnnjax.engines.target import compiling_for
from tests.engines.test_fused import OPTIONS, B, H, arguments, error, float64_error
from tests.engines.test_fused import outputs_and_gradients as results
from tests.scan.test_memory import temporary_bytes

CELLS = {
    "peepholes": functools.partial(rnnjax.lstm, peepholes=True),
    "layer norm": functools.partial(rnnjax.lstm, layer_norm=True, projection_size=4),
    "two matmuls": functools.partial(rnnjax.gru, reset="before"),
}
CASES = [("peepholes", 0, 1), ("peepholes", 1, 2**18), ("peepholes", 2, 1), ("peepholes", 3, 2**18),
         ("layer norm", 1, 1), ("two matmuls", 2, 2**18)]  # fmt: skip
"""Cell, row of `OPTIONS`, and the numbers of a matrix from which inputs are projected ahead."""


@pytest.fixture(autouse=True)
def _several_chunks(monkeypatch):
    """So that the 11 steps are 3 chunks, the last of which is padded by one step."""
    monkeypatch.setattr(generic, "ROWS", 4 * B)
    monkeypatch.setattr(generic, "REUSE", 0)  # however few parameters there are


@pytest.mark.parametrize(("name", "row", "matrix"), CASES)
def test_outputs_and_gradients_are_those_of_the_loop(name, row, matrix, monkeypatch):
    monkeypatch.setattr(target, "_MATRIX", matrix)
    assert float64_error("generic", CELLS[name](H), OPTIONS[row]) < 1e-13


def test_noise_is_that_of_the_scan():
    cell = rnnjax.zoneout(rnnjax.lstm(H, stochastic_gates=True), 0.3)
    key = jax.random.key(5)
    with jax.enable_x64(True):
        args = arguments(cell, jnp.float64)
        ours, scan = (
            functools.partial(rnnjax.unroll, cell, engine=engine, key=key)
            for engine in ("generic", "scan")
        )
        assert error(results(ours, args), results(scan, args)) < 1e-13


def test_a_step_may_use_what_somebody_differentiates():
    """The decay stands in no parameter; its gradient by finite differences."""
    params, xs, *_ = arguments(rnnjax.rnn(H), jnp.float32)

    def loss(decay, engine="generic"):
        plain = rnnjax.rnn(H, activation=lambda a: decay * jnp.tanh(a))
        return jnp.sum(rnnjax.unroll(plain, params, xs, engine=engine)[1] ** 2)

    with jax.enable_x64(True):
        params, xs = jax.tree.map(lambda a: a.astype(jnp.float64), (params, xs))
        value, gradient = jax.jit(jax.value_and_grad(loss))(0.7)
        numeric = (loss(0.7 + 1e-6, "scan") - loss(0.7 - 1e-6, "scan")) / 2e-6
        np.testing.assert_allclose(gradient, numeric, rtol=1e-7)
        np.testing.assert_allclose(value, loss(0.7, "scan"), rtol=1e-12)


def test_gradients_under_vmap_and_checkpoint_and_twice():
    cell = CELLS["peepholes"](H)
    params, xs, *_ = arguments(cell, jnp.float32)

    def found(engine):
        def loss(params, xs):
            return jnp.square(rnnjax.unroll(cell, params, xs, engine=engine)[1]).sum()

        of_rows = jax.vmap(jax.grad(jax.checkpoint(loss)), (None, 0))
        twice = jax.grad(lambda xs: jnp.square(jax.grad(loss, 1)(params, xs)).sum())
        return jax.jit(of_rows)(params, jnp.stack([xs, 2 * xs])), jax.jit(twice)(xs)

    assert error(found("generic"), found("scan")) < 1e-5


def test_it_keeps_less_memory_than_the_scan():
    """It keeps the carries alone, 2 H numbers a step and row; the scan keeps the gates too."""

    def temporary(engine):
        sizes = {"batch_size": 8, "hidden_size": 32, "engine": engine}
        return temporary_bytes(CELLS["peepholes"], 600, "none", **sizes)

    assert temporary("generic") < temporary("scan") / 2


@pytest.mark.parametrize(
    ("make", "num_rows", "remat", "own"),
    [
        (CELLS["two matmuls"], 2, "none", True),  # (D + H) / B is 16
        (CELLS["two matmuls"], 8, "none", False),  # 4
        (CELLS["two matmuls"], 8, "gates", True),
        (rnnjax.sru, 8, "none", True),  # a step reads 4 H numbers, the carry is H
    ],
)
def test_jax_differentiates_where_many_rows_share_few_parameters(
    make, num_rows, remat, own, monkeypatch
):
    monkeypatch.setattr(generic, "REUSE", 8)
    cell = make(16)
    params = cell.init(jax.random.key(0), 16)
    xs = jnp.zeros((3, num_rows, 16))
    run = functools.partial(rnnjax.unroll, cell, engine="generic", remat=remat)
    assert ("custom_vjp" in str(jax.make_jaxpr(run)(params, xs))) == own


def test_what_it_does_not_serve_is_said():
    cell = rnnjax.lstm(4, peepholes=True)
    params = cell.init(jax.random.key(0), 3)
    xs = jnp.zeros((7, 2, 3))
    explained = functools.partial(rnnjax.explain, cell, params, xs)
    assert "engine generic on cpu" in explained()
    memory = rnnjax.fast_weights(12)
    memory_params = memory.init(jax.random.key(0), 3)
    said = rnnjax.explain(memory, memory_params, xs)
    assert "engine scan on cpu" in said
    assert "a carry of 312 numbers (it does up to 8 times the 24 that a step reads)" in said
    assert 'which remat="sqrt" does not' in explained(remat="sqrt")
    assert "engine scan on cpu" in explained(remat="sqrt")
    with compiling_for("gpu"):
        assert "generic was measured on CPUs alone" in explained()
    counts = dataclasses.replace(
        cell,
        initial_carry=lambda params, batch_shape: jnp.zeros(batch_shape, jnp.int32),
        step=lambda params, carry, u_t: (carry + 1, u_t),
    )
    with pytest.raises(UserError, match="for real numbers, and the cell holds int32"):
        rnnjax.unroll(counts, params, xs, engine="generic")
