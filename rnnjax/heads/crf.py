"""The linear-chain conditional random field: how likely a sequence of tags is, and which is best.

Every function is pure, takes a batch of ragged sequences time-major, and can be jitted. Nothing at
padding counts, whatever stands there; a sequence of length 0 has the empty sequence of tags, with
score 0.

References:
    Lafferty, McCallum & Pereira 2001, "Conditional random fields: probabilistic models for
    segmenting and labeling sequence data". As the output of a BiLSTM: Lample et al. 2016, "Neural
    architectures for named entity recognition", section 2.2.
"""

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.errors import UserError
from rnnjax.heads.crf_decoding import k_best, viterbi
from rnnjax.heads.crf_params import Chain, Constraints, CRFParams, init, prepare
from rnnjax.ranges import check_ids
from rnnjax.typing import Array

__all__ = [
    "CRFParams", "Constraints", "init", "k_best", "log_likelihood", "log_partition",
    "marginals", "sequence_score", "viterbi",
]  # fmt: skip


def log_partition(
    params: CRFParams,
    scores: Array,
    lengths: Array,
    *,
    allowed: Constraints | None = None,
    parallel: bool = False,
) -> Array:
    """The log of the sum, over all legal sequences of tags, of exp(their score).

    ::

        alpha_1(j) = start(j) + scores_1(j)
        alpha_t(j) = log sum_i exp(alpha_tm1(i) + transitions(i, j)) + scores_t(j)
        log Z      = log sum_i exp(alpha_T(i) + end(i))

    The sums stay in log space, each with a maximum of its own: a product of matrices of exp(...)
    would lose what is legal but 90 nats behind.

    Args:
        scores: [T, B, K], of each tag at each step; float32 or wider inside.
        lengths: int [B], 0 .. T. Checked where their values are known, which they are not while
            jax traces; there, what is beyond T counts as T.
        allowed: what is legal; None: everything.
        parallel: whether to multiply the T matrices of `transitions(i, j) + scores_t(j)` in the
            log semiring as an associative scan, O(log T) deep with K times the work, instead of
            step by step. For accelerators and long sequences of few tags.

    Returns:
        [B], in nats; 0 for a sequence of length 0, and -inf where no sequence is legal.

    Raises:
        UserError: shapes or dtypes do not fit, or lengths are out of range.

    References:
        Parallel in time: Särkkä & García-Fernández 2021, "Temporal parallelization of Bayesian
        smoothers", and Hassan, Särkkä & García-Fernández 2021, "Temporal parallelization of
        inference in hidden Markov models".
    """
    return _log_partition(prepare(params, scores, lengths, allowed), parallel)


def sequence_score(params: CRFParams, scores: Array, tags: Array, lengths: Array) -> Array:
    """The score of given tags.

    ::

        start(y_1) + sum_t scores_t(y_t) + sum_t transitions(y_tm1, y_t) + end(y_T)

    Args:
        params, scores, lengths: as in `log_partition`.
        tags: int [T, B], 0 .. K-1; anything at padding.

    Returns:
        [B], in nats; 0 for a sequence of length 0.

    Raises:
        UserError: as in `log_partition`, or a tag is outside 0 .. K-1 (see `check_ids`).
    """
    return _sequence_score(prepare(params, scores, lengths, None), tags)


@jax.named_scope("loss")
def log_likelihood(
    params: CRFParams,
    scores: Array,
    tags: Array,
    lengths: Array,
    *,
    allowed: Constraints | None = None,
    parallel: bool = False,
) -> Array:
    """The log of the probability of given tags: their score minus the log-partition.

    Args:
        params, scores, lengths, allowed, parallel: as in `log_partition`.
        tags: int [T, B], 0 .. K-1; anything at padding.

    Returns:
        [B], in nats, at most 0 but for rounding; 0 for a sequence of length 0, and -inf for tags
        that are not legal.

    Raises:
        UserError: as in `sequence_score`.
    """
    chain = prepare(params, scores, lengths, allowed)
    score_B = _sequence_score(chain, tags)
    illegal_B = score_B == -jnp.inf
    return jnp.where(illegal_B, -jnp.inf, score_B - _log_partition(chain, parallel))


