import gzip
import logging
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.data.vectors import read_vectors
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.vocabulary import FIRST_ID, TaggingVocabulary

GLOVE = "the 0.5 -1.25\n. 1 2e-1\nParis -.75 3\nparis 4 4\nberlin 5 6\n"


@pytest.fixture
def file(tmp_path):
    def write(content, name="vectors.txt"):
        path = tmp_path / name
        content = content.encode() if isinstance(content, str) else content
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return str(path)

    return write


def as_dict(vectors):
    assert vectors.matrix.dtype == np.float32
    return dict(zip(vectors.words, vectors.matrix.tolist(), strict=True))


def message(path, wanted=("the",), **options):
    with pytest.raises(UserError) as error:
        read_vectors(path, wanted, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.vec.gz"])
@pytest.mark.parametrize("header", ["", "5 2\n"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_wanted_vectors_of_every_kind_of_file(file, caplog, name, header, end, mark):
    caplog.set_level(logging.INFO)
    path = file(mark + (header + GLOVE).replace("\n", end), name)
    wanted = ["berlin", "the", ".", "rome"]
    assert as_dict(read_vectors(path, wanted)) == {
        "the": [0.5, -1.25], ".": [1, np.float32(0.2)], "berlin": [5, 6],
    }  # fmt: skip
    assert not caplog.records


def test_a_file_without_a_last_line_end(file):
    assert as_dict(read_vectors(file("a 1 2\nb 3 4"), ["b"])) == {"b": [3, 4]}


@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_lines_may_lie_across_chunks(file, monkeypatch, chunk):
    monkeypatch.setattr("rnnjax.data.files.CHUNK_BYTES", chunk)
    wanted = ["the", "Paris", "berlin"]
    assert as_dict(read_vectors(file(GLOVE), wanted)) == {
        "the": [0.5, -1.25], "Paris": [-0.75, 3], "paris": [4, 4], "berlin": [5, 6],
    }  # fmt: skip


def test_words_with_spaces_and_strange_ones(file):
    words = ["a b", ". . .", "x\u00a0y", "\u0085", "\u2028", "at 3", "1/2", "1 1/2", "new  york"]
    path = file("one 9 8 7\n" + "".join(f"{w} {n} .5 -1\n" for n, w in enumerate(words)))
    assert as_dict(read_vectors(path, words)) == {w: [n, 0.5, -1] for n, w in enumerate(words)}


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\n\r \0", codec="utf-8"), min_size=1),
        unique=True,
        min_size=1,
    ),
    st.data(),
)
def test_vectors_that_were_written_are_read(tmp_path_factory, words, data):
    path = tmp_path_factory.mktemp("vectors") / "v.txt"
    size = data.draw(st.integers(2, 4))
    number = st.floats(width=32, allow_nan=False, allow_infinity=False)
    rows = [data.draw(st.lists(number, min_size=size, max_size=size)) for _ in words]
    # Text that begins with a byte order mark begins after it.
    lines = "".join(f"{w} {' '.join(map(repr, r))}\n" for w, r in zip(words, rows, strict=True))
    path.write_bytes(b"\xef\xbb\xbf" + lines.encode())
    wanted = data.draw(st.sets(st.sampled_from(words)))
    lowered = {w.lower() for w in wanted}
    assert as_dict(read_vectors(str(path), wanted)) == {
        w: r for w, r in zip(words, rows, strict=True) if w in wanted | lowered
    }


def test_a_word_is_found_as_it_is_or_else_in_lower_case(file):
    vectors = read_vectors(file(GLOVE), {"Paris", "PARIS", "The", "Berlin", "Rome", "paris"})
    words = ["Paris", "PARIS", "paris", "The", "Berlin", "Rome"]
    found = [None if row < 0 else vectors.words[row] for row in vectors.find(words)]
    assert found == ["Paris", "paris", "paris", "the", "berlin", None]
    assert vectors.coverage(words) == (
        "5 of 6 words (83.3%) have pretrained vectors, 3 of them only in lower case"
    )
    # Upper case is not looked for where a word is in lower case.
    assert read_vectors(file("Rome 1 2\n"), {"rome"}).words == ()


def test_vectors_by_the_id_of_the_word(file):
    train = [Sentence(("In", "Paris", "the", "the"), (), "a:1")]
    vocabulary = TaggingVocabulary.of(train, scheme="BIO", extra_words=["berlin"])
    assert vocabulary.words == ("the", "in", "paris", "berlin")
    found = read_vectors(file(GLOVE), vocabulary.words).by_id(vocabulary.words, FIRST_ID)
    assert {n: v.tolist() for n, v in found.items()} == {2: [0.5, -1.25], 4: [4, 4], 5: [5, 6]}


def test_no_wanted_word_is_no_error(file):
    vectors = read_vectors(file(GLOVE), {"rome"})
    assert vectors.words == ()
    assert vectors.matrix.shape == (0, 2)
    assert vectors.coverage(["rome"]) == (
        "0 of 1 words (0.0%) have pretrained vectors, 0 of them only in lower case"
    )
    assert vectors.coverage([]).startswith("0 of 0 words (0.0%)")


def test_the_first_of_two_vectors_of_a_word_counts(file):
    path = file("a 1 2\nb 3 4\na 5 6\nc 7 7\nc 7 7\na 8 9\n")
    assert as_dict(read_vectors(path, {"a", "b"})) == {"a": [1, 2], "b": [3, 4]}


@pytest.mark.parametrize("promised", [1, 6])
def test_a_header_that_counts_other_than_the_lines_is_told_of(file, caplog, promised):
    path = file(f"{promised} 2\n{GLOVE}")
    assert as_dict(read_vectors(path, {"the"})) == {"the": [0.5, -1.25]}
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert record.getMessage() == f"{path} has 5 words, though its header says {promised}"


@pytest.mark.parametrize(
    ("content", "line", "told"),
    [
        ("a 1 2\nb 1\n", 2, "a word and 2 numbers with one space between, got 1 of them: 'b 1'"),
        ("a 1 2\n\nb 1 2\n", 2, "2 numbers with one space between, got 0 of them: ''"),
        ("a 1 2\nb 0.1 0.2 0.3\n", 2, "2 numbers with one space between, got 3 of them"),
        ("a 1 2\nb -1.5e-3 0.2 0.3\n", 2, "got 3 of them"),
        ("3 3\na 1 2\n", 2, "expected a word and 3 numbers"),
        ("3 1\na .1 .2\n", 2, "expected a word and 1 numbers"),
        ("3 0\na\n", 2, "expected a word and its numbers"),
        ("word\n", 1, "expected a word and its numbers"),
        ("a 1 2\nthe 1 x\n", 2, "'x' is not a number"),
        ("a 1 2\nthe 1  2\n", 2, "expected a word and 2 numbers"),
        ("these are no vectors\nat all\n", 1, "'are' is not a number"),
        ("a 1 2\nthe 1 nan\n", 2, "nan is not finite"),
        ("a 1 2\nthe 1e39 0\n", 2, "1e+39 is not finite"),
        (b"a 1 2\nb 1 2\n\xe9t\xe9 1 2\n", 3, r"the word b'\xe9t\xe9' is not utf-8 text"),
    ],
)  # fmt: skip
def test_a_line_that_is_no_vector_is_named(file, content, line, told):
    path = file(content)
    said = message(path)
    assert said.startswith(f"{path}:{line}: ")
    assert told in said


def test_other_encodings(file):
    path = file("été 1 2\n".encode("latin-1"))
    assert as_dict(read_vectors(path, {"été"}, encoding="latin-1")) == {"été": [1, 2]}
    assert "cannot be read as utf-16: convert" in message(path, encoding="utf-16")
    assert "unknown text encoding 'utf-9'" in message(path, encoding="utf-9")


def test_numbers_of_words_that_nobody_wants_are_not_read(file):
    assert as_dict(read_vectors(file("a 1 2\nb x y\nthe 3 4\n"), {"the"})) == {"the": [3, 4]}


def test_an_empty_file_is_named(file):
    path = file("")
    assert message(path) == f"{path} has no word vectors: it is empty"
    assert message(file("7 300\n")) == f"{path} has no word vectors: it is empty but for a header"


@pytest.mark.parametrize("name", ["vectors.bin", "vectors.bin.gz"])
def test_a_binary_file_is_told_from_text(file, name):
    words = ["the", "of", "and"]
    rows = [word.encode() + b" " + struct.pack("<3f", 1.0, -2.5, 0.25) + b"\n" for word in words]
    path = file(b"3 3\n" + b"".join(rows), name)
    assert message(path) == (
        f"{path} is binary, such as word2vec's and fastText's .bin: word vectors are read from the "
        f"text form (.txt, .vec)"
    )


def test_files_that_cannot_be_read(file, tmp_path):
    path = file(GLOVE)
    assert "nearest in" in message(path + "t")
    file(GLOVE, "more.txt")
    assert "is 2 files, and word vectors are read from one" in message(str(tmp_path))
    whole = gzip.compress(GLOVE.encode() * 50)
    (tmp_path / "cut.gz").write_bytes(whole[:-20])
    assert "is not a whole .gz file" in message(str(tmp_path / "cut.gz"))
