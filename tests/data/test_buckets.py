import itertools
import logging

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnnjax.data.buckets import bucket_lengths, deal
from rnnjax.errors import UserError


def positions(lengths, buckets, batch_size):
    """Positions that batches of whole buckets take, counted one batch after the other."""
    rows = {bucket: 0 for bucket in buckets}
    for length in lengths:
        rows[min(b for b in buckets if b >= length)] += 1
    total = 0
    for bucket, left in rows.items():
        while left > 0:
            total += bucket * batch_size
            left -= batch_size
    return total


@given(
    st.lists(st.integers(1, 9) | st.integers(1, 60), min_size=1, max_size=9),
    st.integers(1, 5),
    st.integers(1, 4),
)
@example([7], 3, 4)
@example([1, 2, 3, 4], 4, 1)
@example([1, 1, 1, 2], 2, 2)
def test_bucket_lengths_are_the_best_of_all(lengths, num_buckets, batch_size):
    chosen = bucket_lengths(lengths, num_buckets, batch_size=batch_size)
    assert list(chosen) == sorted(set(chosen))
    assert chosen[-1] == max(lengths)
    assert len(chosen) <= num_buckets
    others = sorted(set(lengths) - {max(lengths)})
    choices = [
        (*some, max(lengths))
        for n in range(num_buckets)
        for some in itertools.combinations(others, n)
    ]
    best = min(positions(lengths, choice, batch_size) for choice in choices)
    assert positions(lengths, chosen, batch_size) == best
    # No bucket more than it takes.
    assert len(chosen) == min(
        len(choice) for choice in choices if positions(lengths, choice, batch_size) == best
    )


def test_bucket_lengths_by_hand():
    lengths = [3] * 10 + [4] * 10 + [20] * 2
    assert bucket_lengths(lengths, 1) == (20,)
    assert bucket_lengths(lengths, 2) == (4, 20)
    assert bucket_lengths(lengths, 9) == (3, 4, 20)
    # The sentences of 4 take rows beside those of 20 that would be filler otherwise: 20 * (3 + 20)
    # positions, where (4, 20) is 20 * (4 + 20) and (3, 4, 20) is 20 * (3 + 4 + 20).
    assert bucket_lengths(lengths, 9, batch_size=20) == (3, 20)
    assert bucket_lengths([3, 20], 9, batch_size=100) == (20,)


def test_lengths_that_are_all_alike_are_cut_into_equal_steps():
    assert bucket_lengths(np.arange(1, 401), 8) == tuple(range(50, 401, 50))


@given(
    st.lists(st.integers(1, 200), min_size=1, max_size=30), st.sets(st.integers(1, 60), min_size=1)
)
def test_every_sentence_is_dealt_to_the_smallest_bucket_that_holds_it(lengths, buckets):
    buckets = sorted(buckets)
    dealt = deal(lengths, buckets)
    assert list(dealt) == sorted(dealt)
    held = np.concatenate(list(dealt.values()))
    assert sorted(held.tolist()) == list(range(len(lengths)))
    added = [buckets[-1] * 2**n for n in range(1, 9)]
    for length, indices in dealt.items():
        assert len(indices)
        inside = [lengths[i] for i in indices]
        assert inside == sorted(inside)
        assert {min(b for b in buckets + added if b >= n) for n in inside} == {length}


def test_sentences_longer_than_the_largest_bucket_are_told_of(caplog):
    caplog.set_level(logging.INFO)
    dealt = deal([3, 4, 17, 9, 2], [2, 4], name_of=lambda index: f"a.conll:{10 * index}")
    assert {length: indices.tolist() for length, indices in dealt.items()} == {
        2: [4], 4: [0, 1], 16: [3], 32: [2],
    }  # fmt: skip
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == (
        "2 of 5 sentences are longer than 4 tokens, the largest bucket; the longest, a.conll:20, "
        "has 17. They are processed whole, padded to 16 or 32"
    )


def test_nothing_is_said_where_every_sentence_fits(caplog):
    caplog.set_level(logging.INFO)
    deal([4, 1], [2, 4])
    assert not caplog.records


def test_impossible_numbers_are_refused():
    with pytest.raises(UserError, match="no examples"):
        bucket_lengths([], 4)
    with pytest.raises(UserError, match="num_buckets is 1 or more; got 0"):
        bucket_lengths([3], 0)
    with pytest.raises(UserError, match="batch_size is 1 or more; got 0"):
        bucket_lengths([3], 1, batch_size=0)
    with pytest.raises(UserError, match="length is 1 or more; got 0"):
        bucket_lengths([3, 0], 1)
