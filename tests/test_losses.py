import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax.errors import UserError
from rnnjax.losses import (
    activation_penalty,
    cross_entropy,
    slowness_penalty,
    target_log_probability,
)

T, B, V = 5, 3, 7


def draw(scale=1.0, dtype=float):
    generator = np.random.default_rng(0)
    logits = scale * generator.standard_normal((T, B, V)).astype(dtype)
    targets, mask = generator.integers(V, size=(T, B)), generator.random((T, B)) < 0.6
    return jnp.asarray(logits), jnp.asarray(targets), jnp.asarray(mask)


@pytest.mark.parametrize("scale", [1.0, 300.0])
def test_cross_entropy_is_that_of_optax(scale):
    with jax.enable_x64(True):
        logits, targets, mask = draw(scale)
        each = optax.softmax_cross_entropy_with_integer_labels(logits, targets)
        total, count = cross_entropy(logits, targets, mask)
        np.testing.assert_allclose(total, jnp.sum(each, where=mask), rtol=1e-12)
        assert count == mask.sum()
        total, count = cross_entropy(logits, targets)
        np.testing.assert_allclose(total, each.sum(), rtol=1e-12)
        assert count == T * B
        ours, theirs = (
            jax.jit(jax.grad(loss))(logits)
            for loss in (
                lambda x: cross_entropy(x, targets, mask)[0],
                lambda x: jnp.sum(
                    optax.softmax_cross_entropy_with_integer_labels(x, targets), where=mask
                ),
            )
        )
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-15)
        assert not ours[~mask].any()


def test_narrow_logits_are_summed_in_float32():
    logits, targets, _ = draw(dtype=np.float32)
    narrow = logits.astype(jnp.bfloat16)
    wide = target_log_probability(narrow.astype(jnp.float32), targets)
    found = target_log_probability(narrow, targets)
    assert found.dtype == jnp.float32
    np.testing.assert_array_equal(found, wide)


def test_nothing_that_counts_is_zero_over_zero():
    logits, targets, _ = draw()
    total, count = cross_entropy(logits, targets, jnp.zeros((T, B), bool))
    assert (float(total), float(count)) == (0.0, 0.0)


@pytest.mark.parametrize("filler", [np.nan, np.inf, -1e38])
def test_what_does_not_count_changes_not_one_bit(filler):
    logits, targets, mask = draw(dtype=np.float32)
    run = jax.jit(jax.value_and_grad(lambda x, y: cross_entropy(x, y, mask)[0]))
    filled = run(jnp.where(mask[..., None], logits, filler), jnp.where(mask, targets, V + 9))
    expected = run(jnp.where(mask[..., None], logits, 0), targets)
    jax.tree.map(np.testing.assert_array_equal, filled, expected)


@pytest.mark.parametrize(
    ("targets", "mask", "message"),
    [
        (np.full((T, B), V), None, "targets are in 0 .. 6; got 7"),
        (np.full((T, B), -1), np.ones((T, B), bool), "targets are in 0 .. 6; got -1"),
        (np.zeros((T, B)), None, "targets are integers; got float"),
        (np.zeros((T, B), int), np.ones((T, B)), "the mask of a loss is boolean; got float"),
    ],
)
def test_what_no_loss_can_be_of(targets, mask, message):
    with pytest.raises(UserError, match=message):
        cross_entropy(draw()[0], targets, mask)
    if mask is not None and mask.dtype == bool:
        cross_entropy(draw()[0], targets, ~mask)


def test_smoothed_targets_and_penalties_are_their_sums_over_steps():
    """In float64, a step, a row and a symbol at a time."""
    logits, targets, mask = draw()
    with jax.enable_x64(True):
        found = cross_entropy(jnp.asarray(logits, "float64"), targets, mask, label_smoothing=0.3)
    outputs = np.asarray(logits, np.float64)
    nats, square, change = 0.0, 0.0, 0.0
    for t, b in np.ndindex(T, B):
        if not mask[t, b]:
            continue
        log_p = outputs[t, b] - np.log(np.exp(outputs[t, b]).sum())
        for v in range(V):
            truth = 0.3 / V + (0.7 if v == targets[t, b] else 0)
            nats -= truth * log_p[v]
        square += np.sum(outputs[t, b] ** 2) / V
        if t + 1 < T and mask[t + 1, b]:
            change += np.sum((outputs[t + 1, b] - outputs[t, b]) ** 2) / V
    np.testing.assert_allclose(found, (nats, mask.sum()), rtol=1e-12)
    filled = jnp.where(mask[..., None], logits, jnp.nan)
    for penalty, expected in ((activation_penalty, square), (slowness_penalty, change)):
        found, gradient = jax.value_and_grad(penalty)(filled, mask)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
        assert np.isfinite(gradient).all()