def marginals(
    params: CRFParams, scores: Array, lengths: Array, *, allowed: Constraints | None = None
) -> Array:
    """The probability of each tag at each step, given the whole sequence.

    ::

        p(y_t = k) = d log Z / d scores_t(k)

    Reverse differentiation of the forward algorithm is the forward-backward algorithm.

    Args:
        params, scores, lengths, allowed: as in `log_partition`.

    Returns:
        [T, B, K]; sums to 1 over K, and is 0 at padding and where no sequence is legal.

    Raises:
        UserError: as in `log_partition`.

    References:
        Eisner 2016, "Inside-outside and forward-backward algorithms are just backprop".
    """
    chain = prepare(params, scores, lengths, allowed)
    probabilities_TKB = jax.grad(
        lambda scores_TKB: jnp.sum(_log_partition(chain._replace(scores_TKB=scores_TKB), False))
    )(chain.scores_TKB)
    return jnp.swapaxes(probabilities_TKB, 1, 2)


def _log_partition(chain: Chain, parallel: bool) -> Array:
    alpha_KB = _product(chain) if parallel else _forward(chain)
    log_z_B = _logsumexp(alpha_KB + chain.params.end[:, None], axis=0)
    return jnp.where(chain.valid_TB[0], log_z_B, 0)


def _forward(chain: Chain) -> Array:
    params, scores_TKB, valid_TB = chain

    def step(alpha_KB: Array, at_t: tuple[Array, Array]) -> tuple[Array, None]:
        scores_KB, valid_B = at_t
        arriving_KB = _logsumexp(alpha_KB[:, None] + params.transitions[:, :, None], axis=0)
        return jnp.where(valid_B, arriving_KB + scores_KB, alpha_KB), None

    # Computed again in the backward pass: keeping [T, K, K, B] is not faster.
    step = jax.checkpoint(step, prevent_cse=False)
    first_KB = params.start[:, None] + scores_TKB[0]
    return lax.scan(step, first_KB, (scores_TKB[1:], valid_TB[1:]))[0]


def _product(chain: Chain) -> Array:
    params, scores_TKB, valid_TB = chain
    num_tags = len(params.start)
    identity_KK = jnp.where(jnp.eye(num_tags, dtype=bool), 0, -jnp.inf).astype(scores_TKB.dtype)
    moves_TKKB = params.transitions[:, :, None] + scores_TKB[1:, None]
    moves_TKKB = jnp.where(valid_TB[1:, None, None], moves_TKKB, identity_KK[:, :, None])
    first_KKB = jnp.broadcast_to(params.start[:, None] + scores_TKB[0], moves_TKKB.shape[1:])

    def multiply(left: Array, right: Array) -> Array:
        return _logsumexp(left[..., :, :, None, :] + right[..., None, :, :, :], axis=-3)

    matrices_TKKB = jnp.concatenate([first_KKB[None], moves_TKKB])
    return lax.associative_scan(jax.checkpoint(multiply), matrices_TKKB)[-1, 0]


def _logsumexp(x: Array, axis: int) -> Array:
    """Like `jax.nn.logsumexp`, with gradient 0 instead of NaN where everything is -inf."""
    largest = lax.stop_gradient(jnp.max(x, axis, keepdims=True))
    largest = jnp.where(jnp.isfinite(largest), largest, 0)
    total = jnp.sum(jnp.exp(x - largest), axis)
    nothing = total == 0
    logs = jnp.log(jnp.where(nothing, 1, total)) + jnp.squeeze(largest, axis)
    return jnp.where(nothing, -jnp.inf, logs)


def _sequence_score(chain: Chain, tags: Array) -> Array:
    params, scores_TKB, valid_TB = chain
    if tags.shape != valid_TB.shape or not jnp.issubdtype(tags.dtype, jnp.integer):
        raise UserError(
            f"tags are integers of shape [T, B] = {list(valid_TB.shape)}; got {tags.dtype} of "
            f"shape {list(tags.shape)}"
        )
    check_ids("tags", tags, len(params.start), valid_TB)
    tags = tags.astype(jnp.int32)  # jax indexes with what can hold K
    last_B = jnp.maximum(jnp.sum(valid_TB, axis=0) - 1, 0)
    last_tags_B = jnp.take_along_axis(tags, last_B[None], axis=0)[0]
    of_tags_TB = jnp.take_along_axis(scores_TKB, tags[:, None], axis=1)[:, 0]
    of_moves_TB = params.transitions[tags[:-1], tags[1:]]
    of_moves_TB = jnp.concatenate([params.start[tags[:1]], of_moves_TB])
    each_TB = jnp.where(valid_TB, of_tags_TB + of_moves_TB, 0)
    return jnp.sum(each_TB, axis=0) + jnp.where(valid_TB[0], params.end[last_tags_B], 0)
