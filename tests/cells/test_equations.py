"""Every cell against the equations of its paper in float64 numpy.

`tests/test_testing.py` has the gradients: those of finite differences of the same function.
"""

import jax
import numpy as np
import pytest

import rnnjax
from tests.cells import oracles
from tests.cells.zoo import ZOO, inputs, jit


def one_row(name):
    """The first sequence of a batch: params, xs [T, D], carry."""
    params, xs, carry = inputs(name, 3, np.float64)
    return params, xs[:4, 0], jax.tree.map(lambda leaf: leaf[0], carry)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.mark.parametrize("name", oracles.STEPS)
def test_outputs_and_carry(name):
    params, xs, carry = one_row(name)
    with jax.enable_x64(True):
        ours = jit(rnnjax.unroll, static_argnums=0)(ZOO[name], params, xs, carry)
    expected = oracles.run(oracles.STEPS[name], params, carry, xs)
    np.testing.assert_allclose(flat(ours), flat(expected), rtol=1e-12, atol=1e-13)
