import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.entity_scores import span_errors
from rnnjax.tasks.tagging.schemes import Span, spans_of, tags_of


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", []),
        ("B-PER I-PER O", "O O B-PER", ["missed", "spurious"]),
        ("B-PER I-PER O", "B-LOC I-LOC O", ["wrong type"]),
        ("B-PER I-PER O", "O B-PER O", ["wrong border"]),
        ("O B-PER I-PER", "O B-LOC O", ["wrong type and border"]),
        ("B-PER I-PER I-PER", "B-PER I-PER B-PER", ["wrong border", "spurious"]),
        ("B-PER B-PER O", "B-PER I-PER O", ["wrong border", "missed"]),
        ("B-PER I-PER B-PER I-PER", "O B-PER I-PER O", ["wrong border", "missed"]),
        ("B-PER I-PER B-LOC", "B-LOC I-LOC I-LOC", ["missed", "wrong border"]),
        ("B-PER O B-LOC", "B-LOC O B-LOC", ["wrong type"]),
    ],
)
def test_errors_have_their_kind(gold, predicted, kinds):
    assert [error.kind for error in span_errors([gold.split()], [predicted.split()])] == kinds


def test_a_partner_is_of_the_same_borders_before_the_same_type_before_the_same_words():
    first, second = Span(0, 2, "PER"), Span(2, 5, "LOC")
    gold = tags_of([first, second], 6, "BIO")

    def partners(*spans):
        errors = span_errors([["O"], gold], [["O"], tags_of(spans, 6, "BIO")])
        assert all(error.sentence == 1 for error in errors)
        return {error.gold: error.predicted for error in errors}

    same_borders, rest = Span(0, 2, "LOC"), Span(2, 6, "PER")
    assert partners(same_borders, rest) == {first: same_borders, second: rest}
    same_type = Span(1, 5, "PER")
    assert partners(same_type) == {first: same_type, second: None}
    one_word, two_words = Span(2, 3, "LOC"), Span(3, 5, "LOC")
    found = partners(Span(0, 2, "PER"), one_word, two_words)
    assert found == {second: two_words, None: one_word}


TAGS = st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y", "E-X", "S-Y"])


@given(st.lists(st.tuples(TAGS, TAGS), max_size=12))
def test_every_wrong_span_is_in_exactly_one_error(pairs):
    gold, predicted = ([pair[n] for pair in pairs] for n in (0, 1))
    errors = span_errors([gold], [predicted])
    right = set(spans_of(gold)) & set(spans_of(predicted))
    assert sorted([*right, *(e.gold for e in errors if e.gold)]) == spans_of(gold)
    assert sorted([*right, *(e.predicted for e in errors if e.predicted)]) == spans_of(predicted)
    starts = [min(span.start for span in error[2:] if span) for error in errors]
    assert starts == sorted(starts)
    for error in errors:
        if error.gold and error.predicted:
            tokens = [set(range(span.start, span.end)) for span in (error.gold, error.predicted)]
            same_borders, same_type = tokens[0] == tokens[1], error.gold[2] == error.predicted[2]
            assert tokens[0] & tokens[1]
            assert not (same_borders and same_type)
            words = [word for word in ("type", "border") if word in error.kind]
            assert words == ["type"] * (not same_type) + ["border"] * (not same_borders)


def test_lengths_must_be_equal():
    with pytest.raises(UserError, match="sentence 1 has 1 gold tags, but 2 predicted"):
        span_errors([["O"]], [["O", "O"]])
