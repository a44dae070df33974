"""A few lengths that sentences are padded to, so that a model is compiled only a few times."""

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from rnnjax.errors import UserError, check_at_least

_log = logging.getLogger(__name__)


def bucket_lengths(
    lengths: Iterable[int], num_buckets: int, *, batch_size: int = 1
) -> tuple[int, ...]:
    """The lengths to pad to with which sentences take the fewest positions.

    Each sentence goes to the smallest bucket that holds it, and the rows of a bucket are cut into
    batches, the last of them filled up. With n sentences in a bucket of length L, this minimises ::

        sum over buckets of  L * B * ceil(n / B)

    exactly, by dynamic programming over the distinct lengths.

    Args:
        lengths: of the sentences, each at least 1.
        num_buckets: how many at most; fewer where more would not help.

    Returns:
        Ascending, the last of them the length of the longest sentence.

    Raises:
        UserError: there are no lengths, or a number is not positive.
    """
    distinct, counts = np.unique(np.fromiter(lengths, np.int64), return_counts=True)
    if not distinct.size:
        raise UserError("there are no examples to choose bucket lengths for")
    check_at_least(1, length=distinct[0], num_buckets=num_buckets, batch_size=batch_size)
    # Of the sentences of the n shortest lengths: the fewest positions, and buckets that take them.
    up_to = np.concatenate([[0], np.cumsum(counts)])
    fewest = np.where(up_to == 0, 0, np.iinfo(np.int64).max // 2)
    chosen: list[tuple[int, ...]] = [()] * len(up_to)
    for _ in range(min(num_buckets, len(distinct))):
        with_fewer, chosen_of_fewer = fewest.copy(), chosen.copy()
        for n in range(1, len(up_to)):
            rows = batch_size * -(-(up_to[n] - up_to[:n]) // batch_size)
            positions = with_fewer[:n] + rows * distinct[n - 1]
            cut = int(np.argmin(positions))
            if positions[cut] < fewest[n]:
                fewest[n], chosen[n] = positions[cut], (*chosen_of_fewer[cut], int(distinct[n - 1]))
    return chosen[-1]


def bucket_of(length: int, buckets: Sequence[int]) -> int:
    """The smallest bucket that holds a length; else twice, four times, ... the last bucket."""
    beyond = buckets[-1]
    while beyond < length:
        beyond *= 2
    return next((bucket for bucket in buckets if bucket >= length), beyond)


def deal(
    lengths: Sequence[int] | np.ndarray,
    buckets: Sequence[int],
    noun: str = "sentence",
    name_of: Callable[[int], str] = str,
) -> dict[int, np.ndarray]:
    """Puts each example into its bucket, see `bucket_of`; warns of those longer than the last.

    Args:
        lengths: of the examples, at least one.

    Returns:
        {length of a bucket that is not empty, ascending: its examples' indices, short ones first}.
    """
    order = np.argsort(lengths, kind="stable")
    distinct, starts = np.unique(np.asarray(lengths)[order], return_index=True)
    members: dict[int, list[np.ndarray]] = {}
    for length, indices in zip(distinct.tolist(), np.split(order, starts[1:]), strict=True):
        members.setdefault(bucket_of(length, buckets), []).append(indices)
    dealt = {bucket: np.concatenate(indices) for bucket, indices in members.items()}
    added = [bucket for bucket in dealt if bucket > buckets[-1]]
    if added:
        longest = int(np.argmax(lengths))
        _log.warning(
            "%d of %d %ss are longer than %d tokens, the largest bucket; the longest, %s, has %d. "
            "They are processed whole, padded to %s",
            sum(len(dealt[bucket]) for bucket in added),
            len(lengths),
            noun,
            buckets[-1],
            name_of(longest),
            lengths[longest],
            " or ".join(map(str, added)),
        )
    return dealt


def with_full_batches(dealt: dict[int, np.ndarray], batch_size: int) -> dict[int, np.ndarray]:
    """Moves examples one bucket up that fill no batch, or that would leave too few for one."""
    full = {}
    waiting, left = np.zeros(0, np.int64), sum(map(len, dealt.values()))
    for bucket, indices in dealt.items():
        waiting, left = np.concatenate([waiting, indices]), left - len(indices)
        if min(len(waiting), left) >= batch_size or not left:
            full[bucket], waiting = waiting, waiting[:0]
    return full
