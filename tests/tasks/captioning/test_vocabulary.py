"""The symbols of captions: there and back again, and what is unknown."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.data.word_vocabulary import END, START, UNKNOWN_WORD
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary, caption_words

CAPTIONS = [
    "A dog runs .",
    "The dog's friend, a cat, runs!",
    "a cat sleeps",
    "two lower rivers",
    "the lowest river",
]
WORDS = CaptionVocabulary.of(CAPTIONS)
PARTS = CaptionVocabulary.of(CAPTIONS, level="subword", num_subwords=60)
LETTERS = sorted(set("".join(CAPTIONS).lower()) & set("abcdefghijklmnopqrstuvwxyz"))


def test_words_are_ordered_by_how_often_they_stand_and_then_by_letter():
    assert WORDS.symbols[:3] == ("<end>", "<start>", "<unknown>")
    assert (END, START, UNKNOWN_WORD) == (0, 1, 2)
    assert WORDS.symbols[3:] == (
        "a", "cat", "runs", "the", "dog", "dogs", "friend", "lower", "lowest", "river", "rivers",
        "sleeps", "two",
    )  # fmt: skip
    assert len(WORDS) == 16


@pytest.mark.parametrize("vocabulary", [WORDS, PARTS], ids=["word", "subword"])
def test_captions_there_and_back(vocabulary):
    for caption in CAPTIONS:
        ids = vocabulary.encode(caption)
        assert ids.dtype == np.int32
        assert ids[-1] == END
        assert (ids[:-1] > UNKNOWN_WORD).all()
        assert vocabulary.text(vocabulary.decode(ids)) == " ".join(caption_words(caption))
        assert vocabulary.decode([*ids, 5, 6]) == vocabulary.decode(ids)
    assert vocabulary.encode("").tolist() == vocabulary.encode(" .,").tolist() == [END]
    assert vocabulary.text(()) == ""


def test_words_that_are_rare_or_new_are_unknown():
    vocabulary = CaptionVocabulary.of(CAPTIONS, min_count=2)
    assert vocabulary.symbols[3:] == ("a", "cat", "runs", "the")
    ids = vocabulary.encode("The purple cat runs, lower <end>")
    assert vocabulary.decode(ids) == ("the", "<unknown>", "cat", "runs", "<unknown>", "<unknown>")
    assert ids[1] == ids[4] == UNKNOWN_WORD


def test_parts_of_words_are_joined_in_the_order_of_their_frequency():
    """Sennrich's own example: low (5), lower (2), newest (6), widest (3)."""
    counts = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
    captions = [word for word, count in counts.items() for _ in range(count)]
    least = CaptionVocabulary.of(captions, level="subword", num_subwords=17)
    vocabulary = CaptionVocabulary.of(captions, level="subword", num_subwords=22)
    assert len(least) == 3 + len("deilnorstw") + len("wrt") + 1
    assert vocabulary.merges[:4] == (("e", "s"), ("es", "t</w>"), ("l", "o"), ("e", "w"))
    assert len(vocabulary) == len(set(vocabulary.symbols)) == 22
    assert vocabulary.decode(vocabulary.encode("lowest")) == ("lo", "w", "est</w>")


@given(st.lists(st.text(LETTERS, min_size=1, max_size=8), max_size=4))
def test_parts_cover_new_words_of_known_letters(words):
    """As far as their last letters end a word of the training captions."""
    caption = " ".join(words)
    ends = {word[-1] for text in CAPTIONS for word in caption_words(text)}
    ids = PARTS.encode(caption)
    if all(word[-1] in ends for word in words):
        assert UNKNOWN_WORD not in ids
        assert PARTS.text(PARTS.decode(ids)) == caption
    else:
        assert UNKNOWN_WORD in ids


def test_of_which_word_a_symbol_is_a_part():
    symbols = ("lo", "w", "est</w>", "a</w>", "new", "e")
    assert PARTS.word_numbers(symbols).tolist() == [0, 0, 0, 1, 2, 2]
    assert WORDS.word_numbers(symbols).tolist() == [0, 1, 2, 3, 4, 5]
    assert PARTS.word_numbers(()).tolist() == WORDS.word_numbers(()).tolist() == []


def test_letters_that_are_new_are_unknown():
    assert PARTS.decode(PARTS.encode("ж the"))[0] == "<unknown>"
    assert PARTS.text(PARTS.decode(PARTS.encode("ж the")[1:])) == "the"


def test_words_that_are_rare_are_no_matter_where_words_have_parts():
    rare = CaptionVocabulary.of(CAPTIONS, level="subword", num_subwords=60, min_count=50)
    assert rare == PARTS


def test_parts_are_the_same_in_every_process():
    """Hash tables in the library are ordered differently in each."""
    code = (
        "from tests.tasks.captioning.test_vocabulary import *;"
        "print(CaptionVocabulary.of(CAPTIONS, level='subword', num_subwords=40).to_json())"
    )
    here = CaptionVocabulary.of(CAPTIONS, level="subword", num_subwords=40).to_json()
    root = Path(__file__).parents[3]
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=root, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert told.strip() == here


@pytest.mark.parametrize("vocabulary", [WORDS, PARTS], ids=["word", "subword"])
def test_json_there_and_back(vocabulary):
    again = CaptionVocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary
    for caption in [*CAPTIONS, "lowest dog sleeper"]:
        np.testing.assert_array_equal(again.encode(caption), vocabulary.encode(caption))


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"level": "word"}', '{"level": "word", "symbols": ["a"], "merges": []}'],
)
def test_other_texts_are_no_vocabulary(text):
    with pytest.raises(UserError, match="this is no saved vocabulary of captions: "):
        CaptionVocabulary.from_json(text)


@pytest.mark.parametrize(
    ("captions", "options", "told"),
    [
        (CAPTIONS, {"level": "words"}, "unknown level of captions 'words'; did you mean 'word'"),
        (CAPTIONS, {"min_count": 5}, "no word stands 5 times in the captions: nothing to learn"),
        ([], {}, "no word stands 1 times"),
        ([], {"level": "subword"}, "no word stands 1 times"),
        (
            ["ab ba", "ca"], {"level": "subword", "num_subwords": 7},
            "num_subwords is 8 or more for captions of 3 letters, of which 2 end words; got 7",
        ),
    ],
)  # fmt: skip
def test_what_is_no_vocabulary(captions, options, told):
    with pytest.raises(UserError, match=told):
        CaptionVocabulary.of(captions, **options)
    small = CaptionVocabulary.of(["ab ba", "ca"], level="subword", num_subwords=8)
    assert len(small) == 8
