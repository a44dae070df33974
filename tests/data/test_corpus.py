import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.data import load
from rnnjax.data.corpus import split
from rnnjax.errors import UserError

lengths = st.lists(st.integers(1, 400), min_size=1, max_size=60)
fraction = st.sampled_from([0.05, 0.1, 0.2, 0.3])


def symbols(segments):
    return [place for segment in segments for place in range(*segment)]


@given(lengths, fraction)
def test_every_symbol_is_in_one_split_and_no_segment_crosses_a_document(sizes, valid):
    ends = np.cumsum(sizes)
    parts = split(ends, valid)
    places = [symbols(segments) for segments in parts]
    assert sorted(itertools.chain(*places)) == list(range(ends[-1]))
    assert all(part == sorted(part) for part in places)
    document_of = np.searchsorted(ends, np.arange(ends[-1]), side="right")
    for segments in parts:
        assert all(len(set(document_of[a:b])) == 1 for a, b in segments)


@given(lengths, fraction)
def test_sizes_are_within_half_of_those_asked_for(sizes, valid):
    total = sum(sizes)
    size = len(symbols(split(np.cumsum(sizes), valid)[1]))
    assert abs(size - valid * total) <= max(valid * total / 2, 1)


def test_one_document_is_cut_at_nine_tenths():
    for total in (100, 1_115_394, 7):
        cut = int(total * 0.9)
        assert split(np.array([total]), 0.1) == ([(0, cut)], [(cut, total)])


def test_cuts_are_exact_where_fractions_are_not_in_binary():
    assert 100 * (1 - 0.34) < 66
    assert split(np.array([100]), 0.34) == ([(0, 66)], [(66, 100)])


def test_nothing_is_held_out_at_fraction_0():
    assert split(np.array([2, 5]), 0) == ([(0, 2), (2, 5)], [])


def test_a_document_is_held_out_as_soon_as_half_of_it_is_owed():
    """At one tenth: half of the fifth of equal documents, then all of the fifteenth."""
    kept = split(np.arange(100, 2001, 100), 0.1)[1]
    assert kept == [(400, 500), (1400, 1500)]


def test_whole_documents_of_every_length_are_kept_aside():
    sizes = np.tile([10, 1000], 100)
    kept = [b - a for a, b in split(np.cumsum(sizes), 0.1)[1]]
    assert sorted(set(kept)) == [10, 1000]
    assert kept.count(10) == kept.count(1000) == 10


@pytest.mark.parametrize("fraction", [-0.1, 1, float("nan")])
def test_impossible_fractions_are_refused(fraction):
    with pytest.raises(UserError, match="valid_fraction must lie in"):
        load("hello", valid_fraction=fraction)
