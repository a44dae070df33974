"""Scores of a split, and predictions as text: GFF3 of genes, TSV of classes."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import numpy as np

from rnnjax import data, training, visuals
from rnnjax.metrics.classes import confusions
from rnnjax.tasks.dna.dna_model import DnaModel, Tagged
from rnnjax.tasks.dna.gene_scores import gene_scores, longest_frame
from rnnjax.tasks.dna.pictures import picture
from rnnjax.tasks.dna.sources import Splits, read_sequences
from rnnjax.training.reporting.progress import aligned
from rnnjax.visuals.page import Section

SEQID = ".:^*$@!+_?-|"
"""What GFF3 takes in the name of a sequence as it is, besides letters and digits."""


def report_scores(
    model: DnaModel, splits: Splits, split: str, folder: Path
) -> tuple[str, list[Section]]:
    """Writes `scores_SPLIT.json` and `SPLIT.png` into a folder.

    Returns:
        The scores beside a baseline, for the terminal; and the sections of a report.
    """
    examples = splits[split]
    sections: list[Section] = []
    genes: list[Tagged] = []
    if model.vocabulary.problem == "genes":
        gold, genes = [one.fields["tags"] for one in examples], model.find_genes(examples)
        tags = {
            "model": [one.tags for one in genes],
            "longest open reading frame": [longest_frame(o.fields["sequence"]) for o in examples],
        }
        scores = {name: gene_scores(gold, its) for name, its in tags.items()}
        names = [name.replace("_", " ") for name in scores["model"]]
        rows = [(name, *(f"{value:.2f}" for value in its.values())) for name, its in scores.items()]
        table = aligned([("", *names), *rows], numbers=range(1, 1 + len(names)))
        text = f"{split}: {len(examples):,} sequences; in percent\n{table}"
    else:
        labels, classes = [o.fields["label"] for o in examples], model.vocabulary.labels
        found = [one.label for one in model.classify(examples)]
        counts = confusions(labels, found, classes)
        accuracy = 100 * float(np.trace(counts) / counts.sum())
        most = 100 * float(counts.sum(axis=1).max() / counts.sum())
        scores = {"model": {"accuracy": accuracy}, "most frequent class": {"accuracy": most}}
        text = (
            f"{split}: {accuracy:.2f}% of {len(labels):,} sequences right; the most frequent class "
            f"alone: {most:.2f}%"
        )
        png = visuals.draw_confusion(classes, counts)
        sections.append(Section(f"Confusion matrix, {split}", png=png))
    shown = picture(model, examples, genes)
    files = {f"scores_{split}.json": scores, f"{split}.png": shown.png or b""}
    path = training.write_results(folder, files)
    return f"{text}\nPicture: {path}", [Section(split, table=text), *sections, shown]


def predictions(model: DnaModel, sequences: Sequence[str], file: str | None) -> str:
    """The genes of sequences as GFF3, or their classes as TSV with a header.

    Args:
        sequences: given on the command line, if there is no file.
        file: a table or FASTA, see `read_sequences`.

    Raises:
        UserError: a sequence or the file cannot be used.
    """
    if file:
        examples = read_sequences(file, model.config)
    else:
        examples = [data.Example({"sequence": s}, f"sequence {n}")
                    for n, s in enumerate(sequences, 1)]  # fmt: skip
    names = [one.fields.get("name") or f"sequence{n}" for n, one in enumerate(examples, 1)]
    if model.vocabulary.problem == "genes":
        found = model.find_genes(examples)
        return "##gff-version 3\n" + "".join(map(gff_lines, names, found))
    lines = ["name\tclass\tprobability"]
    for name, said in zip(names, model.classify(examples), strict=True):
        lines.append(f"{name}\t{said.label}\t{said.probabilities[said.label]:.4f}")
    return "\n".join(lines) + "\n"


def gff_lines(name: str, found: Tagged) -> str:
    """The coding parts of the exons of a sequence as lines of GFF3 of the type CDS.

    The score is the mean probability of coding; the phase is how many bases of an exon belong to
    the codon that the exon before it began.

    References:
        The Sequence Ontology, "Generic Feature Format version 3".
    """
    name, lines = quote(name, safe=SEQID), []
    for n, exons in enumerate(found.genes, 1):
        coding = 0
        for first, last in exons:
            score, phase = found.coding[first - 1 : last].mean(), -coding % 3
            lines.append(
                f"{name}\trnnjax\tCDS\t{first}\t{last}\t{score:.4f}\t+\t{phase}\tID={name}.{n}\n"
            )
            coding += last - first + 1
    return "".join(lines)
