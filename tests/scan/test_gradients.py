"""Outputs and gradients in float64: what changes none of their numbers."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.engines.target import compiling_for
from tests.cells.zoo import KINDS, ZOO, T, inputs, jit

MASK = np.arange(T)[:, None] < np.array([T, 4, 0])
RESET = np.arange(T)[:, None] == np.array([3, 0, 2])


@functools.cache
def value_and_gradient(name, platform="cpu", **options):
    """Of a smooth function of all outputs and of the final carry, by params, inputs and carry.

    The outputs and the carry come along.
    """

    def value(arguments, weights):
        out = rnnjax.unroll(
            ZOO[name], *arguments, mask=MASK, reset=RESET, key=jax.random.key(0), **options
        )
        terms = jax.tree.map(lambda leaf, weight: jnp.sum(weight * jnp.sin(leaf)), out, weights)
        return sum(jax.tree.leaves(terms)), out

    def run(arguments, weights):
        with compiling_for(platform):
            return program(arguments, weights)

    program = jit(jax.value_and_grad(value, has_aux=True))
    return run


def arguments_and_weights(name):
    """What `value_and_gradient` takes."""
    draw = np.random.default_rng(1)
    params, xs, carry = inputs(name, 0, np.float64)
    outputs = jax.eval_shape(lambda *a: rnnjax.unroll(ZOO[name], *a), params, xs, carry)
    weights = jax.tree.map(lambda leaf: draw.standard_normal(leaf.shape), outputs)
    return (params, xs, carry), weights


@pytest.mark.parametrize(
    ("name", "platform", "options"),
    [
        *[(name, "cpu", {}) for name in KINDS],
        ("lstm", "cpu", {"remat": "sqrt", "reverse": True}),
        ("lstm", "gpu", {"remat": "gates"}),
        ("gru", "cpu", {"remat": "gates", "engine": "scan"}),
        ("gru", "gpu", {"reverse": True}),
        ("rnn", "gpu", {"remat": "sqrt"}),
        ("lstm_peepholes", "cpu", {"remat": "sqrt", "reverse": True}),
    ],
)
def test_what_stands_at_padding_changes_not_one_bit(name, platform, options):
    with jax.enable_x64(True):
        (params, xs, carry), weights = arguments_and_weights(name)
        run = value_and_gradient(name, platform, **options)
        expected = run((params, np.where(MASK[..., None], xs, 0), carry), weights)
        _, (_, by_inputs, _) = expected
        assert not np.any(np.asarray(by_inputs)[~MASK])
        for filler in (np.nan, np.inf, -1e300):
            filled = run((params, np.where(MASK[..., None], xs, filler), carry), weights)
            jax.tree.map(np.testing.assert_array_equal, filled, expected)


@pytest.mark.parametrize(
    "name",
    ["lstm", "lstm_stochastic", "lru", "mamba2", "mlstm", "in_dicts", "stack",
     "bidirectional_deep"],
)  # fmt: skip
@pytest.mark.parametrize("remat", ["gates", "sqrt"])
def test_remat_changes_no_number(name, remat):
    """Noise included; the engines' tests have the rest against the plain loop."""
    with jax.enable_x64(True):
        arguments, weights = arguments_and_weights(name)
        plain = value_and_gradient(name)(arguments, weights)
        ours = value_and_gradient(name, remat=remat)(arguments, weights)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12), ours, plain)


@pytest.mark.parametrize("name", ["lstm", "lstm_peepholes"])
@pytest.mark.parametrize("num_steps", [1, 2, 5, 7])
def test_sqrt_takes_any_number_of_steps(name, num_steps):
    params, xs, carry = inputs(name, 0)
    xs = xs[:num_steps]
    for reverse in (False, True):
        run = functools.partial(rnnjax.unroll, ZOO[name], reverse=reverse)
        ours = jit(functools.partial(run, remat="sqrt"))(params, xs, carry)
        plain = rnnjax.unroll_reference(ZOO[name], params, xs, carry, reverse=reverse)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), ours, plain)
