"""Where the sentences of texts end: by hand, and as the bundled sentences say."""

import re
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.data.tokens import tokenize
from rnnjax.tasks.tagging.inputs import split_sentences

CASES = [
    ("Ada left. ", "She was 12."),
    ("Is Ada here? ", "No! ", "She left…  ", "Then she came."),
    ("Wait... ", "Ada left.\n  ", "Bonn is old."),
    ("“Is it true?” ", "“It is.” ", "Ada left."),
    ('"Go!" ', "'Stay.' ", "(She stayed.) ", "[Then she left.] ", "¿Ada?"),
    ("He was born in 1906. ", "12 men left."),
    ("“Go!” said she, “and stay!” he said.",),
    ("Ada left . ", "Bonn is old ."),
    ("It costs 3.14 or 1,000. ", "Ada paid 2.50 at 12:30. ", "5 left."),
    ("See https://a.org/b.c?d=E. ", "Ada wrote to ada.k@a-b.org. ", "Nobody read www.a.org."),
    ("Dr. Curie met Mr. Ford, Mrs. Ford and St. John. ", "Prof. Meitner left."),
    ("Gen. Grant and Lt. Col. Ford left.",),
    ("J. R. R. Tolkien met C. S. Lewis. ", "George W. Bush left."),
    ("The U.S. Navy left. ", "So did J.R.R. Tolkien."),
    ("Use e.g. Python, i.e. Java, etc. Ada did, vs. Bob.",),
    ("No. 5 is Ada. ", "Nos. 6 and 7, in Vol. 2, pp. 3, are not. ", "Is it? ", "No. ", "It is."),
    ("On Jan. 5 Ada left. ", "She came in Dec. ", "Bonn was cold."),
    ("So say Ford et al. (2015). ", "Bob cf. Ada."),
    ("1. Ada left. ", "2. Bonn is old."),
    ("She works at Acme Inc. and Ford Co. Ltd. … ", "Now"),
    ("Ada left.Then she came. ", "Really?!Yes."),
    ("Really?! ", "Yes!!! ", "Is he a Capt? ", "Ada is."),
    ("the iPhone. it is new. ", "Änne left. ", "Ça va. ", "है। वह. ", "東京"),
    (" \n Ada left \n and came. \t",),
    ("Ada",),
    ("... ",),
    ("Ada (b. 1906) and Bonn (pop. 5)",),
]


@pytest.mark.parametrize("sentences", CASES, ids=lambda case: "".join(case)[:30])
def test_sentences(sentences):
    assert [part for part, _ in split_sentences("".join(sentences))] == list(sentences)


def test_the_bundled_sentences_are_found_in_their_text():
    """Those that cannot be found begin in lower case (eBay), or end with a title (Can't Pay?)."""
    folder = files("rnnjax.tasks.tagging") / "embedded"
    for name in ("dev", "test", "train"):
        lines = (folder / f"{name}.inline").read_text(encoding="utf-8").split("\n")
        marked = [line for line in lines if line.strip() and not line.startswith("# ")]
        sentences = [re.sub(r"\[([^|]*)\|\w+\]", r"\1", line) for line in marked]
        found = [part.rstrip() for part, _ in split_sentences(" ".join(sentences))]
        missed = set(sentences) - set(found)
        assert len(missed) <= 0.01 * len(sentences), missed


@given(st.text() | st.text("aB1.!?…\"'”)(“ \n"))
def test_no_character_is_lost_and_every_token_knows_its_place(text):
    sentences = list(split_sentences(text))
    if sentences:
        assert "".join(part for part, _ in sentences) == text
    words = [word for _, tokens in sentences for word, *_ in tokens]
    assert words == [word for word, *_ in tokenize(text)]
    for part, tokens in sentences:
        assert tokens
        assert all(part[start:end] == word for word, start, end in tokens)
