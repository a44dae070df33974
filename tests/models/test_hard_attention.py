"""REINFORCE for the positions drawn: its gradient by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.models.hard_attention import HardTraining, reinforce_bonus
from rnnjax.models.memory import Glance


def test_a_position_is_rewarded_by_its_symbol_and_those_after_it():
    """d log p(s) / d scores = one_hot(s) - p, of which each step has the rewards to come."""
    rng = np.random.default_rng(0)
    (T, B, S), lengths = (4, 3, 5), [4, 2, 3]
    drawn = np.array([True, True, False])
    mask = np.arange(T)[:, None] < lengths
    gains = np.where(mask, -rng.uniform(0.5, 3, (T, B)), 0.0).astype(np.float32)
    scores = rng.normal(size=(T, B, S)).astype(np.float32)
    places = rng.integers(S, size=(T, B))
    baseline, reward_weight = -1.3, 0.7
    hard = HardTraining(reward_weight=reward_weight, entropy_weight=0.0)

    def bonus(gains, scores):
        glances = Glance(jax.nn.one_hot(places, S), jnp.asarray(scores))
        return reinforce_bonus(gains, mask, glances, drawn, hard, baseline)

    of_gains, of_scores = jax.grad(bonus, argnums=(0, 1))(gains, scores)
    np.testing.assert_array_equal(of_gains, 0)
    for b in range(B):
        for t in range(T):
            chances = np.exp(scores[t, b]) / np.exp(scores[t, b]).sum()
            slope = np.eye(S)[places[t, b]] - chances
            reward = sum(gains[u, b] - baseline for u in range(t, lengths[b]))
            expected = reward_weight * reward * slope * drawn[b]
            assert of_scores[t, b] == pytest.approx(expected, rel=1e-4, abs=1e-6), (t, b)
