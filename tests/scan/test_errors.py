"""Mistakes in calling `unroll`: one clear message each."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import LSTMCarry

CELL = rnnjax.lstm(2)
XS = jnp.ones((4, 3, 2))


@pytest.fixture(scope="module")
def params():
    return CELL.init(jax.random.key(0), 2)


@pytest.mark.parametrize("run", [rnnjax.unroll, rnnjax.unroll_reference])
@pytest.mark.parametrize(
    ("xs", "options", "message"),
    [
        (XS[0, 0], {}, r"\[T, B, D\] or \[T, D\]; got \[2\]"),
        (XS[:0], {}, r"no time step; got shape \[0, 3, 2\]"),
        (XS, {"mask": np.ones((3, 4), bool)}, r"mask has the shape .* \[4, 3\]; got \[3, 4\]"),
        (XS, {"mask": np.ones((4, 3, 2), bool)}, r"mask has .* \[4, 3\]; got \[4, 3, 2\]"),
        (XS, {"mask": np.ones((4, 3))}, "mask is boolean; got float64"),
        (XS, {"reset": np.ones(4, bool)}, r"reset has .* \[4, 3\]; got \[4\]"),
        (XS, {"reset": np.ones((4, 3), np.int32)}, "reset is boolean; got int32"),
        (XS[:, 0], {"mask": np.ones((4, 1), bool)}, r"mask has .* \[4\]; got \[4, 1\]"),
        (
            jnp.ones((4, 3, 5)),
            {},
            r"of size 5, lstm\(2\) has params.w_ih of shape \[5, 8\]; got \[2",
        ),
        (
            XS,
            {"carry": LSTMCarry(*jnp.zeros((2, 4, 2)))},
            r"carry.c of shape \[3, 2\]; got \[4, 2\]",
        ),
        (XS, {"carry": jnp.zeros((3, 2))}, r"LSTMCarry\(c=\[3, 2\], h=\[3, 2\]\); got \[3, 2\]"),
        (
            XS,
            {"carry": jnp.zeros((2, 3, 2), int)},
            r"carry LSTMCarry.*; got \[2, 3, 2\] of dtype int",
        ),
        (
            XS,
            {"carry": LSTMCarry(jnp.zeros((3, 2)).at[1].set(jnp.nan), jnp.zeros((3, 2)))},
            r"carry.c of lstm\(2\) is NaN in 2 of 6 numbers",
        ),
        (XS, {"initial": jnp.zeros((3, 2))}, r"LSTMCarry\(c=\[3, 2\], h=\[3, 2\]\); got \[3, 2\]"),
        (XS * 1j, {}, "xs holds real numbers; got complex64"),
        ("text", {}, "xs is an array of numbers; got str"),
        (XS > 0, {}, "xs holds real numbers; got bool"),
        (XS, {"lengths": [4, 5, 1]}, r"lengths are within 0 .. T = 4; got 5"),
        (XS, {"lengths": [4, -1, 1]}, r"lengths are within 0 .. T = 4; got -1"),
        (XS, {"lengths": [4, 1]}, r"lengths are integers of shape \[3\], .*; got .* \[2\]"),
        (XS, {"lengths": np.ones(3)}, r"lengths are integers .*; got float"),
        (XS, {"lengths": [1] * 3, "mask": np.ones((4, 3), bool)}, "give one of them"),
    ],
)
def test_inputs_that_do_not_fit(run, params, xs, options, message):
    with pytest.raises(rnnjax.UserError, match=message):
        run(CELL, params, xs, **options)


@pytest.mark.parametrize("cell", [CELL, rnnjax.stack([CELL])])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"remat": "sqr"}, r"unknown remat 'sqr'; did you mean 'sqrt'\? Valid: gates, none, sqrt"),
        (
            {"engine": "skan"},
            r"unknown engine 'skan'; did you mean 'scan'\? Valid: associative, auto, .*scan",
        ),
        ({"engine": None}, "unknown engine None; Valid: associative, auto"),
        ({"scan_unroll": 1.5}, r"scan_unroll is a positive integer; got 1\.5"),
    ],
)
def test_options_that_do_not_exist(params, cell, options, message):
    own = params if cell is CELL else (params,)
    with pytest.raises(rnnjax.UserError, match=message):
        rnnjax.unroll(cell, own, XS, **options)


OTHERS = {
    "lstm in rnn": (rnnjax.lstm(4), rnnjax.rnn(4), r"rnn\(4\) has params RNNParams\(.*; got LSTM"),
    "layer norm in plain": (
        rnnjax.lstm(4, layer_norm=True),
        rnnjax.lstm(4),
        r"lstm\(4\) has no params.norms; got Norms",
    ),
    "plain in layer norm": (
        rnnjax.lstm(4),
        rnnjax.lstm(4, layer_norm=True),
        r"lstm\(4, layer_norm=True\) has params.norms Norms\(.*; got None",
    ),
    "peepholes in plain": (
        rnnjax.lstm(4, peepholes=True),
        rnnjax.lstm(4),
        r"has no params.w_peep; got \[3, 4\]",
    ),
    "projection in plain": (
        rnnjax.lstm(4, projection_size=4),
        rnnjax.lstm(4),
        r"has no params.w_hr; got \[4, 4\]",
    ),
    "reset after in before": (
        rnnjax.gru(4),
        rnnjax.gru(4, reset="before"),
        r"gru\(4, reset='before'\) has no params.b_hn; got \[4\]",
    ),
    "another hidden size": (
        rnnjax.lstm(4),
        rnnjax.lstm(7),
        r"lstm\(7\) has params.w_ih of shape \[2, 28\]; got \[2, 16\]",
    ),
    "of a layer of a stack": (
        rnnjax.stack([rnnjax.rnn(4), rnnjax.gru(4)]),
        rnnjax.stack([rnnjax.rnn(4), rnnjax.gru(5)]),
        r"params\[1\].w_ih of shape \[4, 15\]; got \[4, 12\]",
    ),
    "fewer layers": (
        rnnjax.stack([rnnjax.rnn(4)]),
        rnnjax.stack([rnnjax.rnn(4), rnnjax.rnn(4)]),
        r"has params tuple\(.*; got tuple\(",
    ),
}


@pytest.mark.parametrize(
    "call",
    [
        lambda cell, params, carry: rnnjax.unroll(cell, params, XS),
        lambda cell, params, carry: rnnjax.unroll_reference(cell, params, XS),
        lambda cell, params, carry: cell(params, carry, XS[0]),
    ],
)
@pytest.mark.parametrize("case", OTHERS)
def test_params_of_another_cell(case, call):
    one, other, message = OTHERS[case]
    params = one.init(jax.random.key(0), 2)
    carry = one.initial_carry(params, (3,))
    with pytest.raises(rnnjax.UserError, match=message):
        call(other, params, carry)


def test_what_is_no_cell(params):
    with pytest.raises(rnnjax.UserError, match=r"unroll takes a Cell, such as .*; got 'lstm'"):
        rnnjax.unroll("lstm", params, XS)


@pytest.mark.parametrize(
    "differentiate",
    [
        lambda run: jax.jvp(run, (XS,), (XS,)),
        lambda run: jax.jit(lambda xs: jax.jvp(run, (xs,), (xs,)))(XS),
        lambda run: jax.jacfwd(run)(XS),
        lambda run: jax.jvp(jax.jit(run), (XS,), (XS,)),
        lambda run: jax.hessian(lambda xs: run(xs).sum())(XS),
    ],
    ids=["jvp", "jit of jvp", "jacfwd", "jvp of jit", "hessian"],
)
def test_forward_mode_names_the_engine_that_has_it(differentiate, params):
    def run(xs, engine="auto"):
        return rnnjax.unroll(CELL, params, xs, engine=engine)[1]

    with pytest.raises(rnnjax.UserError, match=r'jax.jvp, .* give unroll engine="scan"'):
        differentiate(run)
    differentiate(functools.partial(run, engine="scan"))


LEAKED = []
jax.jit(LEAKED.append)(XS[0])


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (
            lambda params, h, u_t: (jnp.concatenate([h, h], axis=-1), u_t),
            r"the carry before a step of shape \[3, 2\]; got \[3, 4\] after it",
        ),
        (
            lambda params, h, u_t: (1j * h + u_t, u_t),
            r"of shape \[3, 2\] of dtype floating; got \[3, 2\] of dtype complex after it",
        ),
        (lambda params, h, u_t: (h > u_t, u_t), r"floating; got \[3, 2\] of dtype bool after it"),
        (lambda params, h, u_t: ((h, h), u_t), r"got tuple\(\[3, 2\], \[3, 2\]\) after it"),
        (lambda params, h, u_t: u_t, r"gives \(carry, y_t\), y_t an array; .* gives \[3, 2\]"),
        (
            lambda params, h, u_t: (h if h.sum() > 0 else u_t, u_t),
            "no pure functions of JAX arrays: TracerBoolConversionError: Attempted boolean",
        ),
        (lambda params, h, u_t: (np.tanh(h), u_t), "pure functions .*: TracerArrayConversionError"),
        (lambda params, h, u_t: (h + LEAKED[0], u_t), "pure functions .*: UnexpectedTracerError"),
    ],
)
@pytest.mark.parametrize("engine", ["scan", "generic"])
def test_a_step_that_is_none(step, message, engine):
    cell = dataclasses.replace(rnnjax.rnn(2), step=step, spec=None)
    with pytest.raises(rnnjax.UserError, match=message):
        rnnjax.unroll(cell, cell.init(jax.random.key(0), 2), XS, engine=engine)


def test_a_step_that_changes_the_shape_of_its_carry_under_a_mask():
    step = lambda params, h, u_t: (h[:, :1], u_t)  # noqa: E731
    cell = dataclasses.replace(rnnjax.rnn(2), step=step, spec=None)
    with pytest.raises(rnnjax.UserError, match=r"of shape \[3, 2\]; got \[3, 1\] after it"):
        rnnjax.unroll(cell, cell.init(jax.random.key(0), 2), XS, mask=jnp.ones(XS.shape[:2], bool))
