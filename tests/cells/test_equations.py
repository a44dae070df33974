"""Every cell against the equations of its paper in float64 numpy, gradients included."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from tests.cells import oracles
from tests.cells.zoo import ZOO, inputs, jit

every_equation = pytest.mark.parametrize("name", oracles.STEPS)


def one_row(name):
    """The first sequence of a batch: params, xs [T, D], carry."""
    params, xs, carry = inputs(name, 3, np.float64)
    return params, xs[:4, 0], jax.tree.map(lambda leaf: leaf[0], carry)


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@every_equation
def test_outputs_and_carry(name):
    params, xs, carry = one_row(name)
    with jax.enable_x64(True):
        ours = jit(rnnjax.unroll, static_argnums=0)(ZOO[name].cell, params, xs, carry)
    expected = oracles.run(oracles.STEPS[name], params, carry, xs)
    np.testing.assert_allclose(flat(ours), flat(expected), rtol=1e-12, atol=1e-13)


@every_equation
def test_every_number_of_the_gradient(name):
    """Central differences of the equations, one number of params, inputs and carry at a time."""
    arguments = one_row(name)
    step = 1e-6
    numbers, structure = jax.tree.flatten(arguments)
    ends = np.cumsum([leaf.size for leaf in numbers])[:-1]

    def value(vector):
        leaves = [
            piece.reshape(leaf.shape)
            for piece, leaf in zip(np.split(vector, ends), numbers, strict=True)
        ]
        params, xs, carry = jax.tree.unflatten(structure, leaves)
        return np.sum(np.sin(flat(oracles.run(oracles.STEPS[name], params, carry, xs))))

    at = flat(arguments)
    moves = step * np.eye(at.size)
    expected = np.array([value(at + move) - value(at - move) for move in moves]) / (2 * step)

    def our_value(arguments):
        outputs = rnnjax.unroll(ZOO[name].cell, *arguments)
        return sum(jnp.sum(jnp.sin(leaf)) for leaf in jax.tree.leaves(outputs))

    with jax.enable_x64(True):
        ours = jit(jax.grad(our_value))(arguments)
    np.testing.assert_allclose(flat(ours), expected, rtol=1e-6, atol=1e-8)
