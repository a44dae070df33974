"""Tables, FASTA and files of UCI, and what in them cannot be used."""

import dataclasses

import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.dna.config import DnaConfig
from rnnjax.tasks.dna.preparation import prepare
from rnnjax.tasks.dna.sources import load_sequences, read_sequences

GENE, TAGS = "CATGGCGTAAGATAAC", "OEEEEEIIIIIEEEEO"


def classes(path, **options):
    return DnaConfig(problem="classes", data=str(path), num_buckets=1, kmer=1, **options)


def test_the_layouts_of_uci_are_read(tmp_path):
    splice = tmp_path / "splice.csv"
    splice.write_text("label,instance_name,sequence\n" + "EI,  A-1,   CCAGD\nN, B-2,  nacgt\n" * 5)
    found = [one for its in load_sequences(classes(splice)).values() for one in its]
    assert sorted({(one.fields["label"], one.fields["sequence"]) for one in found}) == [
        ("EI", "CCAGD"), ("N", "nacgt"),
    ]  # fmt: skip
    promoters = tmp_path / "promoters.data"
    promoters.write_text("+,S10,\t\ttacta\n-, 867,\tatatg\n" * 6)
    found = load_sequences(classes(promoters, label_column="0", sequence_column="2"))
    assert {split: len(its) for split, its in found.items()} == {
        "train": 8, "validation": 2, "test": 2,
    }  # fmt: skip
    assert {tuple(one.fields.values()) for one in found["train"]} == {
        ("tacta", "+"), ("atatg", "-"),
    }  # fmt: skip


def test_fasta_has_names_and_sequences(tmp_path):
    path = tmp_path / "new.fa"
    path.write_text(f">one first\n{GENE[:9].lower()}\n{GENE[9:]}\n\n>two\n{GENE}")
    found = read_sequences(str(path), DnaConfig())
    assert [(one.fields["name"], one.fields["sequence"].upper()) for one in found] == [
        ("one", GENE), ("two", GENE),
    ]  # fmt: skip
    for text, words in {
        f">x\n{GENE}\nACG-T\n": "new.fa:3, column 4: '-' is no nucleotide",
        f"{GENE}\n": "new.fa:1: expected a line >NAME",
        "\n": "new.fa has no sequences",
    }.items():
        path.write_text(text)
        with pytest.raises(UserError, match=words):
            read_sequences(str(path), DnaConfig())


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.csv", "sequence,label\nACX,+\n", "t.csv:2, column 3 of the sequence: 'X' is no nuc"),
        ("t.csv", "sequence,label\nAC,+\n,-\n", "t.csv:3: the sequence is empty"),
        ("t.csv", "sequence,label\nAC,\n", "t.csv:2: the label is empty"),
        ("t.csv", "sequence,kind\nAC,a\n", "t.csv:1 has no column 'label'"),
        ("t.csv", "sequence,kind\nAC,a\n", "(--config.label_column)"),
        ("t.csv", "sequence,label\nACG,a\n", "no training sequence has it"),
        ("t.csv", "sequence,label\nAC,+\nA,-\n", "t.csv:3: the sequence has 1 bases: expected 2"),
        ("t.fa", ">x\nACGT\n", "t.fa is FASTA, which has no label: expected a table"),
    ],
)
def test_classes_that_cannot_be_used_are_named(tmp_path, name, text, words):
    good = tmp_path / "good.csv"
    good.write_text("sequence,label\nACGT,+\nTTTT,-\n")
    config = classes(f"train={good},validation={tmp_path / name}")
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as caught:
        prepare(dataclasses.replace(config, kmer=2))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("t.fa", f">x\n{GENE}\n", "t.fa is FASTA, which has no tags: expected a table"),
        ("t.tsv", f"sequence\ttags\n{GENE}\tOOO\n", "t.tsv:2 has 16 bases and 3 tags"),
        ("t.tsv", f"sequence\n{GENE}\n", "t.tsv:1 has no column 'tags'"),
    ],
)
def test_genes_that_cannot_be_used_are_named(tmp_path, name, text, words):
    (tmp_path / name).write_text(text)
    with pytest.raises(UserError) as caught:
        prepare(DnaConfig(data=f"train={tmp_path / name},validation={tmp_path / name}"))
    assert words in str(caught.value)


def test_sequences_that_also_stand_in_training_are_told(tmp_path):
    for name, text in {"train": "ACGT,a\nACCT,b\n", "test": "acgt,a\nAAAA,b\n"}.items():
        (tmp_path / f"{name}.csv").write_text(f"sequence,label\n{text}")
    test = tmp_path / "test.csv"
    found = prepare(classes(f"train={tmp_path}/train.csv,validation={test},test={test}"))
    assert "\n1 of the 2 test sequences also stand in training." in found.description


def test_the_embedded_data_are_genes():
    with pytest.raises(UserError, match=r"--config\.problem=classes needs a file"):
        load_sequences(DnaConfig(problem="classes"))
