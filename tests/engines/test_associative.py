"""The associative engine against the plain loop, and the recurrence under it against NumPy."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import UserError
from rnnjax.engines import associative
from rnnjax.engines.linear_scan import linear_scan
from rnnjax.engines.target import compiling_for
from tests.engines.test_fused import arguments, error, flags, outputs_and_gradients

H = 6
CELLS = {
    "mingru": rnnjax.mingru,
    "minlstm": rnnjax.minlstm,
    "rg_lru": rnnjax.rg_lru,
    "lru": functools.partial(rnnjax.lru, state_size=5),
}
CASES = [
    ("mingru", {"remat": "none", "mask": False, "reset": False, "reverse": False}),
    ("lru", {"remat": "none", "mask": True, "reset": True, "reverse": True}),
    ("lru", {"remat": "gates", "mask": True, "reset": True, "reverse": False}),
    ("rg_lru", {"remat": "none", "mask": False, "reset": True, "reverse": True}),
    ("minlstm", {"remat": "gates", "mask": True, "reset": False, "reverse": True}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_outputs_and_gradients_are_those_of_the_loop(name, options, monkeypatch):
    if options["reverse"]:  # the 11 steps are 3 blocks, the last of which is padded by one
        monkeypatch.setattr(associative, "SHORT", 4)
        monkeypatch.setattr(associative, "BLOCK", 0)
    with jax.enable_x64(True):
        cell = CELLS[name](H)
        args = arguments(cell, jnp.float64)
        given = flags(options)
        ours = functools.partial(
            rnnjax.unroll, cell, engine="associative", remat=options["remat"], **given
        )
        loop = functools.partial(rnnjax.unroll, cell, engine="scan", **given)
        assert error(outputs_and_gradients(ours, args), outputs_and_gradients(loop, args)) < 1e-13


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


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
def test_the_recurrence_and_its_gradient_in_numpy(dtype):
    """12 steps in 4 chunks of 3, and one number of the arguments at a time."""
    draw = np.random.default_rng(0)

    def drawn(*shape):
        values = draw.standard_normal((2, *shape))
        return values[0] if dtype == np.float64 else values[0] + 1j * values[1]

    a, b, h_0 = drawn(12, 2), drawn(12, 2), drawn(2)

    def states(a, b, h):
        found = []
        for a_t, b_t in zip(a, b, strict=True):
            h = a_t * h + b_t
            found.append(h)
        return np.stack(found)

    def chunked(x):
        return x.reshape(4, 3, 2).swapaxes(0, 1)

    weights = drawn(12, 2)

    def value(a, b, h_0):
        return np.real(np.sum(states(a, b, h_0) * weights))

    with jax.enable_x64(True):
        h = linear_scan(chunked(a), chunked(b), h_0)
        np.testing.assert_allclose(h.swapaxes(0, 1).reshape(12, 2), states(a, b, h_0), atol=1e-12)
        gradients = jax.grad(
            lambda *arguments: jnp.sum(linear_scan(*arguments) * chunked(weights)).real,
            argnums=(0, 1, 2),
        )(chunked(a), chunked(b), jnp.asarray(h_0))
    ours = [*(g.swapaxes(0, 1).reshape(12, 2) for g in gradients[:2]), gradients[2]]
    units = [1.0] if dtype == np.float64 else [1.0, -1j]  # JAX's gradient is conjugated
    for n, found in enumerate(ours):
        for index in np.ndindex(found.shape):
            expected = 0.0
            for unit in units:
                ends = []
                for sign in (1, -1):
                    moved = [a.copy(), b.copy(), h_0.copy()]
                    moved[n][index] += sign * 1e-6 * np.conj(unit)
                    ends.append(value(*moved))
                expected += unit * (ends[0] - ends[1]) / 2e-6
            assert found[index] == pytest.approx(expected, rel=1e-6, abs=1e-7)


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
