"""Pooling against plain loops in float64."""

import jax
import numpy as np
import pytest

from rnnjax.heads import pooling

T, B, H, A = 5, 4, 3, 2
MASK = np.array([[1, 1, 1, 1, 1], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [0, 1, 0, 1, 1]], bool).T
PARAMS = pooling.AttentionPoolingParams(
    *(np.random.default_rng(1).normal(size=shape) for shape in ((H, A), A, A))
)


def last(rows):
    return np.append(rows[-1][:2], rows[0][2:])


def attention(rows):
    scores = [PARAMS.w_score @ np.tanh(PARAMS.w.T @ y + PARAMS.b) for y in rows]
    return sum(np.exp(s) * y for s, y in zip(scores, rows, strict=True)) / np.exp(scores).sum()


POOLINGS = {
    "last": (lambda ys, mask=None: pooling.last(ys, mask, forward_size=2), last),
    "mean": (pooling.mean, lambda rows: sum(rows) / len(rows)),
    "max": (pooling.maximum, lambda rows: np.array([max(y[h] for y in rows) for h in range(H)])),
    "attention": (lambda ys, mask=None: pooling.attention(PARAMS, ys, mask)[0], attention),
}
every_pooling = pytest.mark.parametrize("name", POOLINGS)


pytestmark = pytest.mark.usefixtures("float64")


def outputs(masked=0.0):
    ys = np.random.default_rng(0).normal(size=(T, B, H)) - 1
    return np.where(MASK[..., None], ys, masked)


@every_pooling
def test_real_steps_alone_are_pooled(name):
    pool, by_hand = POOLINGS[name]
    ys = outputs(masked=np.nan)
    found = pool(ys, MASK)
    for row in range(B):
        rows = ys[MASK[:, row], row]
        expected = by_hand(rows) if len(rows) else np.zeros(H)
        np.testing.assert_allclose(found[row], expected, rtol=1e-12)
    whole = outputs()
    np.testing.assert_allclose(pool(whole)[2], by_hand(whole[:, 2]), rtol=1e-12)


@every_pooling
def test_the_gradient_is_that_of_differences_and_zero_where_nothing_is_real(name):
    pool, _ = POOLINGS[name]
    weights = np.random.default_rng(2).normal(size=(B, H))

    def value(ys):
        return (weights * pool(ys, MASK)).sum()

    ys = outputs()
    found = np.asarray(jax.grad(value)(ys))
    change = np.random.default_rng(3).normal(size=ys.shape)
    slope = float(value(ys + 1e-6 * change) - value(ys - 1e-6 * change)) / 2e-6
    assert np.sum(found * change) == pytest.approx(slope, rel=1e-7)
    broken = np.asarray(jax.grad(value)(outputs(masked=np.nan)))
    np.testing.assert_array_equal(broken, found)
    assert (broken[~MASK] == 0).all()


def test_one_direction_is_read_at_its_last_real_step():
    ys = outputs()
    np.testing.assert_array_equal(pooling.last(ys), ys[-1])
    expected = [ys[4, 0], ys[1, 1], np.zeros(H), ys[4, 3]]
    np.testing.assert_array_equal(pooling.last(ys, MASK), expected)


def test_a_memory_is_averaged_over_its_own_axis():
    memory = np.swapaxes(outputs(masked=np.nan), 0, 1)
    np.testing.assert_array_equal(
        pooling.mean(memory, MASK.T, axis=1), pooling.mean(np.swapaxes(memory, 0, 1), MASK)
    )


def test_weights_of_attention_are_a_distribution_over_the_real_steps():
    _, weights = pooling.attention(PARAMS, outputs(masked=np.inf), MASK)
    np.testing.assert_allclose(weights.sum(axis=0), [1, 1, 0, 1], rtol=1e-12)
    assert (np.asarray(weights)[~MASK] == 0).all()
