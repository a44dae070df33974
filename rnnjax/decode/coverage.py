"""Hypotheses ranked again by how much of their source they attended to."""

import jax.numpy as jnp

from rnnjax.decode.beam import BeamResult
from rnnjax.typing import Array

LEAST = 1e-9
"""Attention below this counts as this, so that the logarithm is finite."""


def rank_by_coverage(
    found: BeamResult, weights: Array, mask: Array | None, coverage_penalty: float
) -> BeamResult:
    """Adds to each score how well the source is covered, and puts the best first.

    ::

        score(Y) + coverage_penalty * sum_i log(min(sum_t alpha_ti, 1))

    over the positions i of the source and the symbols t of Y, its end included: the second part of
    equation 14 of Wu et al. 2016. A position that has got no attention costs the most, and one that
    has got more than 1 in all costs nothing.

    Args:
        found: the hypotheses of each row.
        weights: alpha, `[B, K, L, S]`; see `replay`.
        mask: bool `[B, S]`, True at real positions; None: all are real.
        coverage_penalty: 0 or more.

    References:
        Wu et al. 2016, "Google's neural machine translation system", section 7, where it is beta.
    """
    inside = jnp.arange(weights.shape[2]) < found.lengths[..., None]
    seen = jnp.where(inside[..., None], weights, 0).sum(axis=2)
    logs = jnp.log(jnp.clip(seen, LEAST, 1))
    if mask is not None:
        logs = jnp.where(mask[:, None], logs, 0)
    return found.ranked(found.scores + coverage_penalty * logs.sum(axis=-1))
