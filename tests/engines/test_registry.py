"""Which engine runs what, and what is said about it."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import UserError
from rnnjax.cells.named import make_cell
from rnnjax.engines.target import compiling_for

XS = jnp.zeros((5, 2, 3))


def unroll(cell, engine, **options):
    return rnnjax.unroll(cell, cell.init(jax.random.key(0), 3), XS, engine=engine, **options)


@pytest.mark.parametrize(
    ("cell", "engine"),
    [
        (rnnjax.lstm(4), "fused_lstm"),
        (rnnjax.gru(4), "fused_gru"),
        (rnnjax.gru(4, reset="none"), "fused_gru"),
        (rnnjax.gru(4, reset="before"), "generic"),
        (rnnjax.rnn(4), "fused_rnn"),
        (rnnjax.rnn(4, activation=jax.nn.gelu), "generic"),
        (rnnjax.lstm(4, peepholes=True), "generic"),
        (rnnjax.zoneout(rnnjax.lstm(4), 0.1), "generic"),
    ],
)
def test_auto_takes_the_fused_form_where_there_is_one(cell, engine):
    explanation = rnnjax.explain(cell, cell.init(jax.random.key(0), 3), XS)
    assert f"engine {engine} on " in explanation


@pytest.mark.parametrize(
    ("cell", "engine", "reason"),
    [
        (rnnjax.lstm(4, layer_norm=True), "fused_lstm", "standard LSTM"),
        (rnnjax.gru(4), "fused_lstm", "standard LSTM"),
        (rnnjax.gru(4, reset="before"), "fused_gru", "second matmul"),
        (rnnjax.rnn(4, activation=jax.nn.gelu), "fused_rnn", "derivatives of jnp.tanh"),
    ],
)
def test_an_engine_asked_by_name_says_why_it_cannot(cell, engine, reason):
    with pytest.raises(UserError, match=f"engine '{engine}' cannot run this: .*{reason}"):
        unroll(cell, engine)


def test_a_carry_wider_than_the_params_is_refused():
    cell = rnnjax.gru(4)
    params = jax.tree.map(lambda a: a.astype(jnp.bfloat16), cell.init(jax.random.key(0), 3))
    with pytest.raises(UserError, match="parameters and carry are bfloat16 and float32"):
        rnnjax.unroll(cell, params, XS, jnp.zeros((2, 4)), engine="fused_gru")


@pytest.mark.parametrize(
    ("cell", "narrow"),
    [
        (rnnjax.lstm(4), ("w_ih", "w_hh")),
        (rnnjax.mamba2(4), ("scale",)),
        (rnnjax.qrnn(4), ("w_ih",)),
        (rnnjax.sru(4), ("w_ih",)),
    ],
)
def test_params_of_several_dtypes(cell, narrow):
    params = cell.init(jax.random.key(0), 3)
    params = params._replace(**{name: getattr(params, name).astype("bfloat16") for name in narrow})
    slopes = jax.grad(lambda params, run: run(cell, params, XS + 1)[1].astype(float).sum())
    ours, expected = (slopes(params, run) for run in (rnnjax.unroll, rnnjax.unroll_reference))
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(*np.asarray([one, other], float), rtol=0.02, atol=0.05)
    runs = (run(cell, params, XS) for run in (rnnjax.unroll, rnnjax.unroll_reference))
    ours, expected = (jax.tree.map(lambda leaf: leaf.dtype.name, one) for one in runs)
    assert ours == expected


@pytest.mark.parametrize("platform", ["cpu", "gpu", "tpu"])
def test_the_explanation_names_the_platform(platform):
    cell = rnnjax.lstm(4)
    with compiling_for(platform):
        explanation = rnnjax.explain(cell, cell.init(jax.random.key(0), 3), XS)
    assert f"engine fused_lstm on {platform}: the first choice" in explanation


def test_an_unknown_engine_is_named_with_the_nearest():
    with pytest.raises(UserError, match=r"unknown engine 'fused_lst'.*fused_lstm"):
        unroll(rnnjax.lstm(4), "fused_lst")


@pytest.mark.parametrize(("platform", "steps"), [("cpu", 1), ("gpu", 4), ("tpu", 1)])
@pytest.mark.parametrize("cell", [rnnjax.lstm(3), rnnjax.lstm(3, peepholes=True)])
def test_a_gpu_takes_four_steps_an_iteration(platform, steps, cell):
    params = cell.init(jax.random.key(0), 2)
    with compiling_for(platform):
        traced = jax.make_jaxpr(lambda xs: rnnjax.unroll(cell, params, xs))(jnp.ones((9, 2, 2)))
    assert set(re.findall(r"length=9\b.*?unroll=(\d+)", str(traced), re.S)) == {str(steps)}


@pytest.mark.parametrize("platform", ["cpu", "gpu"])
@pytest.mark.parametrize("name", ["lstm", "gru", "rnn", "gru_cho"])
def test_narrow_operands_are_summed_in_the_wide_dtype(platform, name):
    cell = make_cell(name, 3, compute_dtype=jnp.bfloat16)
    params = cell.init(jax.random.key(0), 2)

    def loss(params, xs):
        return jnp.sum(rnnjax.unroll(cell, params, xs)[1])

    with compiling_for(platform):
        lowered = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(params, jnp.ones((5, 2, 2)))
    kind = r"tensor<[\dx]*(\w+)>"
    dots = re.findall(rf"dot_general .*: \({kind}, {kind}\) -> {kind}", lowered.as_text())
    assert {total for *_, total in dots} == {"f32"}
    assert ("bf16", "bf16", "f32") in dots
