"""Mistakes in calling `unroll`: one clear message each."""

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
        (jnp.ones((4, 3, 5)), {}, r"made for inputs of size 2; got xs of shape \[4, 3, 5\]"),
        (XS, {"carry": LSTMCarry(*jnp.zeros((2, 4, 2)))}, r"c=\[3, 2\].*; got .*c=\[4, 2\]"),
        (XS, {"carry": jnp.zeros((3, 2))}, r"c=\[3, 2\].*; got \[3, 2\]"),
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
        ({"engine": "skan"}, r"unknown engine 'skan'; did you mean 'scan'\? Valid: auto, .*scan"),
    ],
)
def test_unknown_names(params, cell, options, message):
    own = params if cell is CELL else (params,)
    with pytest.raises(rnnjax.UserError, match=message):
        rnnjax.unroll(cell, own, XS, **options)
