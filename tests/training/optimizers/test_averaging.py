import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.training import TrainingConfig, make_average
from rnnjax.training.optimizers.averaging import NEVER


def averages(average, series):
    current, seen = {"w": jnp.zeros(2)}, []
    for t, p in enumerate(series, 1):
        current = average.update(current, {"w": jnp.asarray(p)}, jnp.asarray(t))
        seen.append(np.asarray(current["w"]))
    return np.array(seen)


SERIES = np.random.default_rng(0).standard_normal((30, 2)).astype(np.float32)


@pytest.mark.parametrize("decay", [0.0, 0.7, 0.999])
def test_ema_is_the_normalised_weighted_sum(decay):
    seen = averages(make_average(TrainingConfig(average_decay=decay)), SERIES)
    for t in range(1, len(SERIES) + 1):
        weights = decay ** np.arange(t - 1, -1, -1, dtype=np.float64)
        expected = weights @ SERIES[:t] / weights.sum()
        np.testing.assert_allclose(seen[t - 1], expected, rtol=1e-4, atol=1e-5)


def test_asgd_is_the_mean_after_its_start():
    seen = averages(make_average(TrainingConfig(average="asgd", average_start=10)), SERIES)
    np.testing.assert_array_equal(seen[:10], SERIES[:10])
    for t in range(11, len(SERIES) + 1):
        np.testing.assert_allclose(seen[t - 1], SERIES[10:t].mean(0), rtol=1e-4, atol=1e-6)


def test_a_triggered_average_is_the_mean_after_its_trigger():
    average, current = make_average(TrainingConfig(average="ntasgd")), {"w": jnp.zeros(2)}
    for t, p in enumerate(SERIES, 1):
        start = jnp.asarray(NEVER if t <= 12 else 12)
        current = average.update(current, {"w": jnp.asarray(p)}, jnp.asarray(t), start)
        expected = p if t <= 12 else SERIES[12:t].mean(0)
        np.testing.assert_allclose(current["w"], expected, rtol=1e-4, atol=1e-6)
