"""Which engine runs what, and what is said about it."""

import jax
import jax.numpy as jnp
import pytest

import rnnjax
from rnnjax import UserError
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
        (rnnjax.gru(4, reset="before"), "scan"),
        (rnnjax.rnn(4), "fused_rnn"),
        (rnnjax.rnn(4, activation=jax.nn.gelu), "scan"),
        (rnnjax.lstm(4, peepholes=True), "scan"),
        (rnnjax.zoneout(rnnjax.lstm(4), 0.1), "scan"),
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


def test_a_carry_of_another_dtype_is_refused():
    with pytest.raises(UserError, match="the carry is bfloat16, the parameters are float32"):
        unroll(rnnjax.gru(4), "fused_gru", carry=jnp.zeros((2, 4), jnp.bfloat16))


@pytest.mark.parametrize("platform", ["cpu", "gpu", "tpu"])
def test_the_explanation_names_the_platform(platform):
    cell = rnnjax.lstm(4)
    with compiling_for(platform):
        explanation = rnnjax.explain(cell, cell.init(jax.random.key(0), 3), XS)
    assert f"engine fused_lstm on {platform}: the first choice" in explanation


def test_an_unknown_engine_is_named_with_the_nearest():
    with pytest.raises(UserError, match=r"unknown engine 'fused_lst'.*fused_lstm"):
        unroll(rnnjax.lstm(4), "fused_lst")
