"""Tags and spans against values by hand, conlleval's rules written anew, and seqeval."""

import itertools
import string

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given
from seqeval.metrics.sequence_labeling import get_entities

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.schemes import (
    Span,
    faults,
    prefix_and_type,
    scheme_constraints,
    scheme_of,
    spans_of,
    tags_of,
)

SCHEMES = {"BIO": "BI", "IOB1": "BI", "BIOES": "BIES"}
KINDS = st.sampled_from(["X", "Y", "X-1", "PER"])


@st.composite
def sentences(draw):
    """A length and spans that fit in it, some side by side, in any order."""
    spans, place = [], 0
    for _ in range(draw(st.integers(0, 5))):
        start = place + draw(st.integers(0, 2))
        place = start + draw(st.integers(1, 4))
        spans.append(Span(start, place, draw(KINDS)))
    return place + draw(st.integers(0, 2)), draw(st.permutations(spans))


def sequences(prefixes, kinds="XY"):
    """Tags in any order, sensible or not."""
    tags = ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in kinds)]
    return st.lists(st.sampled_from(tags), max_size=8)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("B-X-1 I-X-1 I-X", [(0, 2, "X-1"), (2, 3, "X")]),
        ("B-X L-X U-X", [(0, 2, "X"), (2, 3, "X")]),
        ("B-X M-X E-X W-X", [(0, 3, "X"), (3, 4, "X")]),
    ],
)
def test_spans_of_other_letters_and_types_with_hyphens(tags, expected):
    assert spans_of(tags.split()) == expected


def conlleval_spans(tags):
    """For B, I and O, the two questions that the script conlleval asks at every token."""
    spans, start = [], None
    parts = [("O", ""), *(tuple((tag + "-").split("-")[:2]) for tag in tags), ("O", "")]
    for n, ((tag_before, type_before), (tag, kind)) in enumerate(itertools.pairwise(parts)):
        end_of_chunk = (tag_before, tag) in {("B", "B"), ("B", "O"), ("I", "B"), ("I", "O")}
        end_of_chunk |= tag_before != "O" and type_before != kind
        start_of_chunk = (tag_before, tag) in {("B", "B"), ("I", "B"), ("O", "B"), ("O", "I")}
        start_of_chunk |= tag != "O" and type_before != kind
        if end_of_chunk:
            spans.append((start, n, type_before))
        if start_of_chunk:
            start = n
    return spans


@pytest.mark.parametrize("length", range(6))
def test_spans_are_those_of_conlleval(length):
    for tags in itertools.product(["O", "B-X", "I-X", "B-Y", "I-Y"], repeat=length):
        assert spans_of(tags) == conlleval_spans(tags), tags


@given(sequences("BIES"))
def test_spans_are_those_of_seqeval(tags):
    expected = [(start, last + 1, kind) for kind, start, last in get_entities(tags)]
    assert spans_of(tags) == expected


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("BIO", "B-X B-X I-X B-Y O B-X I-X I-X"),
        ("IOB1", "I-X B-X I-X I-Y O I-X I-X I-X"),
        ("BIOES", "S-X B-X E-X S-Y O B-X I-X E-X"),
    ],
)
def test_tags_by_hand(scheme, expected):
    spans = [Span(5, 8, "X"), Span(3, 4, "Y"), Span(0, 1, "X"), Span(1, 3, "X")]
    assert tags_of(spans, 8, scheme) == expected.split()


@pytest.mark.parametrize("scheme", SCHEMES)
@given(sentence=sentences())
def test_spans_written_and_read_are_the_same(scheme, sentence):
    length, spans = sentence
    tags = tags_of(spans, length, scheme)
    assert len(tags) == length
    assert spans_of(tags) == sorted(spans)
    assert faults(tags, scheme) == []
    if spans:
        assert scheme_of([["O"], tags]) == scheme


@pytest.mark.parametrize("scheme", SCHEMES)
@given(tags=sequences("BIES"))
def test_there_is_no_fault_just_where_the_scheme_would_write_the_same(scheme, tags):
    assert (faults(tags, scheme) == []) == (tags_of(spans_of(tags), len(tags), scheme) == tags)


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("BIO", "I-X I-X O I-X B-Y I-X I-X", [0, 3, 5]),
        ("BIO", "B-X E-X O S-Y O", [1, 3]),
        ("IOB1", "B-X I-X B-X O B-X I-Y B-X", [0, 4, 6]),
        ("BIOES", "O I-X E-X B-X O", [1, 4]),
        ("BIOES", "B-X I-Y E-X S-X E-X", [1, 2, 4]),
        ("BIOES", "S-X B-X", [2]),
        ("BIOES", "B-X M-X L-X U-X", []),
    ],
)
def test_faults_by_hand(scheme, tags, expected):
    assert faults(tags.split(), scheme) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["O O"], "BIO"),
        (["O B-X I-X"], "BIO"),
        (["O B-X", "I-X O"], "BIO"),  # BIO with a fault: IOB1 would not begin with B
        (["O I-X", "O"], "IOB1"),
        (["O I-X B-X"], "IOB1"),
        (["O B-X", "S-X"], "BIOES"),
        (["B-X L-X", "U-X"], "BIOES"),
        ([], "BIO"),
    ],
)
def test_the_scheme_of_a_file(files, expected):
    assert scheme_of(line.split() for line in files) == expected


@pytest.mark.parametrize("tag", ["", "X", "o", "B", "B-", "-X", "B_X", "O-X", "0", "b-X", "BI-X"])
def test_what_is_no_tag_is_refused(tag):
    with pytest.raises(UserError, match="is no tag: expected O, or B-"):
        prefix_and_type(tag)
    for ask in (spans_of, lambda tags: faults(tags, "BIO"), lambda tags: scheme_of([tags])):
        with pytest.raises(UserError, match="is no tag"):
            ask(["O", tag])


@given(st.sampled_from("BIES"), st.text(string.printable, min_size=1))
def test_a_type_may_be_any_text(prefix, kind):
    assert prefix_and_type(f"{prefix}-{kind}") == (prefix, kind)


def test_constraints_of_bioes_by_hand():
    allowed = scheme_constraints(("O", "B-X", "I-X", "E-X", "S-X"), "BIOES")
    closed, inside = [1, 1, 0, 0, 1], [0, 0, 1, 1, 0]
    np.testing.assert_array_equal(
        allowed.transitions, np.array([closed, inside, inside, closed, closed], bool)
    )
    np.testing.assert_array_equal(allowed.start, np.array(closed, bool))
    np.testing.assert_array_equal(allowed.end, [True, False, False, True, True])


@pytest.mark.parametrize(("scheme", "prefixes"), SCHEMES.items())
def test_legal_is_what_writing_the_spans_gives_back(scheme, prefixes):
    tags = ["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in "XY")]
    allowed = scheme_constraints(tags, scheme)
    for length in (1, 2, 3):
        for numbers in itertools.product(range(len(tags)), repeat=length):
            sequence = [tags[n] for n in numbers]
            legal = (
                allowed.start[numbers[0]]
                and allowed.end[numbers[-1]]
                and all(allowed.transitions[i, j] for i, j in itertools.pairwise(numbers))
            )
            assert legal == (sequence == tags_of(spans_of(sequence), length, scheme)), sequence
