import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rnnjax.data import UNKNOWN, Vocabulary
from rnnjax.errors import UserError

text = st.text(st.characters(codec="utf-8"))


def test_characters_are_numbered_by_code_point_after_the_unknown():
    vocabulary = Vocabulary.of_text("hello")
    assert vocabulary.symbols == UNKNOWN + "ehlo"
    np.testing.assert_array_equal(vocabulary.encode("hello"), [2, 1, 3, 3, 4])
    np.testing.assert_array_equal(vocabulary.encode("help 😀"), [2, 1, 3, 0, 0, 0])
    assert vocabulary.decode([2, 0, 4]) == f"h{UNKNOWN}o"


@given(text)
@example(f"a{UNKNOWN}b")
def test_characters_of_its_own_text_come_back(given_text):
    vocabulary = Vocabulary.of_text(given_text)
    assert vocabulary.decode(vocabulary.encode(given_text)) == given_text
    assert vocabulary.unknown_in(given_text) == UNKNOWN * (UNKNOWN in given_text)


@given(text, text)
def test_unknown_characters_are_those_that_become_id_0(known, other):
    vocabulary = Vocabulary.of_text(known)
    lost = [c for c, i in zip(other, vocabulary.encode(other), strict=True) if i == 0]
    assert vocabulary.unknown_in(other) == "".join(dict.fromkeys(lost))


@given(text)
def test_bytes_are_those_of_utf_8(given_text):
    vocabulary = Vocabulary.of_bytes()
    ids = vocabulary.encode(given_text)
    assert bytes(ids.tolist()) == given_text.encode()
    assert vocabulary.decode(ids) == given_text
    assert vocabulary.unknown_in(given_text) == ""


def test_bytes_that_are_no_utf_8_are_shown_as_unknown():
    assert Vocabulary.of_bytes().decode([104, 255, 105]) == f"h{UNKNOWN}i"


@given(text)
def test_json_gives_back_an_equal_vocabulary(given_text):
    vocabulary = Vocabulary.of_text(given_text)
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary
    assert hash(again) == hash(vocabulary)
    assert again != Vocabulary.of_text(given_text.replace("a", "") + "a" * ("a" not in given_text))
    assert again != Vocabulary.from_json(Vocabulary.of_bytes().to_json())


@pytest.mark.parametrize(
    "saved", ["{", "[]", '{"level": "char"}', '{"level": "char", "symbols": "abc"}']
)
def test_json_that_is_no_vocabulary_is_refused(saved):
    with pytest.raises(UserError):
        Vocabulary.from_json(saved)


@pytest.mark.parametrize("bad", [-1, 5])
def test_an_id_outside_is_refused_by_name(bad):
    with pytest.raises(UserError, match=rf"id {bad} is outside this vocabulary of 5 symbols"):
        Vocabulary.of_text("hello").decode([0, bad])


@pytest.mark.parametrize(("size", "dtype"), [(255, np.uint8), (256, np.uint16)])
def test_ids_take_the_smallest_type_that_holds_them(size, dtype):
    text = "".join(map(chr, range(300, 300 + size)))
    vocabulary = Vocabulary.of_text(text)
    assert vocabulary.dtype == dtype
    np.testing.assert_array_equal(vocabulary.encode(text), np.arange(1, size + 1))
