"""Scores of genes that were found, and the longest open reading frame as a baseline."""

import re
from collections.abc import Sequence

import numpy as np

from rnnjax.tasks.dna.gene_states import exons_of

_FRAME = re.compile("(?=(ATG(?:(?!TAA|TAG|TGA)...)*(?:TAA|TAG|TGA)))")


def gene_scores(gold: Sequence[str], found: Sequence[str]) -> dict[str, float]:
    """Compares tags of the same sequences: how well genes are found, in percent.

    Args:
        gold: O, E and I of each base, a text a sequence.

    Returns:
        `nucleotide_f1`, of coding bases, 2 TP / (2 TP + FP + FN); `exact_genes`, of the true genes,
        those with exactly the right exons; and `precise_genes`, of the found genes.

    References:
        Burset & Guigó 1996, "Evaluation of gene structure prediction programs".
    """
    true, said = (np.array(list("".join(its))) == "E" for its in (gold, found))
    f1 = 2 * np.sum(true & said) / max(true.sum() + said.sum(), 1)
    pairs = [(exons_of(a), exons_of(b)) for a, b in zip(gold, found, strict=True)]
    right = sum(len(set(a) & set(b)) for a, b in pairs)
    real, predicted = (max(sum(map(len, its)), 1) for its in zip(*pairs, strict=True))
    return {
        "nucleotide_f1": 100 * float(f1),
        "exact_genes": 100 * right / real,
        "precise_genes": 100 * right / predicted,
    }


def longest_frame(sequence: str) -> str:
    """The tags of the longest stretch from ATG to the first stop codon in its frame; no introns."""
    letters = sequence.upper().replace("U", "T")
    best = max(_FRAME.finditer(letters), key=lambda found: len(found[1]), default=None)
    if best is None:
        return "O" * len(letters)
    start, end = best.span(1)
    return "O" * start + "E" * (end - start) + "O" * (len(letters) - end)
