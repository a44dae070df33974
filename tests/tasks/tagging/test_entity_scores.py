import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.entity_scores import confusion, entity_scores, score_table, span_errors
from rnnjax.tasks.tagging.schemes import spans_of

# What conlleval counts, by hand: tags of sentences (split by |), gold and predicted, and for each
# type the numbers of entities that are correct, found, and there.
NASTY = {
    "inside_after_outside": ("O B-PER", "O I-PER", {"PER": (1, 1, 1)}),
    "inside_after_other_type": (
        "B-LOC I-PER", "B-LOC B-PER", {"LOC": (1, 1, 1), "PER": (1, 1, 1)},
    ),
    "type_changes_inside": (
        "B-PER I-PER I-PER", "B-PER I-LOC I-PER", {"PER": (0, 2, 1), "LOC": (0, 1, 0)},
    ),
    "cut_in_two": ("B-PER I-PER I-PER I-PER", "B-PER I-PER B-PER I-PER", {"PER": (0, 2, 1)}),
    "over_sentence_break": ("O B-PER | I-PER O", "O I-PER | B-PER O", {"PER": (2, 2, 2)}),
    "over_sentence_break_half": ("O B-PER | I-PER O", "O B-PER | O O", {"PER": (1, 1, 2)}),
    "right_place_wrong_type": ("O B-PER", "O B-LOC", {"PER": (0, 0, 1), "LOC": (0, 1, 0)}),
    "all_outside": ("O O | O", "O O | O", {}),
    "nothing_predicted": ("B-PER O B-LOC", "O O O", {"PER": (0, 0, 1), "LOC": (0, 0, 1)}),
    "empty_sentences": (" | B-PER | ", " | B-PER | ", {"PER": (1, 1, 1)}),
    "types_that_differ_behind_a_hyphen": (
        "B-art-film I-art-film",
        "B-art-film I-art-song",
        {"art-film": (0, 1, 1), "art-song": (0, 1, 0)},
    ),
    "type_like_outside": ("B-O O", "O B-O", {"O": (0, 1, 1)}),
}  # fmt: skip


def sentences(text):
    return [part.split() for part in text.split("|")]


def scores_of(correct, found, there):
    """Precision, recall and F1 as exact fractions: 0 where nothing is divided by nothing."""
    precision = Fraction(correct, found) if found else Fraction(0)
    recall = Fraction(correct, there) if there else Fraction(0)
    total = precision + recall
    return precision, recall, 2 * precision * recall / total if total else Fraction(0)


def check(scores, counts):
    """Compares scores with those that counts per type give."""
    assert list(scores.per_type) == sorted(counts)
    rows = [(scores.per_type[kind], scores_of(*counts[kind])) for kind in counts]
    totals = [sum(column) for column in zip(*counts.values(), strict=True)] or [0, 0, 0]
    rows.append((scores.micro, scores_of(*totals)))
    columns = zip(*(scores_of(*count) for count in counts.values()), strict=True)
    means = [sum(column) / len(counts) for column in columns]
    rows.append((scores.macro, means or [0, 0, 0]))
    for score, expected in rows:
        assert score[:3] == pytest.approx([float(value) for value in expected], abs=1e-12)
    supports = {kind: count[2] for kind, count in counts.items()}
    assert {kind: score.support for kind, score in scores.per_type.items()} == supports
    assert scores.micro.support == scores.macro.support == totals[2]


def begins(before, tag):
    new_type = before[2:] != tag[2:]
    return before[0] + tag[0] in ("BB", "IB", "OB", "OI") or (tag != "O" and new_type)


def ends(before, tag):
    new_type = before[2:] != tag[2:]
    return before[0] + tag[0] in ("BB", "BO", "IB", "IO") or (before != "O" and new_type)


def conlleval_counts(gold, predicted):
    """Counts as the script conlleval does: in one walk over the tokens, without any spans.

    At every token it looks up whether an entity ends and begins there, in gold and in prediction.
    An entity is correct if both begin together, stay in step and end together. Knows B, I and O.
    """
    counts = {}

    def count(tag, column):
        counts.setdefault(tag[2:], [0, 0, 0])[column] += 1

    gold_before, before, in_step = "O", "O", False
    for sentence in zip(gold, predicted, strict=True):
        for gold_tag, tag in [*zip(*sentence, strict=True), ("O", "O")]:
            gold_ends, tag_ends = ends(gold_before, gold_tag), ends(before, tag)
            if in_step and gold_ends and tag_ends:
                count(gold_before, 0)
            in_step = in_step and not gold_ends and not tag_ends
            gold_begins, tag_begins = begins(gold_before, gold_tag), begins(before, tag)
            if gold_begins:
                count(gold_tag, 2)
            if tag_begins:
                count(tag, 1)
            if gold_begins and tag_begins and gold_tag[2:] == tag[2:]:
                in_step = True
            gold_before, before = gold_tag, tag
    return {kind: tuple(column) for kind, column in counts.items()}


@pytest.mark.parametrize(("gold", "predicted", "counts"), NASTY.values(), ids=NASTY)
def test_nasty_cases_are_counted_as_by_hand_and_as_by_conlleval(gold, predicted, counts):
    check(entity_scores(sentences(gold), sentences(predicted)), counts)
    assert conlleval_counts(sentences(gold), sentences(predicted)) == counts


