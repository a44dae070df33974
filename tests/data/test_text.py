import gzip
import tempfile
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnjax.data import UNKNOWN, Vocabulary, from_texts, load
from rnnjax.data.documents import Document, texts
from rnnjax.errors import UserError

PLAY = "First Citizen:\nBefore we proceed any further, hear me speak.\n\n" * 40


def documents_of(corpus, part):
    """The documents of a split, decoded."""
    ids, starts = corpus.splits[part]
    pieces = np.split(ids, starts[1:])
    return [corpus.vocabulary.decode(piece) for piece in pieces]


@pytest.fixture
def play(tmp_path):
    path = tmp_path / "play.txt"
    path.write_text(PLAY)
    return path


def test_one_file_is_split_at_nine_tenths_of_its_characters(play):
    corpus = load(str(play))
    cut = int(len(PLAY) * 0.9)
    assert documents_of(corpus, "train") == [PLAY[:cut]]
    assert documents_of(corpus, "validation") == [PLAY[cut:]]
    assert list(corpus.splits) == ["train", "validation"]
    assert corpus.splits["train"].ids.dtype == np.uint8
    assert f"train {cut:,} characters in 1 document" in corpus.describe()


def test_the_vocabulary_is_that_of_the_training_split(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("ab" * 45 + "cabbacabba")
    corpus = load(str(path))
    assert corpus.vocabulary == Vocabulary.of_text("ab")
    assert documents_of(corpus, "validation") == [f"{UNKNOWN}abba{UNKNOWN}abba"]


def test_a_given_vocabulary_is_kept(play):
    vocabulary = Vocabulary.of_text("zyx Cite")
    corpus = load(str(play), vocabulary=vocabulary)
    assert corpus.vocabulary is vocabulary
    decoded = "".join(documents_of(corpus, "train"))
    assert decoded.startswith(f"{UNKNOWN}i{UNKNOWN * 2}t Citize")
    as_bytes = load(str(play), vocabulary=Vocabulary.of_bytes())
    assert as_bytes.splits["train"].ids[:5].tobytes() == b"First"


def test_bytes_are_those_of_the_file(tmp_path):
    path = tmp_path / "any.bin"
    content = bytes(range(256)) * 10
    path.write_bytes(content)
    corpus = load(str(path), level="byte")
    whole = b"".join(corpus.splits[part].ids.tobytes() for part in ("train", "validation"))
    assert whole == content
    assert corpus.vocabulary == Vocabulary.of_bytes()


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (PLAY.replace("\n", "\r\n").encode(), "utf-8"),
        (PLAY.replace("\n", "\r").encode(), "utf-8"),
        (PLAY.encode("utf-8-sig"), "UTF8"),
        (PLAY.encode("utf-16"), "utf-16"),
        (PLAY.encode("utf-16-be"), "utf-16-be"),
    ],
    ids=["crlf", "cr", "byte order mark", "utf-16", "utf-16-be"],
)
def test_a_text_is_the_same_however_it_was_saved(play, tmp_path, content, encoding):
    other = tmp_path / "other.txt"
    other.write_bytes(content)
    assert_same(load(str(other), encoding=encoding), load(str(play)))


def test_latin_1_is_read_as_such(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("né à Genève ".encode("latin-1") * 20)
    assert documents_of(load(str(path), encoding="latin-1"), "train")[0].startswith("né à Genève")


def test_gz_is_its_content(play, tmp_path):
    packed = tmp_path / "packed.gz"
    packed.write_bytes(gzip.compress(PLAY.encode()))
    assert_same(load(str(packed)), load(str(play)))


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("a\r\né€😀"), min_size=1), st.integers(1, 5))
def test_characters_do_not_depend_on_where_chunks_end(content, size):
    raw = content.encode()
    chunks = [raw[i : i + size] for i in range(0, len(raw), size)]
    expected = content.replace("\r\n", "\n").replace("\r", "\n")
    assert "".join(texts(Document("", chunks))) == expected


def make_folder(folder):
    """Forty files, their paths and names in another order than they were written."""
    expected = {}
    for n in reversed(range(40)):
        path = folder / f"{'ab'[n % 2]}" / f"{n:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"document {n:02}\n" * 3)
        expected[path.as_posix()] = path.read_text()
    return [expected[path] for path in sorted(expected)]


