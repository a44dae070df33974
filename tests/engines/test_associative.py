"""The associative engine against the plain loop."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import UserError
from rnnjax.engines import associative
from rnnjax.engines.target import compiling_for
from tests.engines.test_fused import OPTIONS, H, arguments, error, float64_error

CELLS = {
    "mingru": rnnjax.mingru,
    "minlstm": rnnjax.minlstm,
    "rg_lru": rnnjax.rg_lru,
    "lru": functools.partial(rnnjax.lru, state_size=5),
}
CASES = [("mingru", 0), ("lru", 1), ("lru", 2), ("rg_lru", 1), ("minlstm", 3)]
"""Cell, and row of `OPTIONS`."""


@pytest.mark.parametrize(("name", "row"), CASES)
def test_outputs_and_gradients_are_those_of_the_loop(name, row, monkeypatch):
    if OPTIONS[row]["reverse"]:  # the 11 steps are 3 blocks, the last of which is padded by one
        monkeypatch.setattr(associative, "SHORT", 4)
        monkeypatch.setattr(associative, "BLOCK", 0)
    assert float64_error("associative", CELLS[name](H), OPTIONS[row]) < 1e-13


@pytest.mark.parametrize(
    ("num_steps", "batch"), [(1, ()), (2, (2, 2)), (5, ()), (16, ()), (17, (2, 2))]
)
def test_any_number_of_steps_and_any_batch(num_steps, batch):
    cell = rnnjax.minlstm(H)
    params, xs, carry, _ = arguments(cell, jnp.float32, batch=batch)
    xs = jnp.concatenate([xs, xs + 1])[:num_steps]
    ours, loop = (
        jax.jit(functools.partial(rnnjax.unroll, cell, engine=engine))(params, xs, carry)
        for engine in ("associative", "scan")
    )
    assert error(ours, loop) < 1e-6


def explained(cell, shape, **options):
    params = jax.eval_shape(lambda: cell.init(jax.random.key(0), shape[-1]))
    return rnnjax.explain(cell, params, jax.ShapeDtypeStruct(shape, jnp.float32), **options)


def test_auto_says_when_it_pays():
    assert "engine associative on " in explained(rnnjax.mingru(4), (64, 2, 3))
    short = explained(rnnjax.mingru(4), (63, 2, 3))
    assert "does not pay for 63 steps (it does from 64 on)" in short
    wide = explained(rnnjax.lru(256), (64, 128, 3))
    assert "does not pay for a carry of 65,536 numbers on a CPU (it does below 1,024)" in wide
    assert "engine generic on " in wide
    with compiling_for("gpu"):
        assert "engine associative on " in explained(rnnjax.lru(256), (64, 128, 3))
    assert "engine scan on " in explained(rnnjax.mingru(4), (64, 2, 3), remat="sqrt")
    with pytest.raises(UserError, match="the cell is not linear in its carry"):
        explained(rnnjax.gru(4), (64, 2, 3), engine="associative")


def test_streaming_goes_on_where_a_window_ended():
    """Windows of 70 and 3 steps, then single steps, against all steps at once."""
    cell = rnnjax.lru(4)
    params = cell.init(jax.random.key(0), 3)
    xs = jax.random.normal(jax.random.key(1), (75, 2, 3))
    run = jax.jit(functools.partial(rnnjax.unroll, cell))
    _, whole = run(params, xs)
    carry, first = run(params, xs[:70])
    carry, second = run(params, xs[70:73], carry)
    found = [first, second]
    for x_t in xs[73:]:
        carry, y_t = cell(params, carry, x_t)
        found.append(y_t[None])
    np.testing.assert_allclose(np.concatenate(found), whole, atol=1e-5)
