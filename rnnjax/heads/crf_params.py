"""The parameters of a linear-chain CRF, and its inputs made ready for the recursions."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.errors import UserError
from rnnjax.ranges import mask_of_lengths
from rnnjax.typing import Array, PRNGKey


class Constraints(NamedTuple):
    """The legal sequences of tags.

    Attributes:
        transitions: bool [K, K], whether tag j may come right after tag i, at `[i, j]`.
        start: bool [K], whether a sequence may begin with a tag.
        end: bool [K], whether it may end with it.
    """

    transitions: np.ndarray | Array
    start: np.ndarray | Array
    end: np.ndarray | Array


class CRFParams(NamedTuple):
    """`transitions [K, K]` from tag i to tag j at `[i, j]`, `start [K]`, `end [K]`."""

    transitions: Array
    start: Array
    end: Array


class Chain(NamedTuple):
    """The inputs of the recursions. B is the last axis, so that sums over K vectorise over B.

    Attributes:
        params: -inf where a constraint forbids.
        scores_TKB: 0 at padding, in the params' dtype.
        valid_TB: False at padding.
    """

    params: CRFParams
    scores_TKB: Array
    valid_TB: Array


def init(key: PRNGKey, num_tags: int) -> CRFParams:
    """Uniform in -0.1 .. 0.1, for K = `num_tags`.

    Raises:
        UserError: there is no tag.
    """
    if num_tags < 1:
        raise UserError(f"a CRF has at least 1 tag; got {num_tags}")
    keys = jax.random.split(key, 3)
    shapes = ((num_tags, num_tags), (num_tags,), (num_tags,))
    return CRFParams(
        *(
            jax.random.uniform(k, s, minval=-0.1, maxval=0.1)
            for k, s in zip(keys, shapes, strict=True)
        )
    )


def prepare(
    params: CRFParams,
    scores: Array,
    lengths: Array,
    allowed: Constraints | None,
    *,
    bounded: bool = False,
) -> Chain:
    """Checks the inputs and makes them ready.

    Args:
        scores: [T, B, K].
        lengths: int [B].
        bounded: whether to clip scores and params, before they are restricted, so that no sum
            over a sequence overflows: -inf then says "illegal" and nothing else. A NaN counts as
            the lowest score.

    Raises:
        UserError: shapes or dtypes do not fit; or lengths are not within 0 .. T, if their values
            are known (they are not while jax traces).
    """
    params, scores, lengths = jax.tree.map(jnp.asarray, (params, scores, lengths))
    _check(params, scores, allowed)
    num_steps, batch_size, _ = scores.shape
    valid_TB = mask_of_lengths(lengths, num_steps, (batch_size,))
    dtypes = (jnp.float32, scores.dtype, *(array.dtype for array in params))
    dtype = max(dtypes, key=lambda dtype: jnp.finfo(dtype).bits)
    params = CRFParams(*(array.astype(dtype) for array in params))
    scores_TKB = jnp.swapaxes(scores.astype(dtype), 1, 2)
    if bounded:
        limit = float(jnp.finfo(dtype).max) / (4 * num_steps + 4)  # 2 T + 1 terms are summed
        params, scores_TKB = jax.tree.map(
            lambda x: jnp.nan_to_num(jnp.clip(x, -limit, limit), nan=-limit), (params, scores_TKB)
        )
    if allowed is not None:
        pairs = zip(allowed, params, strict=True)
        params = CRFParams(*(jnp.where(legal, score, -jnp.inf) for legal, score in pairs))
    return Chain(
        params=params,
        scores_TKB=jnp.where(valid_TB[:, None], scores_TKB, 0),
        valid_TB=valid_TB,
    )


def _check(params: CRFParams, scores: Array, allowed: Constraints | None) -> None:
    if not jnp.issubdtype(scores.dtype, np.floating):
        raise UserError(f"scores are floating; got {scores.dtype}")
    if scores.ndim != 3 or 0 in (scores.shape[0], scores.shape[2]):
        raise UserError(
            f"scores have shape [T, B, K] with T and K at least 1; got {list(scores.shape)}"
        )
    num_tags = scores.shape[2]
    shapes = ((num_tags, num_tags), (num_tags,), (num_tags,))
    groups: list[tuple[str, CRFParams | Constraints, type]] = [("params", params, np.floating)]
    if allowed is not None:
        groups.append(("constraints", allowed, np.bool_))
    for group, arrays, kind in groups:
        for name, array, shape in zip(arrays._fields, arrays, shapes, strict=True):
            if array.shape != shape or not jnp.issubdtype(array.dtype, kind):
                raise UserError(
                    f"scores of shape {list(scores.shape)} have K = {num_tags} tags, for which "
                    f"{name} of the {group} is {kind.__name__} of shape {list(shape)}; got "
                    f"{array.dtype} of shape {list(array.shape)}"
                )
