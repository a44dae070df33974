"""Corpora by name: which file is which split, schemes, repairs, and what is refused."""

import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnjax.errors import UserError
from rnnjax.tasks.tagging import corpora
from rnnjax.tasks.tagging.config import TaggingConfig
from rnnjax.tasks.tagging.schemes import Span, tags_of

GOOD = "Ada B-PER\nleft O\n"


def write(folder, **files):
    """Files by name, `__` for a dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_text(content)
    return str(folder)


def load_tagged(source, **options):
    return corpora.load_tagged(TaggingConfig(data=source, **options))


def message(source, **options):
    with pytest.raises(UserError) as error:
        load_tagged(str(source), **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def tags(corpus, split="train"):
    return [list(sentence.tags) for sentence in corpus.splits[split]]


def test_files_are_named_one_by_one(tmp_path):
    write(tmp_path, a="0 B-X\n", b__inline="[1|X]", c="2 B-X\n")
    (tmp_path / "d.inline.gz").write_bytes(gzip.compress(b"[3|X]"))
    a, b, c, d = (tmp_path / name for name in ("a", "b.inline", "c", "d.inline.gz"))
    corpus = load_tagged(f"test={c},validation={b},train={a}")
    assert [part[0].tokens for part in corpus.splits.values()] == [("0",), ("1",), ("2",)]
    assert list(load_tagged(f"train={d},validation={a}").splits) == ["train", "validation"]
    assert "two files for the split train" in message(f"train={a},train={b}")
    assert "names no validation file: add ,validation=PATH" in message(f"train={a}")
    assert "unknown split 'dev' in 'train=" in message(f"train={a},dev={b}")
    assert "expected SPLIT=PATH" in message(f"train={a},{b}")
    assert f"{a}x does not exist (nearest" in message(f"train={a}x,validation={b}")


def test_a_split_may_be_a_folder_of_files(tmp_path):
    two = "1 B-X\n\n-DOCSTART-\n\n2 B-X\n"
    write(tmp_path / "train", a__conll=two, b__conll="3 B-X\n")
    folder = write(tmp_path, dev="4 B-X\n", notes__txt="no data")
    corpus = load_tagged(folder)
    train = corpus.splits["train"]
    assert [s.tokens[0] for s in train] == ["1", "2", "3"]
    assert train[1].source == f"{folder}/train/a.conll:5"
    assert corpus.describe().endswith("; left alone as of no split: notes.txt")
    assert load_tagged(f"train={folder}/train,validation={folder}/dev").splits == corpus.splits


def test_embedded_files_are_those_of_the_package(tmp_path, monkeypatch):
    write(tmp_path, train__inline="[a|X]", dev__inline="[b|X]", test__inline="[c|X]")
    monkeypatch.setattr(corpora, "EMBEDDED", tmp_path)
    corpus = load_tagged("embedded")
    assert [part[0].tokens for part in corpus.splits.values()] == [("a",), ("b",), ("c",)]


@pytest.mark.parametrize(
    ("train", "dev", "scheme"),
    [
        ("a I-X\nb O\n", "c I-Y\nd B-Y\ne I-X\n", "IOB1"),
        ("a B-X\nb O\n", "c B-Y\nd B-Y\ne B-X\n", "BIO"),
        ("a S-X\nb O\n", "c B-Y\nd E-Y\ne S-X\n", "BIOES"),
        ("a B-X\nb O\n", "c B-Y\nd L-Y\ne U-X\n", "BIOES"),
    ],
)
def test_the_scheme_is_that_of_all_splits_together(tmp_path, train, dev, scheme):
    corpus = load_tagged(write(tmp_path, train=train + "\nf B-Y\n", dev=dev), strict=False)
    expected = {"IOB1": ["B-Y", "B-Y", "B-X"], "BIO": ["B-Y", "B-Y", "B-X"]}
    assert tags(corpus, "validation") == [expected.get(scheme, ["B-Y", "I-Y", "B-X"])]
    assert tags(corpus)[0] == ["B-X", "O"]


def spans_in(length):
    """Spans that do not overlap: a cut after some tokens, a type or none for each piece."""
    kinds = st.sampled_from([None, "X", "Y"])
    return st.lists(st.tuples(st.booleans(), kinds), min_size=length, max_size=length)


@given(st.lists(spans_in(6), min_size=1, max_size=4), st.sampled_from(["BIO", "IOB1", "BIOES"]))
def test_every_scheme_gives_the_same_corpus(tmp_path_factory, drawn, scheme):
    sentences = []
    for pieces in [[(True, "X"), (True, "Y")], *drawn]:
        spans, start = [], 0
        for end, (cut, kind) in enumerate(pieces, 1):
            if cut:
                spans += [Span(start, end, kind)] if kind else []
                start = end
        sentences.append((spans, len(pieces)))
    text = "\n".join(
        "".join(f"w {tag}\n" for tag in tags_of(spans, length, scheme))
        for spans, length in sentences
    )
    folder = write(tmp_path_factory.getbasetemp() / "schemes", train=text, dev=text)
    corpus = load_tagged(folder, strict=True)
    bio = []
    for spans, length in sentences:
        row = ["O"] * length
        for start, end, kind in spans:
            row[start:end] = [f"B-{kind}"] + [f"I-{kind}"] * (end - start - 1)
        bio.append(row)
    assert tags(corpus) == tags(corpus, "validation") == bio
    assert corpus.repaired == 0
    assert corpus.types == ("X", "Y")


@pytest.mark.parametrize(
    ("lines", "line", "told", "repaired"),
    [
        ("a B-LOC\nb I-PER\nc I-PER\n", 7, "'I-PER' may not follow 'B-LOC' in BIO",
         ["B-LOC", "B-PER", "I-PER"]),
        ("a I-PER\n", 6, "'I-PER' may not follow the beginning in BIO", ["B-PER"]),
        ("a O\nb I-LOC\n", 7, "'I-LOC' may not follow 'O' in BIO", ["O", "B-LOC"]),
        ("a S-PER\nb I-PER\nc E-PER\n", 7, "'I-PER' may not follow 'S-PER' in BIOES",
         ["B-PER", "B-PER", "I-PER"]),
        ("a S-LOC\nb B-PER\n", 7, "the end may not follow 'B-PER' in BIOES", ["B-LOC", "B-PER"]),
    ],
)  # fmt: skip
def test_a_tag_out_of_place_is_repaired_and_counted_or_refused(
    tmp_path, lines, line, told, repaired
):
    single = "S" if "S-" in lines else "B"
    before = f"# a comment\n\nx {single}-LOC\ny {single}-PER\n\n"
    folder = write(tmp_path, train=before + lines, dev=before)
    assert message(folder, strict=True).startswith(f"{tmp_path / 'train'}:{line}: {told}")
    corpus = load_tagged(folder)
    assert tags(corpus) == [["B-LOC", "B-PER"], repaired]
    assert corpus.repaired == 1
    assert "1 tag out of place repaired" in corpus.describe()


def test_a_type_that_training_lacks_is_named_with_its_line(tmp_path):
    folder = write(tmp_path, train="a B-PER\n", dev="a O\n\nb O\nc B-PRE\n")
    told = message(folder)
    assert told.startswith(f"{tmp_path / 'dev'}:4: unknown tag 'B-PRE'")
    assert "did you mean 'PER'?" in told
    a, b = write(tmp_path / "b", t="a B-PER\n"), tmp_path / "b" / "d.inline"
    b.write_text("# c\nfrom [New York|LOC]")
    assert f"{b}:2, token 2 ('New'): unknown tag 'B-LOC'" in message(f"train={a}/t,validation={b}")


def test_a_training_split_without_an_entity(tmp_path):
    assert "has no entity in its training split" in message(
        write(tmp_path, train="a O\n", dev=GOOD)
    )


def test_columns_and_encoding_are_passed_on(tmp_path):
    for name in ("train", "dev"):
        (tmp_path / name).write_bytes("x\tB-PER\tZoë\t1\n".encode("latin-1"))
    corpus = load_tagged(str(tmp_path), token_column=2, tag_column=1, encoding="latin-1")
    assert corpus.splits["train"][0].tokens == ("Zoë",)
    assert tags(corpus) == [["B-PER"]]


def test_a_corpus_is_described_in_one_line(tmp_path):
    folder = write(
        tmp_path,
        train="a B-X\nb I-X\nc B-Y\n\nd O\n\nd O\n",
        dev="a O\nc B-Y\n",
        test="d O\n\nd O\n\na B-X\n\nf O\n",
    )
    assert load_tagged(folder).describe() == (
        "train 3 sentences, 5 tokens, 2 entities; validation 1 sentence, 2 tokens, 1 entity; "
        "test 4 sentences, 4 tokens, 1 entity; types X, Y; written in BIO; no tag repaired; "
        "2 test sentences also in train"
    )
