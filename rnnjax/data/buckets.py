"""A few lengths that sentences are padded to, so that a model is compiled only a few times."""

import logging
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from rnnjax.errors import UserError

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
        batch_size: B, rows of a batch.

    Returns:
        Ascending, the last of them the length of the longest sentence.

    Raises:
        UserError: there are no lengths, or a number is not positive.
    """
    distinct, counts = np.unique(np.fromiter(lengths, np.int64), return_counts=True)
    if not distinct.size:
        raise UserError("there are no sentences to choose bucket lengths for")
    check_positive(length=distinct[0], num_buckets=num_buckets, batch_size=batch_size)
    # Sentences of the n shortest lengths, in one bucket more each time: positions, and the choice.
    up_to = np.concatenate([[0], np.cumsum(counts)])
    fewest = np.where(up_to == 0, 0, np.iinfo(np.int64).max // 2)
    cut_before = []
    for _ in range(min(num_buckets, len(distinct))):
        positions, cuts = fewest.copy(), np.full(len(up_to), -1)
        for n in range(1, len(up_to)):
            rows = batch_size * -(-(up_to[n] - up_to[:n]) // batch_size)
            with_last = fewest[:n] + rows * distinct[n - 1]
            cut = int(np.argmin(with_last))
            if with_last[cut] < positions[n]:
                positions[n], cuts[n] = with_last[cut], cut
        fewest = positions
        cut_before.append(cuts)
    chosen = []
    n = len(distinct)
    for cuts in reversed(cut_before):
        if cuts[n] >= 0:
            chosen.append(int(distinct[n - 1]))
            n = cuts[n]
    return tuple(reversed(chosen))


def deal(
    lengths: Sequence[int], buckets: Sequence[int], name_of: Callable[[int], str] = str
) -> dict[int, np.ndarray]:
    """Puts each sentence into the smallest bucket that holds it.

    Sentences longer than the last bucket get buckets of twice, four times, ... its length, and a
    warning in the log says so.

    Args:
        lengths: of the sentences, at least one.
        buckets: lengths, ascending.
        name_of: what the warning calls the sentence at an index.

    Returns:
        {length of a bucket that is not empty, ascending: its sentences' indices, short ones first}.

    Raises:
        UserError: there are no sentences, or the lengths do not ascend.
    """
    if not len(lengths):
        raise UserError("there are no sentences to make batches of")
    if not buckets or buckets[0] < 1 or any(np.diff(buckets) <= 0):
        raise UserError(f"buckets are one or more ascending lengths, got {list(buckets)}")
    longest = int(np.argmax(lengths))
    held = list(buckets)
    while held[-1] < lengths[longest]:
        held.append(2 * held[-1])
    order = np.argsort(lengths, kind="stable")
    ends = np.searchsorted(np.sort(lengths), held, side="right")
    members = zip(held, np.split(order, ends[:-1]), strict=True)
    dealt = {length: indices for length, indices in members if len(indices)}
    if len(held) > len(buckets):
        _log.warning(
            "%d of %d sentences are longer than %d tokens, the largest bucket; the longest, %s, "
            "has %d. They are processed whole, padded to %s",
            sum(length > buckets[-1] for length in lengths),
            len(lengths),
            buckets[-1],
            name_of(longest),
            int(lengths[longest]),
            " or ".join(str(length) for length in dealt if length > buckets[-1]),
        )
    return dealt


def check_positive(**numbers: int) -> None:
    """Raises UserError, by name, for a number below 1."""
    for name, number in numbers.items():
        if number < 1:
            raise UserError(f"{name} must be at least 1, got {number}")
