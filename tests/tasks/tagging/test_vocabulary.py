import dataclasses
import json
import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnnjax.errors import UserError
from rnnjax.tasks.tagging import vocabulary as words_module
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.vocabulary import CASES, TaggingVocabulary, case_of, normalise


def sentence(text, tags="", source="a.conll:1"):
    return Sentence(tuple(text.split(" ")), tuple(tags.split()), source)


TRAIN = [
    sentence("The UN met the EU in 1997", "O B-ORG O O B-ORG O B-DATE"),
    sentence("the year 2004", "O B-DATE I-DATE"),
]


def vocabulary(train=TRAIN, scheme="BIO", **options):
    return TaggingVocabulary.of(train, scheme=scheme, **options)


@pytest.mark.parametrize(
    ("case", "tokens"),
    [
        ("lower", "word co-op don't é"),
        ("upper", "NATO A U.S. É"),
        ("initial upper", "Paris Émile Mid-air Mr."),
        ("mixed", "McDonald iPhone 'Paris New-York"),
        ("digits", "1997 7 ٣"),
        ("mostly digits", "12:30 1990s 25%"),
        ("some digits", "B2B A4 covid-19 F1"),
        ("other", ". ... $ 東京 -"),
    ],
)
def test_cases_of_tokens(case, tokens):
    assert {token: CASES[case_of(token)] for token in tokens.split()} == dict.fromkeys(
        tokens.split(), case
    )


@pytest.mark.parametrize(
    ("lowercase", "digits_to_zero", "expected"),
    [
        (True, True, "vol.000a"),
        (True, False, "vol.12٣a"),
        (False, True, "Vol.000A"),
        (False, False, "Vol.12٣A"),
    ],
)
def test_normal_forms(lowercase, digits_to_zero, expected):
    options = {"lowercase": lowercase, "digits_to_zero": digits_to_zero}
    assert normalise("Vol.12٣A", **options) == expected
    v = dataclasses.replace(vocabulary([sentence("Vol.12٣A")]), words=(expected,), **options)
    # Another spelling is the same word just where its normal form is.
    assert v.word_id("Vol.12٣A") == 2
    assert v.word_id("vOL.12٣A") == (2 if lowercase else 1)
    assert v.word_id("Vol.34٣A") == (2 if digits_to_zero else 1)


def test_words_are_numbered_by_frequency_after_padding_and_the_unknown():
    v = vocabulary()
    # the 3 times, 0000 twice, then the rest, once each, by the alphabet.
    assert v.words == ("the", "0000", "eu", "in", "met", "un", "year")
    assert v.counts == (3, 2, 1, 1, 1, 1, 1)
    assert v.num_words == 9
    assert v.first_singleton == 4
    assert [v.word_id(t) for t in ("THE", "8888", "year", "888", "")] == [2, 3, 8, 1, 1]


def test_extra_words_are_known_and_never_counted():
    extra = vocabulary(extra_words={"Zurich", "EU", "the", "1812", "aachen"})
    assert extra.words == ("the", "0000", "eu", "in", "met", "un", "year", "aachen", "zurich")
    assert extra.counts == (3, 2, 1, 1, 1, 1, 1, 0, 0)
    assert extra.first_singleton == extra.word_id("EU")


def test_a_vocabulary_does_not_depend_on_the_order_of_its_training_split():
    train = [
        sentence(" ".join(chr(97 + n % 26) * (n % 3 + 1) for n in range(k, k + 9)), "")
        for k in range(40)
    ]
    shuffled = random.Random(1).sample(train, len(train))
    assert vocabulary(train) == vocabulary(shuffled)
    counts = Counter(token for s in train for token in s.tokens)
    v = vocabulary(train)
    assert dict(zip(v.words, v.counts, strict=True)) == counts
    assert list(v.counts) == sorted(counts.values(), reverse=True)


@pytest.mark.parametrize(
    ("scheme", "tags", "encoded"),
    [
        ("BIO", "O B-DATE I-DATE B-ORG I-ORG", [[0, 1, 2], [3, 4, 3, 0, 1]]),
        ("IOB1", "O B-DATE I-DATE B-ORG I-ORG", [[0, 2, 2], [4, 4, 3, 0, 2]]),
        (
            "BIOES",
            "O B-DATE I-DATE E-DATE S-DATE B-ORG I-ORG E-ORG S-ORG",
            [[0, 1, 3], [5, 7, 8, 0, 4]],
        ),
    ],
)
def test_tags_are_those_of_the_models_scheme(scheme, tags, encoded):
    v = vocabulary(scheme=scheme)
    assert v.tags == tuple(tags.split())
    sentences = [TRAIN[1], sentence("a b c d 5", "B-ORG I-ORG B-ORG O B-DATE")]
    assert [v.encode(s).tags.tolist() for s in sentences] == encoded


