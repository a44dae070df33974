"""Engines on a batch whose rows live on four devices."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

import rnnjax
from rnnjax.engines import batch_major, transposed
from rnnjax.engines.target import compiling_for

ROOT = Path(__file__).parents[2]
FLAGS = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"

PROGRAM = """
import re
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec as P
import rnnjax
from rnnjax.engines.target import compiling_for

T, B, D, H = 7, 8, 3, 5
CELLS = {
    "lstm": rnnjax.lstm(H),
    "gru": rnnjax.gru(H),
    "before": rnnjax.gru(H, reset="before"),
    "noisy": rnnjax.zoneout(rnnjax.lstm(H), 0.3),
}
draw = np.random.default_rng(0)
xs = draw.standard_normal((T, B, D)).astype(np.float32)
weights = draw.standard_normal((T, B, H)).astype(np.float32)
mask, reset = draw.random((2, T, B)) < 0.7
key = jax.random.key(5)


def program(cell, options, mesh):
    def loss(params, xs, mask, reset, weights):
        carry, ys = rnnjax.unroll(cell, params, xs, mask=mask, reset=reset, key=key, **options)
        return jnp.sum(ys * weights) + sum(jnp.sum(c**2) for c in jax.tree.leaves(carry)), ys

    def run(*args):
        if mesh is None:
            return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(*args)
        with jax.sharding.use_abstract_mesh(mesh.abstract_mesh):
            return jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)(*args)

    return jax.jit(run)


def loops_that_talk(text):
    bodies = set(re.findall(r"body=%?([\\w.\\-]+)", text))
    talk = re.compile(r" (all-reduce|all-gather|all-to-all|collective-permute)")
    found, inside = set(), None
    for line in text.splitlines():
        if line and not line[0].isspace():
            inside = line.split()[0].lstrip("%")
        elif inside in bodies and talk.search(line):
            found.add(line.strip()[:100])
    return found


def whole_or_rows(mesh, a):
    return jax.device_put(a, NamedSharding(mesh, P(None, ("data", "fsdp"))))


def close(got, expected, where):
    for one, other in zip(jax.tree.leaves(got), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-5, err_msg=where)


shape = dict(data=2, fsdp=2)
mesh = jax.make_mesh(tuple(shape.values()), tuple(shape), axis_types=(AxisType.Auto,) * 2)
CASES = [
    ("cpu", "lstm", {}),
    ("cpu", "gru", {"reverse": True, "remat": "sqrt"}),
    ("cpu", "noisy", {"remat": "sqrt"}),
    ("cpu", "before", {"remat": "gates"}),
    ("tpu", "lstm", {"remat": "gates"}),
]
for layout, name, options in CASES:
    cell = CELLS[name]
    params = cell.init(jax.random.key(1), D)
    expected = program(cell, options, None)(params, xs, mask, reset, weights)
    arrays = [whole_or_rows(mesh, a) for a in (xs, mask, reset, weights)]
    placed = jax.device_put(params, NamedSharding(mesh, P()))
    with compiling_for(layout):
        compiled = program(cell, options, mesh).lower(placed, *arrays).compile()
    got = compiled(placed, *arrays)
    where = f"{layout} {name} {options}"
    close(got, expected, where)
    assert len(got[0][1].sharding.device_set) == 4
    assert not loops_that_talk(compiled.as_text()), (where, compiled.as_text())
    assert "all-reduce" in compiled.as_text()

# Rows that four devices do not divide are left to XLA.
cell, params = CELLS["lstm"], CELLS["lstm"].init(jax.random.key(1), D)
few = [a[:, :6] for a in (xs, mask, reset, weights)]
expected = program(cell, {}, None)(params, *few)
close(program(cell, {}, mesh)(params, *few), expected, "six rows")

# Inside of a user's shard_map, with each array's axes checked.
deep = rnnjax.stack([CELLS["before"], CELLS["gru"]])
for layout, cell in [("cpu", CELLS["lstm"]), ("gpu", deep)]:
    params = cell.init(jax.random.key(1), D)

    def total(params, xs, mask, reset, shared):
        carry, ys = rnnjax.unroll(cell, params, xs, mask=mask, reset=reset, remat="sqrt")
        value = jnp.sum(ys**2) + sum(jnp.sum(c**2) for c in jax.tree.leaves(carry))
        return jax.lax.psum(value, ("data", "fsdp")) if shared else value

    gradient = jax.value_and_grad(total, argnums=(0, 1))
    own = P(None, ("data", "fsdp"))
    with compiling_for(layout):
        sharded = jax.shard_map(
            lambda *a: gradient(*a, True), mesh=mesh, in_specs=(P(), own, own, own),
            out_specs=(P(), (P(), own)),
        )
        close(jax.jit(sharded)(params, xs, mask, reset), gradient(params, xs, mask, reset, False),
              f"shard_map {layout}")
print("agreed")
"""


def test_rows_on_four_devices_give_the_same_and_no_loop_waits_for_another_device():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": FLAGS},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "agreed"


@pytest.mark.parametrize("layout", [transposed, batch_major], ids=["cpu", "gpu"])
def test_the_chunks_of_a_fused_engine_are_those_of_the_rows_of_a_device(layout, monkeypatch):
    cell, xs, sizes = rnnjax.lstm(4), jnp.zeros((6, 64, 3)), []
    chunk_size = layout.chunk_size
    monkeypatch.setattr(
        layout, "chunk_size", lambda *sized: sizes.append(sized[1]) or chunk_size(*sized)
    )
    mesh = jax.sharding.AbstractMesh((4,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    run = functools.partial(rnnjax.unroll, cell, engine="fused_lstm")
    platform = "cpu" if layout is transposed else "gpu"
    with jax.sharding.use_abstract_mesh(mesh), compiling_for(platform):
        jax.eval_shape(run, cell.init(jax.random.key(0), 3), xs)
    assert sizes == [64 // 4]
