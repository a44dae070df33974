"""The readable format and its tokenizer."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.data.tokens import tokenize
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.corpora import parse, read_inline
from rnnjax.tasks.tagging.schemes import spans_of


def write(tmp_path, content):
    path = tmp_path / "a.inline"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def words(text):
    return [token.text for token in tokenize(text)]


def entities(sentence):
    return [(" ".join(sentence.tokens[a:b]), kind) for a, b, kind in spans_of(sentence.tags)]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Dr. Curie's wife, aged 3.14!", "Dr.|Curie|'s|wife|,|aged|3.14|!"),
        ("well-known O’Brien don't AT&T", "well-known|O’Brien|don't|AT&T"),
        ("the students' 'own' room", "the|students|'|'|own|'|room"),
        ("in the U.S., e.g. J. R. R. Tolkien.", "in|the|U.S.|,|e.g.|J.|R.|R.|Tolkien|."),
        ("vitamin C.", "vitamin|C|."),
        ("1,000 at 12:30; 5, 6.", "1,000|at|12:30|;|5|,|6|."),
        ("He left.Then it...ended -- so", "He|left|.|Then|it|...|ended|--|so"),
        ("“Né” (née) – 50% of $5", "“|Né|”|(|née|)|–|50|%|of|$|5"),
        ("@ada met #turing's C#", "@ada|met|#turing|'s|C|#"),
        ("(see https://a.org/b-c?d=1&e.)", "(|see|https://a.org/b-c?d=1&e|.|)"),
        ("www.a.org/b/, http://a.org.", "www.a.org/b/|,|http://a.org|."),
        ("<http://a.org>, www. and https://", "<|http://a.org|>|,|www|.|and|https|:|/|/"),
        ("ada.k+1@a-b.co.uk's ada@home", "ada.k+1@a-b.co.uk|'s|ada|@home"),
        ("नमस्ते cafe\u0301", "नमस्ते|cafe\u0301"),
        ("東京 x_y a's's", "東京|x_y|a|'s|'s"),
        ("  \t ", ""),
    ],
)
def test_tokens(text, tokens):
    assert words(text) == [token for token in tokens.split("|") if token]


def test_tokens_of_a_long_word_are_found_in_linear_time():
    begin = time.process_time()
    assert len(tokenize("a." * 8000 + "a")) == 16001
    assert time.process_time() - begin < 1  # It took 4 s.


@given(st.text() | st.text("aB1.,'’-& sS#@$Ü\u0301\n"))
def test_no_character_but_white_space_is_lost_and_every_token_knows_its_place(text):
    tokens = tokenize(text)
    assert "".join(token.text for token in tokens) == re.sub(r"\s", "", text)
    places = [place for token in tokens for place in (token.start, token.end)]
    assert places == sorted(places)
    for token in tokens:
        assert token.text == text[token.start : token.end]
        assert token.start < token.end


def test_entities_are_marked_in_the_line():
    sentence = parse("[Marie Curie|PER] left [Warsaw|LOC]'s [1891|DATE].", "f:3")
    assert sentence.tokens == ("Marie", "Curie", "left", "Warsaw", "'s", "1891", ".")
    assert sentence.tags == ("B-PER", "I-PER", "O", "B-LOC", "O", "B-DATE", "O")
    assert sentence.source == "f:3"


@pytest.mark.parametrize(
    ("line", "tokens", "found"),
    [
        ("the [U.S.|LOC]-based firm", "the U.S. - based firm", [("U.S.", "LOC")]),
        ("pre-[Roman|X]s", "pre - Roman s", [("Roman", "X")]),
        ("[New|A][York|A]", "New York", [("New", "A"), ("York", "A")]),
        ("[ Ada |PER] x", "Ada x", [("Ada", "PER")]),
        (
            "[J. Smith|PER], [A. B|PER].",
            "J. Smith , A. B .",
            [("J. Smith", "PER"), ("A. B", "PER")],
        ),
        (r"a \ b [x / y|WORK-1]", r"a \ b x / y", [("x / y", "WORK-1")]),
        (" # no comment", "# no comment", []),
    ],
)
def test_borders_of_entities_are_borders_of_tokens(line, tokens, found):
    sentence = parse(line, "f:1")
    assert " ".join(sentence.tokens) == tokens
    assert entities(sentence) == found


def test_blank_lines_and_comments_are_skipped(tmp_path):
    content = "\ufeff# about\n\n[A|X] b\r\n# c\r\n#tag d\n \n\n# e\n\nf"
    path = write(tmp_path, content)
    assert [(s.tokens, s.source) for s in read_inline(path)] == [
        (("A", "b"), f"{path}:3"),
        (("#tag", "d"), f"{path}:5"),
        (("f",), f"{path}:10"),
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a [b|PER", r"'\[b\|PER' is no entity: expected \[WORDS\|TYPE\]"),
        ("a [b|PER c]", "'.b.PER c.' is no entity"),
        ("a [b|]", "'.b..' is no entity"),
        ("a [b]", "'.b.' is no entity"),
        ("a [  |PER]", "'.  .PER.' is no entity"),
        ("a [b [c|X] d|Y]", "'.b ' is no entity"),
        ("a ] b", "'. b' is no entity"),
    ],
)
def test_a_mark_that_is_wrong_is_named_with_its_line(tmp_path, line, told):
    path = write(tmp_path, f"[Ada|PER] left.\n{line}\n")
    with pytest.raises(UserError, match=f"^{path}:2: {told}") as error:
        read_inline(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "\n\n", "# a\n"])
def test_a_file_without_a_sentence(tmp_path, content):
    with pytest.raises(UserError, match=r"a\.inline has no sentence"):
        read_inline(write(tmp_path, content))
