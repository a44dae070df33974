import itertools

import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.schemes import scheme_constraints, spans_of, tags_of


def test_bio_by_hand():
    allowed = scheme_constraints(("O", "B-X", "I-X", "I-Y"), "BIO")
    np.testing.assert_array_equal(
        allowed.transitions,
        np.array([[1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0], [1, 1, 0, 1]], bool),
    )
    np.testing.assert_array_equal(allowed.start, [True, True, False, False])
    np.testing.assert_array_equal(allowed.end, [True] * 4)


def test_bioes_by_hand():
    allowed = scheme_constraints(("O", "B-X", "I-X", "E-X", "S-X"), "BIOES")
    closed, inside = [1, 1, 0, 0, 1], [0, 0, 1, 1, 0]
    np.testing.assert_array_equal(
        allowed.transitions, np.array([closed, inside, inside, closed, closed], bool)
    )
    np.testing.assert_array_equal(allowed.start, np.array(closed, bool))
    np.testing.assert_array_equal(allowed.end, [True, False, False, True, True])


@pytest.mark.parametrize(("scheme", "prefixes"), [("BIO", "BI"), ("IOB1", "BI"), ("BIOES", "BIES")])
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


@pytest.mark.parametrize(
    ("tags", "scheme", "message"),
    [
        ((), "BIO", "no sentence of one token has a legal BIO tag"),
        (("I-X", "I-Y"), "BIO", r"among \[I-X, I-Y\]"),
        (("B-X", "B-Y"), "IOB1", "no sentence of one token has a legal IOB1 tag"),
        (("B-X", "I-X", "E-X"), "BIOES", "takes O or a tag for a span of one token"),
        (("O", "B-X", "E-X"), "BIO", "tag 2, 'E-X', is not of the scheme BIO"),
        (("O", "B-X", "O"), "BIO", "tag 2, 'O', occurs twice"),
        (("O", "X"), "BIO", "'X' is no tag"),
        (("O", "B-X"), "BIEOS", "did you mean 'BIOES'"),
    ],
)
def test_tags_without_a_legal_sequence(tags, scheme, message):
    with pytest.raises(UserError, match=message):
        scheme_constraints(tags, scheme)
