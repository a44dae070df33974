"""Sentences to be tagged, from texts and from files."""

import gzip

import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.tagging.inputs import sentences_of_file, sentences_of_texts

COLUMNS = "Ada NNP B-PER\nleft VBD O\n\n-DOCSTART- X O\n\nBonn NNP B-LOC\n"


def test_texts_know_where_their_tokens_stand():
    sentences = sentences_of_texts([" Ada  left. She  stayed.", "", " \t", "O'Brien's"])
    tokens = [("Ada", "left", "."), ("She", "stayed", "."), ("O'Brien", "'s")]
    assert [s.tokens for s in sentences] == tokens
    assert [s.source for s in sentences] == ["--text:1", "--text:1", "--text:4"]
    assert [s.tags for s in sentences] == [()] * 3
    first, second, third = sentences
    assert (first.text, second.text, third.text) == (" Ada  left. ", "She  stayed.", "O'Brien's")
    assert first.offsets == ((1, 4), (6, 10), (10, 11))
    assert second.offsets == ((0, 3), (5, 11), (11, 12))
    assert [third.text[a:b] for a, b in third.offsets] == ["O'Brien", "'s"]


def test_the_same_text_twice_is_tagged_twice():
    assert len(sentences_of_texts(["Ada left", "Ada left"])) == 2


def test_a_line_of_a_text_file_has_whole_sentences(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_bytes(b"\xef\xbb\xbfAda left.\r\n\r\n  \r\nBonn? Yes")
    sentences = sentences_of_file(str(path))
    assert [s.tokens for s in sentences] == [("Ada", "left", "."), ("Bonn", "?"), ("Yes",)]
    assert [s.source for s in sentences] == [f"{path}:1", f"{path}:4", f"{path}:4"]
    assert [s.text for s in sentences] == ["Ada left.", "Bonn? ", "Yes"]


@pytest.mark.parametrize("suffix", [".conll", ".tsv", ".bio", ".iob", ".conll.gz"])
def test_column_files_give_tokens_alone(tmp_path, suffix):
    path = tmp_path / f"given{suffix}"
    content = COLUMNS.encode()
    path.write_bytes(gzip.compress(content) if suffix.endswith(".gz") else content)
    sentences = sentences_of_file(str(path))
    assert [(s.tokens, s.tags) for s in sentences] == [
        (("Ada", "left"), ()),
        (("Bonn",), ()),
    ]
    assert [s.source for s in sentences] == [f"{path}:1", f"{path}:6"]
    assert [(s.text, s.offsets) for s in sentences] == [(None, None)] * 2
    other = sentences_of_file(str(path), token_column=1)
    assert other[0].tokens == ("NNP", "VBD")


def test_files_in_another_encoding(tmp_path):
    for name in ("given.txt", "given.conll"):
        path = tmp_path / name
        path.write_bytes(b"Caf\xe9")
        with pytest.raises(UserError, match=f"{name}"):
            sentences_of_file(str(path))
        given = sentences_of_file(str(path), encoding="latin-1")
        assert given[0].tokens == ("Café",)


def test_nothing_to_tag(tmp_path):
    with pytest.raises(UserError, match=r"^nothing to tag: --text has no word$"):
        sentences_of_texts(["", " \n"])
    path = tmp_path / "empty.txt"
    path.write_text("\n \n")
    with pytest.raises(UserError, match=f"^nothing to tag: {path} has no word$"):
        sentences_of_file(str(path))
