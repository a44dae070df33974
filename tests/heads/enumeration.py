"""A linear-chain CRF by counting every sequence of tags, in float64 NumPy."""

import itertools
from typing import NamedTuple

import numpy as np

from rnnjax.heads import crf


class Problem(NamedTuple):
    params: crf.CRFParams
    scores: np.ndarray
    lengths: np.ndarray
    allowed: crf.Constraints | None = None


def may_follow(before, after, scheme):
    """Whether a tag may come right after another one; None is the border of a sequence."""
    before, after = before or "O", after or "O"
    in_span = before[0] in "BI"
    same_span = in_span and before[2:] == after[2:]
    if scheme == "BIO":  # I- goes on with a span
        return after[0] != "I" or same_span
    if scheme == "IOB1":  # B- separates a span from one of the same type right before it
        return after[0] != "B" or same_span
    assert scheme == "BIOES"  # a span that B- began goes on until E-
    return same_span if after[0] in "IE" else not in_span


def constraints(tags, scheme):
    """The rules of a scheme as arrays."""
    return crf.Constraints(
        transitions=np.array([[may_follow(i, j, scheme) for j in tags] for i in tags]),
        start=np.array([may_follow(None, tag, scheme) for tag in tags]),
        end=np.array([may_follow(tag, None, scheme) for tag in tags]),
    )


def draw(seed=0, *, T=5, K=3, lengths=(5, 0, 1, 3), scale=1.0, tags=None, scheme="BIO"):
    """A problem whose padding holds numbers as large as any others."""
    random = np.random.default_rng(seed)
    if tags is not None:
        K = len(tags)

    def normal(*shape):
        return scale * random.standard_normal(shape)

    return Problem(
        params=crf.CRFParams(normal(K, K), normal(K), normal(K)),
        scores=normal(T, len(lengths), K),
        lengths=np.array(lengths, np.int32),
        allowed=None if tags is None else constraints(tags, scheme),
    )


# Many of one shape, which needs compiling once. "far": differences of hundreds of nats, where
# float32 has no exp.
PROBLEMS = {
    "free": draw(K=4),
    "one_step": draw(T=1, lengths=(1, 0)),
    "one_tag": draw(K=1),
    "BIO": draw(tags=("O", "B-X", "I-X", "I-Y")),
    "BIO_two_types": draw(tags=("B-X", "I-X", "B-Y", "I-Y")),
    "IOB1": draw(tags=("O", "B-X", "I-X", "I-Y"), scheme="IOB1"),
    "BIOES": draw(tags=("B-X", "I-X", "E-X", "S-X"), scheme="BIOES"),
    "far": draw(scale=300.0, tags=("B-X", "I-X", "E-X", "S-X"), scheme="BIOES"),
}


def score(params, scores_TK, tags):
    """The score of one sequence of tags, as long as `tags`."""
    if len(tags) == 0:
        return 0.0
    return (
        params.start[tags[0]]
        + sum(scores_TK[t, tag] for t, tag in enumerate(tags))
        + sum(params.transitions[i, j] for i, j in itertools.pairwise(tags))
        + params.end[tags[-1]]
    )


def is_legal(allowed, tags):
    if allowed is None or len(tags) == 0:
        return True
    return bool(
        allowed.start[tags[0]]
        and allowed.end[tags[-1]]
        and all(allowed.transitions[i, j] for i, j in itertools.pairwise(tags))
    )


def ranking(problem, row):
    """Every legal sequence of one row with its score, the best first."""
    params, scores, lengths, allowed = problem
    K = scores.shape[2]
    every = itertools.product(range(K), repeat=int(lengths[row]))
    scored = [
        (score(params, scores[:, row], tags), tags) for tags in every if is_legal(allowed, tags)
    ]
    return sorted(scored, reverse=True)


def log_partition(problem, row):
    return np.logaddexp.reduce([score for score, _ in ranking(problem, row)])


def marginals(problem, row):
    """[T, K]."""
    probabilities = np.zeros((len(problem.scores), problem.scores.shape[2]))
    log_z = log_partition(problem, row)
    for score, tags in ranking(problem, row):
        for t, tag in enumerate(tags):
            probabilities[t, tag] += np.exp(score - log_z)
    return probabilities
