"""The best sequence of tags under a linear-chain CRF, and the k best."""

import jax.numpy as jnp
from jax import lax

from rnnjax.errors import UserError
from rnnjax.heads.crf_params import Constraints, CRFParams, prepare
from rnnjax.typing import Array


def viterbi(
    params: CRFParams, scores: Array, lengths: Array, *, allowed: Constraints | None = None
) -> tuple[Array, Array]:
    """The legal sequence of tags with the highest score; of equals, that of the lowest last tag.

    Where their last tags are the same, the tag before it decides, and so on.

    ::

        delta_1(j) = start(j) + scores_1(j)
        delta_t(j) = max_i (delta_tm1(i) + transitions(i, j)) + scores_t(j)
        y_T        = argmax_i delta_T(i) + end(i)
        y_tm1      = argmax_i delta_tm1(i) + transitions(i, y_t)

    Illegal tags are never returned, whatever the scores: finite ones are clipped before they could
    overflow, infinite ones to the same bounds, and NaN counts as the lowest.

    Args:
        params, scores, lengths, allowed: as in `crf.log_partition`.

    Returns:
        Tags, int32 [T, B], 0 at padding; and their score [B] in nats, which is 0 for a sequence of
        length 0, and -inf (and the tags 0) where no sequence is legal.

    Raises:
        UserError: shapes or dtypes do not fit, or lengths are out of range.

    References:
        Viterbi 1967, "Error bounds for convolutional codes and an asymptotically optimum decoding
        algorithm".
    """
    params, scores_TKB, valid_TB = prepare(params, scores, lengths, allowed, bounded=True)
    transitions = params.transitions

    def forward(delta_KB: Array, at_t: tuple[Array, Array]) -> tuple[Array, Array]:
        scores_KB, valid_B = at_t
        best_KB = jnp.max(delta_KB[:, None] + transitions[:, :, None], axis=0)
        return jnp.where(valid_B, best_KB + scores_KB, delta_KB), delta_KB

    # Where each tag came from is found on the way back, for the one tag that matters.
    def backward(tag_B: Array, at_t: tuple[Array, Array]) -> tuple[Array, Array]:
        delta_KB, valid_B = at_t
        came_from_B = jnp.argmax(delta_KB + transitions.T[tag_B].T, axis=0).astype(tag_B.dtype)
        tag_B = jnp.where(valid_B, came_from_B, tag_B)
        return tag_B, tag_B

    first_KB = params.start[:, None] + scores_TKB[0]
    delta_KB, deltas_TKB = lax.scan(forward, first_KB, (scores_TKB[1:], valid_TB[1:]))
    final_KB = delta_KB + params.end[:, None]
    last_B = jnp.argmax(final_KB, axis=0).astype(jnp.int32)
    _, before_TB = lax.scan(backward, last_B, (deltas_TKB, valid_TB[1:]), reverse=True)
    score_B = jnp.max(final_KB, axis=0)
    tags_TB = jnp.concatenate([before_TB, last_B[None]])
    tags_TB = jnp.where(valid_TB & (score_B > -jnp.inf), tags_TB, 0)
    return tags_TB, jnp.where(valid_TB[0], score_B, 0)


def k_best(
    params: CRFParams, scores: Array, lengths: Array, k: int, *, allowed: Constraints | None = None
) -> tuple[Array, Array]:
    """The k legal sequences of tags with the highest scores, the best first, no two the same.

    The recursion of `viterbi` with the k best ways to each tag instead of the one best.

    Args:
        params, scores, lengths, allowed: as in `viterbi`; nothing illegal is returned here either,
            whatever the scores are.
        k: how many, at least 1.

    Returns:
        Tags, int32 [T, B, k], 0 at padding; and their scores [B, k] in nats, in descending order.
        Where fewer than k sequences are legal, the scores of the rest are -inf and their tags 0. A
        sequence of length 0 has one sequence of tags, the empty one, with score 0.

    Raises:
        UserError: as in `viterbi`, or k is less than 1.

    References:
        Seshadri & Sundberg 1994, "List Viterbi decoding algorithms with applications", the
        parallel one.
    """
    if k < 1:
        raise UserError(f"k is at least 1; got {k}")
    params, scores_TKB, valid_TB = prepare(params, scores, lengths, allowed, bounded=True)
    scores_TBK = jnp.swapaxes(scores_TKB, 1, 2)
    _, batch_size, num_tags = scores_TBK.shape
    num_nodes = num_tags * k  # node tag * k + n: the n-th best way to a tag

    def forward(delta_BKk: Array, at_t: tuple[Array, Array]) -> tuple[Array, Array]:
        scores_BK, valid_B = at_t
        ways_BKN = jnp.reshape(
            delta_BKk[:, None] + params.transitions.T[:, :, None], (batch_size, num_tags, num_nodes)
        )
        best_BKk, came_from_BKk = lax.top_k(ways_BKN, k)
        delta_BKk = jnp.where(valid_B[:, None, None], best_BKk + scores_BK[:, :, None], delta_BKk)
        return delta_BKk, jnp.reshape(came_from_BKk, (batch_size, num_nodes))

    def backward(node_Bk: Array, at_t: tuple[Array, Array]) -> tuple[Array, Array]:
        came_from_BN, valid_B = at_t
        before_Bk = jnp.take_along_axis(came_from_BN, node_Bk, axis=1)
        node_Bk = jnp.where(valid_B[:, None], before_Bk, node_Bk)
        return node_Bk, node_Bk

    first_BKk = jnp.full((batch_size, num_tags, k), -jnp.inf, scores_TBK.dtype)
    first_BKk = first_BKk.at[:, :, 0].set(params.start + scores_TBK[0])
    delta_BKk, came_from_TBN = lax.scan(forward, first_BKk, (scores_TBK[1:], valid_TB[1:]))
    final_BN = jnp.reshape(delta_BKk + params.end[:, None], (batch_size, num_nodes))
    score_Bk, last_Bk = lax.top_k(final_BN, k)
    _, before_TBk = lax.scan(backward, last_Bk, (came_from_TBN, valid_TB[1:]), reverse=True)
    tags_TBk = jnp.concatenate([before_TBk, last_Bk[None]]) // k
    tags_TBk = jnp.where(valid_TB[:, :, None] & (score_Bk > -jnp.inf), tags_TBk, 0)
    of_nothing_k = jnp.where(jnp.arange(k) == 0, 0, -jnp.inf).astype(score_Bk.dtype)
    return tags_TBk, jnp.where(valid_TB[0, :, None], score_Bk, of_nothing_k)
