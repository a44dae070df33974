"""The engine of cells with a memory of values times keys, against the plain loop."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import UserError
from rnnjax.engines import chunkwise
from rnnjax.engines.target import compiling_for
from tests.engines.test_fused import OPTIONS, H, error, float64_error
from tests.scan.test_memory import temporary_bytes

CELLS = {
    "mlstm": functools.partial(rnnjax.mlstm, num_heads=2),
    "mamba2": functools.partial(rnnjax.mamba2, num_heads=2, state_size=3),
    "gated_deltanet": functools.partial(rnnjax.gated_deltanet, num_heads=3),
}
CASES = [*[("mlstm", row, 4) for row in range(6)], ("mamba2", 1, 4), ("mamba2", 2, 4),
         ("gated_deltanet", 1, 4), ("gated_deltanet", 0, 16)]  # fmt: skip
"""Cell, row of `OPTIONS`, and steps a chunk: of 4, the last of three is padded by one."""


@pytest.mark.parametrize(("name", "row", "chunk"), CASES)
def test_outputs_and_gradients_are_those_of_the_loop(name, row, chunk, monkeypatch):
    monkeypatch.setattr(chunkwise, "CHUNK", chunk)
    assert float64_error("chunkwise", CELLS[name](H), OPTIONS[row]) < 1e-12


def test_gates_that_would_overflow():
    """Input gates up to exp(400): only their ratio counts, and the largest is the stabiliser."""
    cell = rnnjax.mlstm(2, num_heads=1)
    params = cell.init(jax.random.key(0), 3)
    params = params._replace(w_ih=params.w_ih.at[:, -2].mul(300))
    xs = jax.random.normal(jax.random.key(1), (40, 2, 3))
    ours, scan = (
        rnnjax.unroll(cell, params, xs, engine=engine) for engine in ("chunkwise", "scan")
    )
    assert np.asarray(scan[0].m).max() > 100
    assert error(ours, scan) < 1e-4


@pytest.mark.parametrize("name", ["mamba2", "gated_deltanet"])
def test_memories_that_fade_within_a_step(name):
    """Inputs of 100: a step keeps down to exp(-1000), and the next steps keep more."""
    cell = CELLS[name](H)
    with jax.enable_x64(True):
        params = cell.init(jax.random.key(0), 3)
        xs = 100 * jax.random.normal(jax.random.key(1), (40, 2, 3))
        narrow = jax.tree.map(lambda a: a.astype(jnp.float32), (params, xs))
        wide = jax.tree.map(lambda a: a.astype(jnp.float64), narrow)
        _, found = rnnjax.unroll(cell, *narrow, engine="chunkwise")
        _, exact = rnnjax.unroll(cell, *wide, engine="scan")
    assert error(found, exact) < 2e-6


@pytest.mark.parametrize("engine", ["chunkwise", "scan"])
def test_input_gates_that_are_shut_from_the_beginning(engine):
    """What is read is 0, and so are the gradients."""
    cell = rnnjax.mlstm(2, num_heads=1)
    params = cell.init(jax.random.key(0), 3)
    params = params._replace(b=params.b.at[-2].set(-200))
    xs = jax.random.normal(jax.random.key(1), (3, 2, 3))
    gradients = jax.grad(lambda p: rnnjax.unroll(cell, p, xs, engine=engine)[1].sum())(params)
    assert max(np.abs(a).max() for a in gradients) < 1e-30


def test_it_keeps_a_memory_a_chunk():
    """A sixteenth of 256 memories of [2, 1, 33, 32] in float32, and what is as long as xs."""
    make = functools.partial(rnnjax.mlstm, num_heads=1)
    sizes = {"batch_size": 2, "hidden_size": 32, "engine": "chunkwise"}
    assert temporary_bytes(make, 256, "none", **sizes) < 256 * 2 * 33 * 32 * 4 / 4


def test_what_is_said_about_it():
    xs = jnp.zeros((7, 2, 3))

    def explained(cell, **options):
        return rnnjax.explain(cell, cell.init(jax.random.key(0), 3), xs, **options)

    assert "engine chunkwise on cpu" in explained(rnnjax.mamba2(4))
    with compiling_for("gpu"):
        assert "chunkwise was measured on CPUs alone" in explained(rnnjax.mamba2(4))
    with pytest.raises(UserError, match="the cell has no memory of values times keys"):
        explained(rnnjax.slstm(4), engine="chunkwise")
