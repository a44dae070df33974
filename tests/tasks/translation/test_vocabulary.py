"""Symbols of texts, and the texts that they make."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.errors import UserError
from rnnjax.tasks.translation.vocabulary import JOINER, TextVocabulary, VocabularyPair

TEXTS = ["Ein Hund, der (1984) rennt.", "Der Hund rennt um 8.15!", "🐶 שלום"]


def test_digits_and_punctuation_are_words_that_know_where_they_were():
    words = TextVocabulary.words_of("In 1984, Orwell's")
    expected = ["In", "1", "+9", "+8", "+4", "+,", "Orwell", "+'s"]
    assert [word.replace(JOINER, "+") for word in words] == expected


@given(st.text())
def test_a_text_is_written_again_but_for_the_width_of_its_space(text):
    if JOINER in text:
        return
    vocabulary = TextVocabulary.of(["a"])
    assert vocabulary.text(TextVocabulary.words_of(text)) == " ".join(text.split())


@pytest.mark.parametrize("level", ["word", "subword"])
def test_known_texts_survive_their_numbers(level):
    vocabulary = TextVocabulary.of(TEXTS, level=level, num_subwords=90)
    for text in TEXTS:
        ids = vocabulary.encode(text).tolist()
        assert vocabulary.text(vocabulary.decode(ids)) == text


def test_labels_are_what_a_symbol_adds():
    vocabulary = TextVocabulary.of(["low lower, lowest"], level="subword", num_subwords=30)
    symbols = vocabulary.decode(vocabulary.encode("lower, low").tolist())
    assert "".join(vocabulary.labels(symbols)).replace("·", "") == "lower,low"


def test_a_pair_is_saved_and_read_again():
    pair = VocabularyPair.of(["ein Hund"], ["a dog"], level="subword", num_subwords=30)
    assert VocabularyPair.from_json(pair.to_json()) == pair
    for wrong in ("", "[]", "3", '["a", "b"]', pair.source.to_json()):
        with pytest.raises(UserError, match="saved"):
            VocabularyPair.from_json(wrong)
