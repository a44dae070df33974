"""The score of a mixture of simple models of binary images."""

import numpy as np
from scipy.special import logsumexp

COMPONENTS = 50
ROUNDS = 30


def mixture_nats(train: np.ndarray, images: np.ndarray, components: int = COMPONENTS) -> float:
    """The mean of -log p(x) under a mixture of Bernoulli distributions, trained by EM, seed 0.

    ::

        p(x) = sum over k of w_k prod over pixels of Bernoulli(x_i; p_ki)

    Args:
        train: `[N, h, w]`, 0 or 1.
        images: that are scored, of the same form.
        components: K, at most N.

    References:
        Bishop 2006, "Pattern recognition and machine learning", section 9.3.3.
    """
    x = train.reshape(len(train), -1).astype(np.float32)
    components = min(components, len(x))
    rng = np.random.default_rng(0)
    p = 0.25 + 0.5 * x[rng.choice(len(x), components, replace=False)]
    log_weights = np.full(components, -np.log(components))
    for _ in range(ROUNDS):
        joint = _log_joint(x, p, log_weights)
        share = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        size = share.sum(axis=0)
        p = ((share.T @ x + 1) / (size[:, None] + 2)).astype(np.float32)
        log_weights = np.log((size + 1) / (len(x) + components))
    held_out = images.reshape(len(images), -1).astype(np.float32)
    return float(-logsumexp(_log_joint(held_out, p, log_weights), axis=1).mean())


def _log_joint(x: np.ndarray, p: np.ndarray, log_weights: np.ndarray) -> np.ndarray:
    return x @ np.log(p / (1 - p)).T + np.log1p(-p).sum(axis=1) + log_weights
