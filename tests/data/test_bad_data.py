"""What a user can get wrong with data: each ends in one message that says what and where."""

import errno
import gzip
import os
import tempfile

import pytest

from rnnjax.data import from_texts, load
from rnnjax.errors import UserError


def message(spec, **options):
    with pytest.raises(UserError) as error:
        load(str(spec), **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("chunk", [3, 1 << 20])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("before", ["", "abc", "né à Genève\r\n" * 9])
def test_a_byte_that_is_not_utf_8_is_named_with_its_place(
    tmp_path, monkeypatch, before, mark, chunk
):
    monkeypatch.setattr("rnnjax.data.files.CHUNK_BYTES", chunk)
    path = tmp_path / "a.txt"
    start = mark + before.encode()
    path.write_bytes(start + b"\xe9t\xe9")
    told = message(path)
    assert f"{path} is not utf-8 text: byte {len(start)} has the value 0xe9" in told
    assert "--config.encoding=latin-1" in told
    assert "--config.level=byte" in told


def test_quotation_marks_of_windows_are_told_from_latin_1(tmp_path):
    (tmp_path / "a.txt").write_bytes("né: „so“".encode("cp1252"))
    assert "--config.encoding=cp1252" in message(tmp_path / "a.txt")


def test_a_character_cut_off_at_the_end_is_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc\xe2\x82")
    assert "byte 3 has the value 0xe2 (unexpected end of data)" in message(path)


def test_utf_16_is_recognised_by_its_mark(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("hello".encode("utf-16"))
    assert "--config.encoding=utf-16" in message(path)


def test_a_nul_betrays_a_binary_file(tmp_path):
    path = tmp_path / "a.out"
    path.write_bytes(b"ELF\n\0\0")
    assert f"{path} is not text: character 4 is NUL" in message(path)


def test_a_file_that_is_not_in_the_encoding_asked_for(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("no byte order mark")
    assert f"{path} is not utf-16 text" in message(path, encoding="utf-16")


@pytest.mark.parametrize("name", ["empty.txt", "empty.gz"])
def test_an_empty_file(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(gzip.compress(b"") if name.endswith("gz") else b"")
    assert f"{path} is empty" in message(path)


def test_folders_without_text(tmp_path):
    assert f"the folder {tmp_path} has no files" in message(tmp_path)
    (tmp_path / "a.txt").touch()
    assert f"{tmp_path} is empty" in message(tmp_path)
    (tmp_path / "a.txt").write_bytes(b"\0")
    assert "only binary files such as" in message(tmp_path)


def test_a_text_too_short_to_be_split(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a")
    assert "1 symbols in all: too few for its splits, train, validation" in message(path)


def test_a_path_that_is_not_there(tmp_path, monkeypatch):
    (tmp_path / "shakespeare.txt").write_text("text")
    told = message(tmp_path / "shakespear.txt")
    assert "does not exist" in told
    assert f"nearest in {tmp_path}: shakespeare.txt" in told
    assert "does not exist" in message(tmp_path / "no" / "such" / "folder.txt")
    assert "no file matches the pattern" in message(tmp_path / "*.md")
    monkeypatch.chdir(tmp_path)
    assert "shakespeare.txt" in message("shakespeare")


@pytest.mark.parametrize("spec", ["embeded", "Embedded", "embedded "])
def test_a_misspelt_name(spec):
    told = message(spec)
    assert f"unknown data source {spec!r}: did you mean 'embedded'?" in told
    assert "hello, python_source" in told


@pytest.mark.parametrize("spec", ["", "x" * 5000, "a\0b.txt"])
def test_things_that_are_no_path_at_all(spec):
    assert len(message(spec)) < 400


def test_a_pipe_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "neither a regular file nor a folder" in message(tmp_path / "pipe")


@pytest.mark.parametrize("cut", [slice(None, -9), slice(None, 40), slice(5, None)])
def test_a_gz_that_is_not_whole(tmp_path, cut):
    path = tmp_path / "a.txt.gz"
    path.write_bytes(gzip.compress(bytes(range(128)) * 99)[cut])
    assert f"{path} is not a whole .gz file" in message(path)


def test_a_gz_whose_content_was_altered(tmp_path):
    path = tmp_path / "a.txt.gz"
    content = bytearray(gzip.compress(os.urandom(500).hex().encode()))
    content[200] ^= 0x55
    path.write_bytes(content)
    assert f"{path} is not a whole .gz file" in message(path)


def test_a_file_one_may_not_read(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("secret")

    def refuse(file, *_):
        raise PermissionError(errno.EACCES, "Permission denied", str(file))

    monkeypatch.setattr("rnnjax.data.files.open", refuse, raising=False)
    assert message(path) == f"cannot read {path}: Permission denied"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_one_may_not_read(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    try:
        assert "Permission denied" in message(tmp_path)
        assert "Permission denied" in message(closed / "a.txt")
    finally:
        closed.chmod(0o700)


@pytest.mark.parametrize("encoding", ["utf8x", "hex", "zip", ""])
def test_an_unknown_encoding(encoding):
    assert f"unknown text encoding {encoding!r}" in message("hello", encoding=encoding)


def test_an_unknown_level():
    assert "unknown level 'bytes'; did you mean 'byte'?" in message("hello", level="bytes")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
@pytest.mark.parametrize("source", ["hello", "python_source"])
def test_a_full_disk(tmp_path, monkeypatch, source):
    def open_full(**_):
        return open("/dev/full", "wb")

    monkeypatch.setattr(tempfile, "TemporaryFile", open_full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr("rnnjax.data.corpus.MEMORY_LIMIT", 10)
    told = message(source)
    assert f"{tmp_path}: No space left on device" in told


def test_a_temporary_folder_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "no"))
    monkeypatch.setattr("rnnjax.data.corpus.MEMORY_LIMIT", 1000)
    told = message("embedded")
    assert "No such file or directory" in told


def test_text_that_is_no_unicode():
    with pytest.raises(UserError, match="text 0 is not utf-8 text: byte 1 "):
        from_texts(["a\ud800b"])


def test_one_text_is_no_list_of_texts():
    with pytest.raises(UserError, match=r"takes a list of texts; got one text: \['the quick"):
        from_texts("the quick brown fox")
    with pytest.raises(UserError, match="takes a list of texts; text 1 is 3"):
        from_texts(["the quick brown fox", 3])
