"""DNA from the command line: genes and classes, evaluation, prediction, folds, a stopped run."""

import json
import re

import numpy as np
import pytest

import rnnjax
from experiments.dna import EXPERIMENT
from rnnjax.tasks.dna import generator
from tests.experiments.conftest import run_docs

SMALL = ["--config.cell=gru", "--config.hidden_size=8", "--config.kmer=1", "--config.average=none",
         "--config.num_buckets=1", "--config.batch_size=8", "--config.learning_rate=0.03",
         "--config.eval_every=20"]  # fmt: skip


@pytest.fixture(scope="module")
def genes(tmp_path_factory):
    """A folder with short genes."""
    folder = tmp_path_factory.mktemp("genes")
    rng = np.random.default_rng(0)
    for split, size in {"train": 16, "valid": 4, "test": 4}.items():
        rows = []
        while len(rows) < size:
            sequence, tags = generator.gene(rng)
            if len(sequence) < 300:
                rows.append(f"{sequence.lower()}\t{tags}\n")
        (folder / f"{split}.tsv").write_text("sequence\ttags\n" + "".join(rows))
    return folder


@pytest.fixture(scope="module")
def finder(tmp_path_factory, genes):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "genes"
    flags = [f"--config.data={genes}", *SMALL, "--config.num_steps=40"]
    EXPERIMENT.main([f"--workdir={workdir}", *flags])
    return workdir


@pytest.fixture(scope="module")
def boxes(tmp_path_factory):
    """A file of sequences, half of them with a box in the middle."""
    path = tmp_path_factory.mktemp("boxes") / "boxes.csv"
    rng = np.random.default_rng(0)
    rows = []
    for n in range(60):
        sequence = "".join(rng.choice(list("ACGT"), 20))
        if n % 2:
            sequence = sequence[:7] + "TATAAT" + sequence[13:]
        rows.append(f"{'-+'[n % 2]},{sequence}\n")
    path.write_text("label,sequence\n" + "".join(rows))
    return path


@pytest.fixture(scope="module")
def classifier(tmp_path_factory, boxes):
    """The workdir of a short training; not to be changed."""
    workdir = tmp_path_factory.mktemp("trained") / "boxes"
    flags = [f"--config.data={boxes}", *SMALL, "--config.num_steps=60"]
    EXPERIMENT.main([f"--workdir={workdir}", *flags, "--config.problem=classes",
                     "--config.positions=20"])  # fmt: skip
    return workdir


def test_genes_are_scored_and_predicted_as_the_class_does(run, finder, genes, tmp_path):
    told = run(finder, "--mode=evaluate")
    scores = json.loads((finder / "scores_test.json").read_text())
    assert f"{scores['model']['nucleotide_f1']:.2f}" in told.out
    assert (finder / "test.png").read_bytes().startswith(b"\x89PNG")
    rows = [line.split("\t") for line in (genes / "test.tsv").read_text().splitlines()[1:]]
    model = rnnjax.load(finder)
    found = model.find_genes([sequence for sequence, _ in rows])
    counts = np.zeros(3)
    for (_, tags), one in zip(rows, found, strict=True):
        true, said = (np.array(list(its)) == "E" for its in (tags, one.tags))
        counts += (true & said).sum(), true.sum(), said.sum()
    expected = 200 * counts[0] / (counts[1] + counts[2])
    assert scores["model"]["nucleotide_f1"] == pytest.approx(expected)
    path, output = tmp_path / "new.fa", tmp_path / "out.gff3"
    path.write_text("".join(f">s;{n}\n{s}\n" for n, (s, _) in enumerate(rows)))
    flags = ["--mode=predict", f"--input={path}"]
    result = run(finder, *flags)
    assert run(finder, *flags, f"--output={output}").out == f"Predictions: {output}\n"
    assert output.read_text() == result.out
    lines = [line.split("\t") for line in result.out.splitlines()[1:]]
    exons = [(f"s%3B{n}", str(a), str(b)) for n, one in enumerate(found)
             for gene in one.genes for a, b in gene]  # fmt: skip
    assert [(line[0], line[3], line[4]) for line in lines] == exons
    assert len(exons) > 0
    for line in lines:  # a phase is what the codon of the exon before lacks
        before = sum(int(b) - int(a) + 1 for name, _, _, a, b, *_, gene in lines
                     if gene == line[-1] and int(a) < int(line[3]))  # fmt: skip
        assert (before + int(line[7])) % 3 == 0


def test_the_python_code_of_the_docs_runs(finder, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run_docs("dna", finder)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch("[OEI]{162}", lines[0])
    assert re.fullmatch(r"coding with probability [01]\.\d+", lines[-1])


def test_classes_are_learnt_predicted_and_inspected(run, classifier, boxes):
    told = run(classifier, "--mode=evaluate")
    share = float(re.search(r"test: ([\d.]+)% of 6 sequences right", told.out)[1])
    assert share >= 80
    sequence = "acgtacgtataatcgtacgt"
    result = run(classifier, "--mode=predict", f"--sequence={sequence}", "--sequence=CCNC")
    lines = [line.split("\t") for line in result.out.splitlines()]
    assert lines[0] == ["name", "class", "probability"]
    said = rnnjax.load(classifier).classify([sequence, "CCNC"])
    assert [line[1] for line in lines[1:]] == [one.label for one in said]
    assert float(lines[1][2]) == pytest.approx(said[0].probabilities[said[0].label], abs=1e-4)
    told = run(classifier, "--mode=inspect")
    assert "data:image/png" in (classifier / "inspect.html").read_text()


def test_folds_test_each_sequence_once(run, classifier, boxes):
    told = run(classifier, "--mode=crossvalidate", "--folds=3")
    rows = json.loads((classifier / "crossvalidation.json").read_text())
    assert sorted(row["place"] for row in rows) == sorted(f"{boxes}:{n}" for n in range(2, 62))
    right = np.mean([row["label"] == row["found"] for row in rows])
    assert f"3 folds: {right:.2%} of 60 sequences right" in told.out
    assert right > 0.8


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--mode=predict"], "mode predict takes --sequence=ACGT (repeatedly) or --input=FILE"),
        (["--mode=predict", "--sequence=A", "--output=nowhere/y"], "there is no folder nowhere"),
        (["--mode=predict", "--sequence="], "sequence 1: the sequence is empty"),
        (["--mode=predict", "--sequence=ACQ"], "sequence 1, column 3 of the sequence: 'Q' is no"),
        (["--mode=evaluate", "--config.problem=classes"], "trained with --config.problem=genes"),
        (["--mode=crossvalidate"], "mode crossvalidate is for --config.problem=classes"),
    ],
)
def test_mistakes_are_told_in_a_line(refuses, finder, flags, words):
    refuses(words, finder, *flags)


def test_a_model_says_what_it_was_trained_for(finder, classifier):
    with pytest.raises(rnnjax.UserError, match="problem=genes: it gives no classes"):
        rnnjax.load(finder).classify(["ACGT"])
    with pytest.raises(rnnjax.UserError, match="problem=classes: it gives no genes"):
        rnnjax.load(classifier).find_genes(["ACGT"])
