"""Gradients of every cell in float64: against finite differences, and under every `remat`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from tests.cells.zoo import ZOO, T, inputs, jit

every_cell = pytest.mark.parametrize("name", ZOO)
MASK = np.arange(T)[:, None] < np.array([T, 5, 3])
RESET = np.arange(T)[:, None] == np.array([3, 0, 2])


@functools.cache
def value_and_gradient(name, *, guarded, reverse, remat="none"):
    """Of a smooth function of all outputs and of the final carry, by params, inputs and carry."""
    guards = {"mask": MASK, "reset": RESET} if guarded else {}

    def value(arguments, weights):
        carry, ys = rnnjax.unroll(
            ZOO[name].cell, *arguments, **guards, reverse=reverse, remat=remat
        )
        terms = jax.tree.map(
            lambda out, weight: jnp.sum(weight * jnp.sin(out)), (carry, ys), weights
        )
        return sum(jax.tree.leaves(terms))

    return jit(jax.value_and_grad(value))


def arguments_and_weights(name):
    """What `value_and_gradient` takes."""
    draw = np.random.default_rng(1)
    params, xs, carry = inputs(name, 0, np.float64)
    outputs = jax.eval_shape(lambda *a: rnnjax.unroll(ZOO[name].cell, *a), params, xs, carry)
    weights = jax.tree.map(lambda leaf: draw.standard_normal(leaf.shape), outputs)
    return (params, xs, carry), weights


def check_finite_differences(name, **options):
    """Along random directions, each of which moves every number that there is."""
    draw = np.random.default_rng(2)
    step = 1e-5
    with jax.enable_x64(True):
        arguments, weights = arguments_and_weights(name)
        run = value_and_gradient(name, **options)
        _, gradient = run(arguments, weights)
        for _ in range(3):
            direction = jax.tree.map(lambda a: draw.standard_normal(a.shape), arguments)

            def along(distance, direction=direction):
                moved = jax.tree.map(lambda a, d: a + distance * d, arguments, direction)
                return float(run(moved, weights)[0])

            numeric = (along(step) - along(-step)) / (2 * step)
            products = jax.tree.map(lambda g, d: np.sum(g * d), gradient, direction)
            np.testing.assert_allclose(sum(jax.tree.leaves(products)), numeric, 1e-6, 1e-7)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "bidirectional_deep"])
def test_gradient_without_mask_in_reverse(name):
    check_finite_differences(name, guarded=False, reverse=True)


@every_cell
@pytest.mark.parametrize("remat", ["gates", "sqrt"])
def test_remat_changes_no_number(name, remat):
    with jax.enable_x64(True):
        arguments, weights = arguments_and_weights(name)
        plain = value_and_gradient(name, guarded=True, reverse=False)(arguments, weights)
        ours = value_and_gradient(name, guarded=True, reverse=False, remat=remat)(
            arguments, weights
        )
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12), ours, plain)


@pytest.mark.parametrize("name", ["lstm", "lstm_peepholes"])
@pytest.mark.parametrize("num_steps", [1, 2, 5, 7])
def test_sqrt_takes_any_number_of_steps(name, num_steps):
    params, xs, carry = inputs(name, 0)
    xs = xs[:num_steps]
    for reverse in (False, True):
        run = functools.partial(rnnjax.unroll, ZOO[name].cell, reverse=reverse)
        ours = jit(functools.partial(run, remat="sqrt"))(params, xs, carry)
        plain = rnnjax.unroll_reference(ZOO[name].cell, params, xs, carry, reverse=reverse)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), ours, plain)