def tagged(prefixes):
    """Pairs of gold and predicted sentences with tags in any order, right or not."""
    tags = st.sampled_from(["O", *(f"{prefix}-{kind}" for prefix in prefixes for kind in "XY")])
    pairs = st.lists(st.tuples(tags, tags), max_size=8)
    return st.lists(pairs, min_size=1, max_size=4).map(
        lambda rows: tuple([[pair[n] for pair in row] for row in rows] for n in (0, 1))
    )


@given(tagged("BI"))
def test_scores_are_those_of_conlleval(both):
    check(entity_scores(*both), conlleval_counts(*both))


@given(tagged("BIES"))
def test_scores_are_those_of_sets_of_spans(both):
    gold, found = (
        {(n, *span) for n, tags in enumerate(side) for span in spans_of(tags)} for side in both
    )
    counts = {
        kind: tuple(
            sum(span[-1] == kind for span in spans) for spans in (gold & found, found, gold)
        )
        for kind in {span[-1] for span in gold | found}
    }
    check(entity_scores(*both), counts)


def test_tuples_are_sentences_too():
    scores = entity_scores((("B-PER", "I-PER"), ()), (("B-PER", "I-PER"), ()))
    assert scores.micro == (1, 1, 1, 1)


def test_token_accuracy_compares_tags_as_they_are_written():
    gold = [["B-PER", "I-PER", "O"], ["O", "B-LOC"]]
    predicted = [["I-PER", "I-PER", "O"], ["B-LOC", "B-ORG"]]
    scores = entity_scores(gold, predicted)
    assert scores.token_accuracy == 0.4
    assert scores.per_type["PER"].f1 == 1.0
    assert entity_scores([[]], [[]]).token_accuracy == 0.0


@pytest.mark.parametrize("score", [entity_scores, confusion, span_errors])
def test_bad_input_is_refused(score):
    with pytest.raises(ValueError, match="shorter"):
        score([["O"], ["O"]], [["O"]])
    with pytest.raises(UserError, match=r"'PER' is no tag"):
        score([["O"], ["O"]], [["O"], ["PER"]])


def test_confusion_counts_tokens_by_type():
    gold = sentences("B-PER I-PER O O | B-LOC B-O E-LOC")
    predicted = sentences("B-PER B-LOC O S-PER | B-LOC O I-PER")
    names, counts = confusion(gold, predicted)
    assert names == ("LOC", "O", "PER", "O")
    expected = [[1, 0, 1, 0], [0, 0, 0, 1], [1, 0, 1, 0], [0, 0, 1, 1]]
    np.testing.assert_array_equal(counts, expected)
    assert confusion([["O"]], [["O"]]) == (("O",), [[1]])
    assert confusion([[]], [[]]) == (("O",), [[0]])


def test_the_table_is_aligned_and_in_percent():
    gold = sentences("B-PER I-PER O B-LOC | B-PER B-organisation")
    predicted = sentences("B-PER O O B-LOC | B-PER O")
    assert score_table(entity_scores(gold, predicted)).splitlines() == [
        "               precision  recall      F1  entities",
        "LOC               100.00  100.00  100.00         1",
        "PER                50.00   50.00   50.00         2",
        "organisation        0.00    0.00    0.00         1",
        "all (micro)        66.67   50.00   57.14         4",
        "types (macro)      50.00   50.00   50.00         4",
        "token accuracy 66.67",
    ]
    assert not math.isnan(entity_scores([["O"]], [["O"]]).macro.f1)


@pytest.mark.parametrize(
    ("gold", "predicted", "kinds"),
    [
        ("B-PER I-PER O", "B-PER I-PER O", []),
        ("B-PER I-PER O", "O O B-PER", ["spurious", "missed"]),
        ("B-PER I-PER O", "B-LOC I-LOC O", ["wrong type"]),
        ("B-PER I-PER O", "O B-PER O", ["wrong border"]),
        ("O B-PER I-PER", "O B-LOC O", ["wrong type and border"]),
        ("B-PER I-PER I-PER", "B-PER I-PER B-PER", ["wrong border", "wrong border"]),
        ("B-PER B-PER O", "B-PER I-PER O", ["wrong border"]),
        ("B-PER I-PER B-LOC", "B-LOC I-LOC I-LOC", ["wrong type and border"]),
        ("B-PER O B-LOC", "B-LOC O B-LOC", ["wrong type"]),
    ],
)
def test_errors_have_their_kind(gold, predicted, kinds):
    assert [error.kind for error in span_errors([gold.split()], [predicted.split()])] == kinds


@given(tagged("BIES"))
def test_every_wrong_entity_is_in_one_error_and_every_gold_one_is_met_or_missed(both):
    (gold, *_), (predicted, *_) = both
    true, found = spans_of(gold), spans_of(predicted)
    errors = span_errors([gold], [predicted])
    assert [e.predicted for e in errors if e.predicted] == [s for s in found if s not in true]
    tokens = {token for start, end, _ in found for token in range(start, end)}
    missed = [span for span in true if tokens.isdisjoint(range(span.start, span.end))]
    assert [error.gold for error in errors if error.kind == "missed"] == missed
    for error in errors:
        if error.gold and error.predicted:
            words = [word for word in ("type", "border") if word in error.kind]
            same_borders, same_type = (
                error.gold[:2] == error.predicted[:2],
                (error.gold.type == error.predicted.type),
            )
            assert words == ["type"] * (not same_type) + ["border"] * (not same_borders)
