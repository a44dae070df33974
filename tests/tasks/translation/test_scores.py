"""Scores of translations against other computations of them."""

import pytest
import sacrebleu

from rnnjax.tasks.translation.scores import translation_scores
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


def test_exact_texts_are_counted():
    found = translation_scores("exact", ["zwei", "drai", "vier", ""], ["zwei", "drei", "vie", "en"])
    assert found == {"exact": 25}
