"""Vocabularies of words of any text; byte-pair encoding is tested with captions."""

import pytest

from rnnjax.data.word_vocabulary import UNKNOWN_WORD, WordVocabulary, by_frequency
from rnnjax.errors import UserError

TEXTS = ["Dr. Who's well-known box, the Box", "the box"]


@pytest.mark.parametrize("level", ["word", "subword"])
def test_words_are_tokens_as_they_are_written(level):
    vocabulary = WordVocabulary.of(TEXTS, level=level, num_subwords=80)
    ids = vocabulary.encode("the  well-known Box's box")
    assert UNKNOWN_WORD not in ids
    assert vocabulary.text(vocabulary.decode(ids)) == "the well-known Box 's box"
    again = WordVocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary
    assert again.encode(TEXTS[0]).tolist() == vocabulary.encode(TEXTS[0]).tolist()


def test_frequent_words_come_first():
    vocabulary = WordVocabulary.of(TEXTS)
    assert vocabulary.symbols == (
        "<end>", "<start>", "<unknown>", "box", "the", "'s", ",", "Box", "Dr.", "Who", "well-known",
    )  # fmt: skip
    assert by_frequency({"b": 1, "c": 3, "a": 1}, "ab") == ["a", "b"]
    with pytest.raises(UserError, match="no word stands 3 times in the texts"):
        WordVocabulary.of(TEXTS, min_count=3)