def test_a_folder_is_a_document_a_file_in_order_of_path(tmp_path, caplog):
    texts = make_folder(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("hidden")
    (tmp_path / "a" / "picture.png").write_bytes(b"\x89PNG\0\0")
    (tmp_path / "a" / "empty.txt").touch()
    corpus = load(str(tmp_path))
    train, validation = documents_of(corpus, "train"), documents_of(corpus, "validation")
    assert train == [t for t in texts if t not in validation]
    assert validation == [t for t in texts if t in validation]
    assert len(validation) == 4
    assert "1 binary files" in caplog.text
    assert "picture.png" in caplog.text


def test_what_runs_of_training_wrote_is_no_data(tmp_path, caplog):
    (run := tmp_path / "runs/first").mkdir(parents=True)
    for name in ("experiment.json", "report.html"):
        (run / name).write_text("<p>of a run</p>" * 20)
    (tmp_path / "play.txt").write_text(PLAY)
    assert "".join(documents_of(load(str(tmp_path)), "train")) == PLAY[: int(len(PLAY) * 0.9)]
    assert f"1 runs of training below {tmp_path} left out: {run}" in caplog.text
    with pytest.raises(UserError, match=f"holds no data but runs of training: {run}"):
        load(str(run))


def test_a_glob_takes_the_files_it_matches_in_order(tmp_path):
    texts = make_folder(tmp_path)
    every = load(f"{tmp_path}/**/*.txt", valid_fraction=0)
    assert documents_of(every, "train") == texts
    assert list(every.splits) == ["train"]
    some = load(f"{tmp_path}/b/1*.txt", valid_fraction=0)
    assert documents_of(some, "train") == [f"document {n}\n" * 3 for n in (11, 13, 15, 17, 19)]


def test_memory_mapped_is_the_same_as_in_memory(tmp_path, monkeypatch):
    make_folder(tmp_path / "texts")
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    for level in ("char", "byte"):
        with monkeypatch.context() as patch:
            patch.setattr("rnnjax.data.corpus.MEMORY_LIMIT", 100)
            patch.setattr(tempfile, "tempdir", str(scratch))
            mapped = load(str(tmp_path / "texts"), level=level)
        assert isinstance(mapped.splits["train"].ids, np.memmap)
        assert not list(scratch.iterdir())
        assert_same(mapped, load(str(tmp_path / "texts"), level=level))


def test_a_mapped_file_is_never_whole_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("rnnjax.data.corpus.BLOCK", 1 << 14)
    monkeypatch.setattr("rnnjax.data.files.CHUNK_BYTES", 1 << 14)
    monkeypatch.setattr("rnnjax.data.corpus.MEMORY_LIMIT", 1 << 16)
    path = tmp_path / "large.txt"
    path.write_text(PLAY * 1000)
    load(str(path)).vocabulary.id_of_code_point  # noqa: B018
    tracemalloc.start()
    corpus = load(str(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    table = corpus.vocabulary.id_of_code_point.nbytes
    assert len(PLAY) * 1000 > 2_000_000
    assert peak < 2.5 * table + 1_000_000


def test_embedded_is_pythons_documentation():
    corpus = load("embedded")
    documents = documents_of(corpus, "train")
    assert any(d.startswith('The "assert" statement') for d in documents)
    train, validation = (len(corpus.splits[part].ids) for part in ("train", "validation"))
    assert train + validation > 400_000
    assert 0.09 < validation / (train + validation) < 0.11
    assert len(corpus.vocabulary) < 200


def test_python_source_is_the_standard_library_without_tests(monkeypatch, tmp_path):
    library = tmp_path / "lib"
    for name, source in {
        "ast.py": b"import re\n",
        "json/tool.py": b"tool\n",
        "latin.py": b"# \xe9\n",
        "site-packages/other.py": b"no",
        "test/test_ast.py": b"no",
        "data.txt": b"no",
    }.items():
        path = library / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(source)
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(library))
    assert documents_of(load("python_source", valid_fraction=0), "train") == [
        "import re\n",
        "tool\n",
    ]


def test_hello_has_four_letters():
    corpus = load("hello")
    assert corpus.vocabulary.symbols == UNKNOWN + "ehlo"
    assert (
        set(documents_of(corpus, "train")) == {"hello"} == set(documents_of(corpus, "validation"))
    )


def test_texts_of_ones_own_are_documents():
    corpus = from_texts(["one fish", "two fish"], valid_fraction=0)
    assert documents_of(corpus, "train") == ["one fish", "two fish"]


def assert_same(one, other):
    assert one.vocabulary == other.vocabulary
    assert list(one.splits) == list(other.splits)
    for part in one.splits:
        for a, b in zip(one.splits[part], other.splits[part], strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
