"""The loss of CTC: against all alignments, and at its edges."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

import rnnjax
from rnnjax import losses as rnnjax_losses

TARGETS = jnp.array([[1, 2, 1, 0], [1, 1, 0, 0], [0, 2, 0, 0]])  # [L, B]: 11, 212, 1, empty
LENGTHS = jnp.array([2, 3, 1, 0])
STEPS = jnp.array([4, 4, 2, 3])


ctc_loss = jax.jit(rnnjax_losses.ctc_loss)


@jax.jit
@jax.grad
def slopes_of(logits, steps=STEPS):
    return ctc_loss(logits, steps, TARGETS, LENGTHS)[0].sum()


def brute(logits, target):
    logs = log_softmax(np.asarray(logits, np.float64), axis=-1)
    scores = [
        sum(logs[t, symbol] for t, symbol in enumerate(path))
        for path in itertools.product(range(logs.shape[1]), repeat=len(logs))
        if [symbol for symbol, _ in itertools.groupby(path) if symbol] == target
    ]
    return -logsumexp(scores)


@pytest.fixture
def logits():
    return jnp.asarray(np.random.default_rng(0).normal(size=(4, 4, 3)), jnp.float32)


def targets():
    return [TARGETS[:n, row].tolist() for row, n in enumerate(LENGTHS.tolist())]


def test_loss_and_gradient_are_those_of_all_alignments(logits):
    losses, aligned = ctc_loss(logits, STEPS, TARGETS, LENGTHS)
    expected = [brute(logits[:n, row], targets()[row]) for row, n in enumerate(STEPS.tolist())]
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    assert aligned.all()
    slopes = slopes_of(logits)
    h, wide = 1e-5, np.asarray(logits, np.float64)
    for t, row, symbol in np.ndindex(wide.shape):
        if t >= STEPS[row]:
            assert slopes[t, row, symbol] == 0
            continue
        ends = []
        for sign in (1, -1):
            moved = wide[: int(STEPS[row]), row].copy()
            moved[t, symbol] += sign * h
            ends.append(brute(moved, targets()[row]))
        slope = (ends[0] - ends[1]) / (2 * h)
        assert slopes[t, row, symbol] == pytest.approx(slope, abs=1e-5)


def test_an_empty_target_is_the_sum_of_the_blanks(logits):
    losses, _ = ctc_loss(logits, STEPS, TARGETS, jnp.zeros(4, int))
    blanks = -jax.nn.log_softmax(logits)[..., 0]
    expected = [blanks[:n, row].sum() for row, n in enumerate(STEPS.tolist())]
    np.testing.assert_allclose(losses, expected, rtol=1e-6)


def test_targets_may_be_narrower_than_the_vocabulary():
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(4, 4, 300)), jnp.float32)
    losses = [ctc_loss(logits, STEPS, TARGETS.astype(d), LENGTHS)[0] for d in (jnp.uint8, int)]
    np.testing.assert_array_equal(*losses)


def test_what_does_not_fit_has_no_loss_and_no_gradient(logits):
    """11 takes three steps, 212 as well, 1 takes one."""
    steps = jnp.array([2, 2, 1, 0])
    losses, aligned = ctc_loss(logits, steps, TARGETS, LENGTHS)
    assert aligned.tolist() == [False, False, True, True]
    assert losses[jnp.array([0, 1, 3])].tolist() == [0, 0, 0]
    slopes = slopes_of(logits, steps)
    assert not slopes[:, :2].any()
    assert slopes[0, 2].any()


def test_nothing_beyond_the_steps_counts(logits):
    spoilt = logits.at[2:, 2].set(jnp.nan)
    losses, _ = ctc_loss(spoilt, STEPS, TARGETS, LENGTHS)
    np.testing.assert_array_equal(losses, ctc_loss(logits, STEPS, TARGETS, LENGTHS)[0])
    assert np.isfinite(slopes_of(spoilt)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": TARGETS.at[0, 0].set(3)}, r"targets are in 1 \.\. 2; got 3"),
        ({"targets": TARGETS.at[0, 0].set(0)}, r"targets are in 1 \.\. 2; got 0"),
        ({"target_lengths": LENGTHS + 1}, r"lengths are within 0 \.\. T = 3; got 4"),
        ({"steps": STEPS + 1}, r"lengths are within 0 \.\. T = 4; got 5"),
    ],
)
def test_what_is_out_of_range_is_named(logits, change, message):
    fit = {"logits": logits, "steps": STEPS, "targets": TARGETS, "target_lengths": LENGTHS}
    with pytest.raises(rnnjax.UserError, match=message):
        rnnjax_losses.ctc_loss(**fit | change)


@pytest.mark.parametrize("scale", [1, 3, 30])
def test_confident_inputs_have_no_negative_loss(scale):
    """optax gives -1e-7 for some of these."""
    rng = np.random.default_rng(0)
    path = np.zeros((30, 64), int)
    path[::3] = rng.integers(1, 8, (10, 64))
    logits = rng.normal(scale=scale, size=(30, 64, 8)) + 20 * scale * np.eye(8)[path]
    losses, aligned = ctc_loss(
        jnp.asarray(logits, jnp.float32), jnp.full(64, 30), jnp.asarray(path[::3]), jnp.full(64, 10)
    )
    assert aligned.all()
    assert (losses >= 0).all()


def test_a_target_may_be_as_unlikely_as_float32_can_say():
    """Each step is 10,000 nats behind the blank: 200,000 in all."""
    logits = jnp.zeros((20, 1, 3)).at[..., 0].set(1e4)
    targets = jnp.tile(jnp.array([[1], [2]]), (10, 1))
    losses, _ = ctc_loss(logits, jnp.array([20]), targets, jnp.array([20]))
    np.testing.assert_allclose(losses, 2e5, rtol=1e-6)
