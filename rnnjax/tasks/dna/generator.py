"""Genes made by the genetic code: codons as humans use them, introns GT..AG, untranslated regions.

References:
    Codon usage: Nakamura, Gojobori & Ikemura 2000, "Codon usage tabulated from international DNA
    sequence databases", Homo sapiens, 93,487 coding sequences.
    Splice sites, branch point, bases before the start: Zhang 1998, "Statistical features of human
    exons and their flanking regions", the profiles of low G+C.
"""

import itertools

import numpy as np

from rnnjax.data import Example
from rnnjax.tasks.dna.gene_states import STOPS
from rnnjax.tasks.dna.nucleotides import BASES

CODONS = ["".join(letters) for letters in itertools.product("TCAG", repeat=3)]
"""In the order of the usual table: the first base by blocks, the third one in rows of four."""

PER_THOUSAND = np.fromstring("""
17.6 20.3  7.7 12.9  15.2 17.7 12.2  4.4  12.2 15.3  1.0  0.8  10.6 12.6  1.6 13.2
13.2 19.6  7.2 39.6  17.5 19.8 16.9  6.9  10.9 15.1 12.3 34.2   4.5 10.4  6.2 11.4
16.0 20.8  7.5 22.0  13.1 18.9 15.1  6.1  17.0 19.1 24.4 31.9  12.1 19.5 12.2 12.0
11.0 14.5  7.1 28.1  18.4 27.7 15.8  7.4  21.8 25.1 29.0 39.6  10.8 22.2 16.5 16.5
""", sep=" ")  # fmt: skip
"""How often codons occur, in the order of `CODONS`."""


def _profile(*percent_by_base: str) -> np.ndarray:
    """`[T, 4]`, the probability of each base at each position, from percentages."""
    table = np.array([row.split() for row in percent_by_base], float).T
    return table / table.sum(axis=1, keepdims=True)


DONOR = _profile(
    "38 62 12   0   0 71 73 11 21",
    "31 10  4   0   0  2  6  6 10",
    "18 12 77 100   0 24  8 75 14",
    "13 16  7   0 100  3 13  8 55",
)
"""Three bases of the exon, six of the intron."""

ACCEPTOR = _profile(
    "15 14 13 11 10 10 11 12 13 11 10 26  7 100   0 26 24",
    "24 21 20 22 21 22 25 28 28 25 22 25 55   0   0 11 15",
    "10 12 10  9 10  9 10 10  8  5  5 15  1   0 100 50 20",
    "51 53 57 58 59 59 54 50 51 59 63 33 37   0   0 13 41",
)
"""Fifteen bases of the intron with the polypyrimidine tract, two of the exon."""

BRANCH = _profile(
    "25 25  0  0 39 100 18", "19 22 60  2 24 0 33", "15 17 0 0 32 0 3", "41 36 40 98 5 0 46"
)
BEFORE_START = _profile(
    "21 15 21 21 18 24 57 31 15",
    "28 38 38 24 35 49  5 43 53",
    "31 27 22 42 27 22 36 17 27",
    "19 19 20 13 20  5  2 10  4",
)
UNTRANSLATED = np.array([0.27, 0.23, 0.23, 0.27])
INTRON = np.array([0.28, 0.18, 0.20, 0.34])
"""Composition of untranslated regions and introns, in the order of `BASES`."""

SIZES = {"train": 2000, "validation": 100, "test": 200}
MIN_EXON = 24


def generated() -> dict[str, list[Example]]:
    """Sequences with a gene each by split, each split drawn with a seed of its own."""
    return {
        split: [
            Example(dict(zip(("sequence", "tags"), gene(rng), strict=True)), f"{split} gene {n}")
            for n in range(1, size + 1)
        ]
        for (split, size), rng in zip(
            SIZES.items(), map(np.random.default_rng, range(len(SIZES))), strict=True
        )
    }


def gene(rng: np.random.Generator) -> tuple[str, str]:
    """Draws a sequence with a gene; returns it and its tags (see `gene_states`).

    40 to 120 codons, 0 to 3 introns of 50 bases or more, untranslated regions of 20 to 100 bases.
    The places of introns are drawn by how well the exons' bases fit `DONOR` and `ACCEPTOR`.
    """
    is_stop = np.isin(CODONS, STOPS)
    use = np.where(is_stop, 0, PER_THOUSAND)
    ends = np.where(is_stop, PER_THOUSAND, 0)
    inner = rng.choice(CODONS, rng.integers(40, 121), p=use / use.sum())
    coding = "ATG" + "".join(inner) + rng.choice(CODONS, p=ends / ends.sum())
    cuts: list[int] = []
    letters = np.array([BASES.index(base) for base in coding])
    places = np.arange(3, len(coding) - 3)  # a cut is before the base at this place
    fit = np.prod([DONOR[n, letters[places - 3 + n]] for n in range(3)], axis=0)
    fit *= np.prod([ACCEPTOR[15 + n, letters[places + n]] for n in range(2)], axis=0)
    for _ in range(rng.integers(4)):
        edges = [0, len(coding), *cuts]
        far = np.all([np.abs(places - edge) >= MIN_EXON for edge in edges], axis=0)
        if far.any():
            cuts.append(int(rng.choice(places, p=fit * far / (fit * far).sum())))
    first = _bases(rng, np.tile(UNTRANSLATED, (int(rng.integers(11, 92)), 1))) + _bases(
        rng, BEFORE_START
    )
    sequence, tags = first, "O" * len(first)
    cuts.sort()
    for start, end in itertools.pairwise([0, *cuts, len(coding)]):
        sequence, tags = sequence + coding[start:end], tags + "E" * (end - start)
        if end < len(coding):
            inside = intron(rng)
            sequence, tags = sequence + inside, tags + "I" * len(inside)
    last = _bases(rng, np.tile(UNTRANSLATED, (int(rng.integers(20, 101)), 1)))
    return sequence + last, tags + "O" * len(last)


def intron(rng: np.random.Generator) -> str:
    """Draws an intron: the donor site, a body, the branch point, a gap and the acceptor site."""
    body = np.tile(INTRON, (12 + min(int(rng.geometric(1 / 40)), 200), 1))
    gap = np.tile(INTRON, (int(rng.integers(5, 20)), 1))
    return _bases(rng, np.concatenate([DONOR[3:], body, BRANCH, gap, ACCEPTOR[:15]]))


def _bases(rng: np.random.Generator, profile: np.ndarray) -> str:
    drawn = (rng.random((len(profile), 1)) > profile.cumsum(axis=1)[:, :3]).sum(axis=1)
    return "".join(BASES[n] for n in drawn)
