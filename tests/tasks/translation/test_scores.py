"""Scores of translations against other computations of them."""

import functools

import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.tasks.translation.scores import edit_distance, translation_scores
from rnnjax.tasks.translation.vocabulary import TextVocabulary

REFERENCES = ["A dog runs over the grass, fast.", "Two men are sitting on a bench."]
WRITTEN = ["A dog runs over the grass.", "Two men sit on a red bench, here."]
TOKENIZED = ["A dog runs over the grass .", "Two men sit on a red bench , here ."]
TOKENIZED_REFERENCES = ["A dog runs over the grass , fast .", "Two men are sitting on a bench ."]


def test_bleu_is_that_of_sacrebleu_for_texts_as_they_are_written():
    """The symbols of a model are joined to texts; sacrebleu gets the same texts cut by hand."""
    vocabulary = TextVocabulary.of(WRITTEN, level="subword", num_subwords=60)
    texts = [vocabulary.text(vocabulary.decode(vocabulary.encode(t).tolist())) for t in WRITTEN]
    found = translation_scores("bleu", texts, REFERENCES)
    by_hand = sacrebleu.BLEU(tokenize="none").corpus_score(TOKENIZED, [TOKENIZED_REFERENCES])
    assert found["bleu"] == pytest.approx(by_hand.score, rel=1e-12)
    assert 20 < found["bleu"] < 80
    assert found["chrf"] == pytest.approx(
        sacrebleu.CHRF().corpus_score(WRITTEN, [REFERENCES]).score
    )


def test_exact_texts_and_edits_are_counted():
    found = translation_scores("exact", ["zwei", "drai", "vier", ""], ["zwei", "drei", "vie", "en"])
    assert found["exact"] == 25
    assert found["cer"] == pytest.approx(100 * (0 + 1 + 1 + 2) / 13)


@given(st.text("abc", max_size=5), st.text("abc", max_size=5))
def test_the_edit_distance_is_that_of_its_definition(one, other):
    @functools.cache
    def distance(a, b):
        if not a or not b:
            return len(a) + len(b)
        if a[0] == b[0]:
            return distance(a[1:], b[1:])
        return 1 + min(distance(a[1:], b), distance(a, b[1:]), distance(a[1:], b[1:]))

    assert edit_distance(one, other) == distance(one, other)