def test_a_sentence_in_numbers():
    v = vocabulary()
    assert v.characters == "".join(sorted(set("TheUNmettheEUin1997theyear2004")))
    assert v.word_length == 4
    encoded = v.encode(sentence("The unmet Eu", "O O B-ORG"))
    assert encoded.words.tolist() == [2, 1, 4]
    assert [CASES[n] for n in encoded.case] == ["initial upper", "lower", "initial upper"]
    assert encoded.tags.tolist() == [0, 0, 3]
    # "u" is not among the characters of the training split; "unmet" is seen as "unet".
    n, e, t, h, upper_t, upper_e = (v.characters.index(c) + 2 for c in "nethTE")
    assert encoded.characters.tolist() == [[upper_t, h, e, 0], [1, n, e, t], [upper_e, 1, 0, 0]]
    assert {values.dtype.name for values in encoded} == {"int32"}


@given(st.integers(1, 40), st.integers(1, 80))
@example(5, 6)
def test_long_words_are_seen_without_their_middle(longest, length):
    letters = [chr(0x4E00 + n) for n in range(100)]
    v = vocabulary([sentence(" ".join([*letters, "x" * longest]))])
    width = min(longest, 32)
    assert v.word_length == width
    row = v.encode(sentence("".join(letters[:length]))).characters[0]
    seen = [v.characters[n - 2] for n in row.tolist() if n]
    if length <= width:
        assert seen == letters[:length]
        assert not row[length:].any()
    else:
        head, tail = (width + 1) // 2, width // 2
        assert seen == letters[:head] + letters[length - tail : length]


def test_sentences_without_tags_are_encoded_for_prediction():
    assert vocabulary().encode(sentence("in the EU")).tags.tolist() == [0, 0, 0]


def test_a_type_that_training_does_not_have_is_named_with_its_place():
    dev = sentence("Ann met Bob", "O O B-PRE", source="dev.conll:17")
    v = vocabulary([*TRAIN, sentence("Bob", "B-PER")])
    with pytest.raises(UserError) as error:
        v.encode(dev)
    assert str(error.value).startswith(
        "dev.conll:17: token 3 of the sentence, 'Bob', has the tag B-PRE"
    )
    assert "did you mean 'PER'? Valid: DATE, ORG, PER." in str(error.value)


@pytest.mark.parametrize("text", ["the EU", "EU"])
def test_encodings_do_not_share_memory_with_what_is_kept(text):
    v = vocabulary()
    first = v.encode(sentence(text))
    before = first.characters.copy()
    for values in first:
        values[...] = -5
    np.testing.assert_array_equal(v.encode(sentence(text)).characters, before)


def test_threads_that_share_a_vocabulary_get_the_same_numbers(monkeypatch):
    monkeypatch.setattr(words_module, "CACHED_TOKENS", 3)
    v, alone = vocabulary(), vocabulary()
    sentences = [TRAIN[n % 2] for n in range(300)]
    expected = [alone.encode(s) for s in sentences]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(pool.map(v.encode, sentences), expected, strict=True):
            for ours, theirs in zip(one, other, strict=True):
                np.testing.assert_array_equal(ours, theirs)


@given(st.lists(st.text(min_size=1), min_size=1), st.sampled_from(["BIO", "IOB1", "BIOES"]))
def test_json_gives_back_an_equal_vocabulary(tokens, scheme):
    train = Sentence(tuple(tokens), tuple(f"B-{len(t) % 3}" for t in tokens), "x:1")
    v = vocabulary([train], scheme=scheme)
    again = TaggingVocabulary.from_json(v.to_json())
    assert again == v
    for ours, theirs in zip(again.encode(train), v.encode(train), strict=True):
        np.testing.assert_array_equal(ours, theirs)


SAVED = json.loads(vocabulary().to_json())


@pytest.mark.parametrize(
    ("saved", "named"),
    [
        ("{", "no saved vocabulary of tagged sentences"),
        ("[]", "got list"),
        ('{"level": "char", "symbols": "abc"}', "got level, symbols"),
        (SAVED | {"more": 1}, "got words.*more"),
        ({k: v for k, v in SAVED.items() if k != "types"}, "got words"),
    ],
)
def test_garbage_is_no_saved_vocabulary(saved, named):
    with pytest.raises(UserError, match=named):
        TaggingVocabulary.from_json(saved if isinstance(saved, str) else json.dumps(saved))
