import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.data.splits import check_fractions, split
from rnnjax.errors import UserError

lengths = st.lists(st.integers(1, 400), min_size=1, max_size=60)
fraction = st.sampled_from([0.05, 0.1, 0.2, 0.3])


def symbols(segments):
    return [place for segment in segments for place in range(segment.start, segment.end)]


@given(lengths, fraction, fraction)
def test_every_symbol_is_in_one_split_and_no_segment_crosses_a_document(sizes, valid, test):
    ends = np.cumsum(sizes)
    parts = split(ends, {"validation": valid, "test": test})
    assert list(parts) == ["train", "validation", "test"]
    places = [symbols(segments) for segments in parts.values()]
    assert sorted(itertools.chain(*places)) == list(range(ends[-1]))
    assert all(part == sorted(part) for part in places)
    document_of = np.searchsorted(ends, np.arange(ends[-1]), side="right")
    for segments in parts.values():
        assert all(len(set(document_of[a:b])) == 1 for a, b in segments)


@given(lengths, fraction)
def test_sizes_are_within_half_of_those_asked_for(sizes, valid):
    total = sum(sizes)
    size = len(symbols(split(np.cumsum(sizes), {"validation": valid})["validation"]))
    assert abs(size - valid * total) <= max(valid * total / 2, 1)


def test_one_document_is_cut_at_nine_tenths():
    for total in (100, 1_115_394, 7):
        parts = split(np.array([total]), {"validation": 0.1})
        cut = int(total * 0.9)
        assert parts == {"train": [(0, cut)], "validation": [(cut, total)]}


def test_cuts_are_exact_where_fractions_do_not_add_up_in_binary():
    parts = split(np.array([100]), {"validation": 0.05, "test": 0.05})
    assert parts == {"train": [(0, 90)], "validation": [(90, 95)], "test": [(95, 100)]}


def test_whole_documents_of_every_length_are_kept_aside():
    sizes = np.tile([10, 1000], 100)
    parts = split(np.cumsum(sizes), {"validation": 0.1})
    kept = [b - a for a, b in parts["validation"]]
    assert sorted(set(kept)) == [10, 1000]
    assert kept.count(10) == kept.count(1000) == 10


@pytest.mark.parametrize("fractions", [(-0.1, 0), (0, 1), (0.5, 0.5), (float("nan"), 0)])
def test_impossible_fractions_are_refused(fractions):
    with pytest.raises(UserError, match="_fraction"):
        check_fractions(*fractions)
