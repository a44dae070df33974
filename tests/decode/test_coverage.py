import jax.numpy as jnp
import numpy as np

from rnnjax.decode import BeamResult, rank_by_coverage

B, K, L, S = 3, 4, 5, 6


def test_hypotheses_are_ranked_by_equation_14_of_wu_2016():
    rng = np.random.default_rng(0)
    weights = rng.dirichlet(np.full(S, 0.3), size=(B, K, L))
    lengths = rng.integers(1, L + 1, (B, K))
    log_probability = -rng.uniform(1, 9, (B, K))
    scores = -np.sort(rng.uniform(0, 2, (B, K)))
    tokens = rng.integers(0, 99, (B, K, L))
    real = np.array([6, 3, 1])
    scores[2, 3] = log_probability[2, 3] = -np.inf
    lengths[2, 3] = 0
    arrays = [jnp.asarray(x) for x in (tokens, lengths, scores, log_probability)]
    mask = np.arange(S) < real[:, None]
    found = rank_by_coverage(BeamResult(*arrays), jnp.asarray(weights), jnp.asarray(mask), 0.7)
    moved = 0
    for b in range(B):
        expected = []
        for k in range(K):
            score = scores[b, k]
            for i in range(real[b]):
                attended = sum(weights[b, k, t, i] for t in range(lengths[b, k]))
                score += 0.7 * np.log(max(min(attended, 1.0), 1e-9))
            expected.append((-score, k))
        order = [k for _, k in sorted(expected)]
        moved += order != list(range(K))
        np.testing.assert_allclose(found.scores[b], [-s for s, _ in sorted(expected)], rtol=1e-4)
        np.testing.assert_array_equal(found.tokens[b], tokens[b, order])
        np.testing.assert_array_equal(found.lengths[b], lengths[b, order])
        np.testing.assert_allclose(found.log_probability[b], log_probability[b, order], rtol=1e-6)
    assert moved
