"""Column files in all the shapes they come in, and what is said about those that are wrong."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.conll import read_conll
from rnnjax.tasks.tagging.reports import as_conll
from rnnjax.tasks.tagging.sentences import Sentence, TaggedSentence

TOKENS = [("Ada", "left", "London", "."), ("Rain", "!")]
TAGS = [("B-PER", "O", "B-LOC", "O"), ("O", "O")]


def write(tmp_path, content):
    path = tmp_path / "a.conll"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def columns(separator, between=()):
    return "\n\n".join(
        "\n".join(separator.join([token, *between, tag]) for token, tag in zip(a, b, strict=True))
        for a, b in zip(TOKENS, TAGS, strict=True)
    )


def message(path, read=read_conll, **options):
    with pytest.raises(UserError) as error:
        read(path, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("separator", ["\t", " ", "   "])
@pytest.mark.parametrize("between", [(), ("NN",), ("NN", "B-NP"), ("1", "_", "_", "x")])
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_columns_are_found_however_they_are_separated(tmp_path, separator, between, line_end):
    content = columns(separator, between).replace("\n", line_end)
    for end in ("", line_end, line_end * 3):
        sentences = read_conll(write(tmp_path, content + end))
        assert [s.tokens for s in sentences] == TOKENS
        assert [s.tags for s in sentences] == TAGS


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + columns("\t").encode(),
        "\n\n \n\t\n" + columns("\t"),
        columns("\t").replace("\n\n", "\n\t\n  \n\n"),
        columns("\t").replace("\n", "  \n"),
        columns(" ").replace("\n", " \n ").replace("\n \n", "\n\n"),
        columns("\t").replace("\n", "\r"),
    ],
)
def test_white_space_and_marks_around_lines_do_not_matter(tmp_path, content):
    sentences = read_conll(write(tmp_path, content))
    assert [(s.tokens, s.tags) for s in sentences] == list(zip(TOKENS, TAGS, strict=True))


def test_gz_and_other_encodings(tmp_path):
    path = tmp_path / "a.conll.gz"
    path.write_bytes(gzip.compress("Zoë\tB-PER\n".encode("latin-1")))
    assert read_conll(str(path), encoding="latin-1")[0].tokens == ("Zoë",)


def test_which_column_is_what_can_be_chosen(tmp_path):
    path = write(tmp_path, "1 B-PER Ada NN\n2 O left VB\n")
    (sentence,) = read_conll(path, token_column=-2, tag_column=1)
    assert sentence == Sentence(("Ada", "left"), ("B-PER", "O"), f"{path}:1")


def test_every_sentence_knows_its_line(tmp_path):
    content = (
        "-DOCSTART- -X- -X- O\n\na x x O\n\n\nb x x O\n-DOCSTART- -X- O\n"
        "c x x O\nd x x O\n\n-DOCSTART- (x)\n-DOCSTART-\n\ne x x O"
    )
    path = write(tmp_path, content)
    assert [(s.tokens, s.source) for s in read_conll(path)] == [
        (("a",), f"{path}:3"),
        (("b",), f"{path}:6"),
        (("c", "d"), f"{path}:8"),
        (("e",), f"{path}:14"),
    ]


@pytest.mark.parametrize(
    ("content", "tokens"),
    [
        ("# text = # a\n#\tO\n#b\tO\n\n# newdoc\nc\tO", [("#", "#b"), ("c",)]),
        ("a\tO\n# O\n#b O", [("a", "#", "#b")]),
        ("# O\n#b O\nc O", [("#", "#b", "c")]),
        ("# text = a b\n# id 7\n#b O\nc O\n\n#\n# O\n", [("#b", "c"), ("#",)]),
        ("#\tO\n\n#b\tO", [("#",), ("#b",)]),
        ("#\tsource\na\tO\n\n#\tO\n#\tO", [("a",), ("#", "#")]),
    ],
)
def test_a_comment_is_told_from_a_token_that_begins_with_a_hash(tmp_path, content, tokens):
    assert [s.tokens for s in read_conll(write(tmp_path, content))] == tokens


def test_odd_white_space_is_part_of_tokens(tmp_path):
    path = write(tmp_path, "New York\tB-LOC\n\u00a0\tO\na\u2028b\tO\n\u3000c\u00a0\tO\n")
    assert read_conll(path)[0].tokens == ("New York", "\u00a0", "a\u2028b", "\u3000c\u00a0")
    bare = read_conll(write(tmp_path, "a\nb\u00a0 \n"), tag_column=None)
    assert bare[0].tokens == ("a", "b\u00a0")


def test_tokens_alone_are_read_with_and_without_tags(tmp_path):
    tagged = read_conll(write(tmp_path, columns("\t")), tag_column=None)
    bare_path = write(tmp_path, "# id 1\nAda\nleft\nLondon\n.\n\nRain\n!")
    bare = read_conll(bare_path, tag_column=None)
    for sentences in (tagged, bare):
        assert [s.tokens for s in sentences] == TOKENS
        assert [s.tags for s in sentences] == [(), ()]
    path = write(tmp_path, "1 x\n2 no-tag")
    assert read_conll(path, token_column=1, tag_column=None)[0].tokens == ("x", "no-tag")


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        ("a\tO\nb\tX\tO\n", 2, "has 3 columns, but .*:1.* has 2: 'b.tX.tO'"),
        ("a x O\n\nb x O\nc O\n", 4, "has 2 columns, but .*:1.* has 3: 'c O'"),
        ("a\tO\nb\n", 2, "has 1 column, but"),
        ("# c d\n\na O\nb O O\n", 4, "has 3 columns, but .*:3"),
        ("a O\n# b c O\n", 2, "has 4 columns"),
        ("a O\n\n-DOCSTART- O\nb O\nc P\n", 5, "'P' is no tag: expected O, or B-"),
        ("a O\nb PER\n", 2, "'PER' is no tag"),
        ("a\tO\nb\tB-\n", 2, "'B-' is no tag"),
        ("a\tO\n\tO\n", 2, "has no token in column 0"),
        ("\nAda\nleft\n", 2, "has 1 column: expected a token and, in another column, its tag"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, content, line, told):
    path = write(tmp_path, content)
    with pytest.raises(UserError, match=f"^{path}:{line}:? {told}"):
        read_conll(path)


def test_too_few_columns_for_the_columns_asked_for(tmp_path):
    path = write(tmp_path, "\na O\n")
    assert message(path, tag_column=3).startswith(f"{path}:2 has too few columns, 2: expected")
    assert "too few columns, 2" in message(path, tag_column=None, token_column=-3)


@pytest.mark.parametrize("content", ["", "\n \n", "-DOCSTART- O\n\n", "# only a comment\n"])
def test_a_file_without_a_sentence(tmp_path, content):
    path = write(tmp_path, content)
    assert message(path) == f"{path} has no sentence: no line holds a token"


def test_a_file_that_is_not_there(tmp_path):
    write(tmp_path, "a O")
    missing = str(tmp_path / "b.conll")
    assert message(missing) == f"{missing} does not exist (nearest in {tmp_path}: a.conll)"
    assert message(str(tmp_path)) == f"{tmp_path} is a folder, not a file"
    assert "unknown text encoding 'utf-9'" in message(missing, encoding="utf-9")


def test_bytes_that_are_no_text_are_named_and_nothing_foreign_is_offered(tmp_path):
    told = message(write(tmp_path, b"a\tO\nb\xff\tO\n"))
    assert "a.conll is not utf-8 text: byte 5 has the value 0xff" in told
    assert "--config.encoding=latin-1" in told
    assert "level" not in told
    told = message(write(tmp_path, b"a\0\tO\n"))
    assert "character 1 is NUL" in told
    assert "level" not in told


letters = st.characters(exclude_characters="\t\r\n\0\ufeff", exclude_categories=["Cs"])
strings = (
    st.text(letters, min_size=1, max_size=5)
    .filter(lambda text: text == text.strip(" "))
    .filter(lambda text: text.strip(" "))
)
rows = st.lists(st.tuples(strings, strings, st.sampled_from(["O", "B-X", "I-Y"])), min_size=1)


@given(st.lists(rows, min_size=1, max_size=4))
def test_what_is_written_is_read_back(tmp_path_factory, parts):
    sentences = []
    for part in parts:
        tokens, middle, tags = zip(*part, strict=True)
        sentences.append(TaggedSentence(tokens, tags, "", scores=(), gold=middle))
    text = as_conll(sentences)
    path = write(tmp_path_factory.getbasetemp(), text)
    got = read_conll(path)
    assert [(s.tokens, s.tags) for s in got] == [(s.tokens, s.tags) for s in sentences]
    lines = text.split("\n")
    assert [lines[int(s.source.rpartition(":")[2]) - 1].split("\t")[0] for s in got] == [
        s.tokens[0] for s in sentences
    ]
    again = read_conll(path, token_column=1, tag_column=None)
    assert [s.tokens for s in again] == [s.gold for s in sentences]


@pytest.mark.parametrize("token", ["a\tb", "a\n", "", " ", " a", "-DOCSTART-"])
def test_what_no_column_can_hold_is_refused(token):
    with pytest.raises(UserError, match=r"^here: .* cannot stand in a column file"):
        as_conll([TaggedSentence((token,), ("O",), "here", scores=(), gold=None)])


def test_comments_of_germeval(tmp_path):
    path = write(
        tmp_path, "#\thttp://a.org [2009]\n1\tIn\tO\tO\n2\tWien\tB-LOC\tO\n\n#\tb\n1\t#\tO\tO\n"
    )
    read = read_conll(path, token_column=1, tag_column=2)
    assert [sentence.tokens for sentence in read] == [("In", "Wien"), ("#",)]
    assert read[0].tags == ("O", "B-LOC")


def test_a_sentence_a_line_of_words_with_pipes(tmp_path):
    path = write(tmp_path, "A|b|NN|B-PER left|VB|X|O\n\nB|x|NN|O\n".replace("VB|X", "r|VB"))
    read = read_conll(path)
    assert [sentence.tokens for sentence in read] == [("A", "left"), ("B",)]
    assert read[0].tags == ("B-PER", "O")
    odd = write(tmp_path, "A|NN|B-PER\nleft|O\n")
    assert message(odd).startswith(f"{odd}:2: expected words of 3 columns separated by |")


def test_columns_in_another_order_are_told(tmp_path):
    path = write(tmp_path, "O\tshow\nB-DIRECTOR\tmira\n")
    told = message(path)
    assert "'show' is no tag" in told
    assert told.endswith("would fit: --config.token_column=1 --config.tag_column=0")
    assert read_conll(path, token_column=1, tag_column=0)[0].tags == ("O", "B-DIRECTOR")
    numbered = write(tmp_path, "1\tIn\tO\tx\n2\tWien\tB-LOC\ty\n")
    assert message(numbered).endswith("--config.token_column=1 --config.tag_column=2")
