"""The kernels that keep the weights on the chip, in the interpreter of Pallas."""

import functools

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

import rnnjax
from rnnjax import UserError
from rnnjax.engines import persistent_kernels
from rnnjax.engines.target import compiling_for
from tests.engines.test_fused import (
    CELLS,
    OPTIONS,
    B,
    D,
    T,
    arguments,
    error,
    flags,
    float64_error,
    outputs_and_gradients,
)

H = 16
CASES = [
    ("lstm", OPTIONS[1]),
    ("lstm", OPTIONS[4]),
    ("gru", OPTIONS[0]),
    ("gru", OPTIONS[2]),
    ("gru without reset", OPTIONS[3]),
    ("rnn", OPTIONS[1]),
]


@pytest.mark.parametrize(("name", "options"), CASES)
def test_float64_outputs_and_gradients_are_those_of_the_plain_loop(name, options, monkeypatch):
    monkeypatch.setattr(persistent_kernels, "_ROWS", 2)  # two programs, one row of padding
    if options["remat"] == "sqrt":  # two gates on the chip, two read in each step
        monkeypatch.setattr(persistent_kernels, "ON_CHIP", 3 * H**2 * 8)
    assert float64_error("persistent", CELLS[name][1](H), options) < 1e-12


def test_narrow_operands_are_those_of_the_loop_on_a_gpu():
    cell = rnnjax.gru(H, compute_dtype=jnp.bfloat16)
    args = arguments(cell, jnp.float32)
    kernels = functools.partial(rnnjax.unroll, cell, engine="persistent")
    with compiling_for("gpu"):
        loop = functools.partial(rnnjax.unroll, cell, engine="fused_gru")
        expected = outputs_and_gradients(loop, args)
    actual = outputs_and_gradients(kernels, args)
    wide = functools.partial(rnnjax.unroll, rnnjax.gru(H), engine="persistent")
    assert error(actual, expected) < 1e-3 < error(outputs_and_gradients(wide, args), expected)


@pytest.mark.parametrize("name", CELLS)
def test_a_gpu_gets_a_kernel_forward_and_one_backward(name):
    cell = CELLS[name][1](H, compute_dtype=jnp.bfloat16)
    args = arguments(cell, jnp.float32)
    run = functools.partial(rnnjax.unroll, cell, engine="persistent", **flags(OPTIONS[1]))

    def loss(params, xs, carry, initial):
        return run(params, xs, carry, initial=initial)[1].sum()

    gpu = AbstractDevice("NVIDIA H200", None, "gpu")
    with compiling_for("gpu"), use_abstract_mesh(AbstractMesh((1,), ("x",), abstract_device=gpu)):
        traced = jax.jit(jax.grad(loss)).trace(*args)
        program = traced.lower(lowering_platforms=("cuda",)).as_text()
    assert program.count("@__gpu$xla.gpu.triton") == 2


@pytest.mark.parametrize(
    ("cell", "platform", "reason"),
    [
        (rnnjax.gru(16, reset="before"), "gpu", "none can run this"),
        (rnnjax.lstm(24), "gpu", "powers of two from 16 on; H is 24"),
        (rnnjax.lstm(8), "gpu", "powers of two from 16 on; H is 8"),
        (rnnjax.rnn(256), "gpu", "256 KiB, and 200 KiB of the chip must hold one"),
        (rnnjax.lstm(256, compute_dtype=jnp.bfloat16), "gpu", "128 KiB, and .* must hold two"),
        (rnnjax.lstm(16), "tpu", "for GPUs"),
    ],
)
def test_what_it_cannot_run_is_told(cell, platform, reason):
    params = cell.init(jax.random.key(0), D)
    with compiling_for(platform), pytest.raises(UserError, match=f"'persistent'.*{reason}"):
        rnnjax.explain(cell, params, jnp.zeros((T, B, D)), engine="persistent")


def test_operands_of_64_bits_are_not_for_a_gpu():
    with jax.enable_x64(True), compiling_for("gpu"):
        cell = rnnjax.lstm(16)
        params, xs, *_ = arguments(cell, jnp.float64)
        with pytest.raises(UserError, match="32 bits at most; these are float64"):
            rnnjax.explain(cell, params, xs, engine="persistent")


@pytest.mark.parametrize(
    ("platform", "told"),
    [
        ("cpu", "though it runs in the interpreter"),
        ("gpu", "though it has not been measured on a GPU"),
    ],
)
def test_it_is_taken_by_name_alone_and_says_what_that_means(platform, told):
    cell = rnnjax.lstm(128)
    explain = functools.partial(rnnjax.explain, cell, cell.init(jax.random.key(0), D))
    with compiling_for(platform):
        assert "engine fused_lstm" in explain(jnp.zeros((T, B, D)))
        assert told in explain(jnp.zeros((T, B, D)), engine="persistent")
