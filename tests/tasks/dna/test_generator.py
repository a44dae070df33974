"""The genes that are made: their structure, their codons, their splits."""

import re

import numpy as np
import pytest

from rnnjax.tasks.dna import generator
from rnnjax.tasks.dna.gene_scores import gene_scores, longest_frame
from rnnjax.tasks.dna.generator import ACCEPTOR, CODONS, DONOR, PER_THOUSAND
from tests.tasks.dna.test_gene_states import STOPS, check_gene


@pytest.fixture(scope="module")
def genes():
    rng = np.random.default_rng(5)
    return [generator.gene(rng) for _ in range(300)]


def coding_of(sequence, tags):
    return "".join(base for base, tag in zip(sequence, tags, strict=True) if tag == "E")


def test_each_is_a_whole_gene_between_untranslated_regions(genes):
    introns = 0
    for sequence, tags in genes:
        (gene,) = re.finditer("[EI]+", tags)
        assert 20 <= gene.start() <= 100
        assert 20 <= len(tags) - gene.end() <= 100
        introns += check_gene(sequence[slice(*gene.span())], gene[0], signals=True)
        coding = coding_of(sequence, tags)
        codons = [coding[n : n + 3] for n in range(0, len(coding) - 3, 3)]
        assert not {*codons} & {*STOPS}
        assert 41 <= len(codons) <= 121
    assert introns > 300


def test_codons_are_used_as_in_the_table(genes):
    codings = [coding_of(*its)[3:-3] for its in genes]
    found = [its[n : n + 3] for its in codings for n in range(0, len(its), 3)]
    counts = np.array([found.count(codon) for codon in CODONS])
    use = np.where(np.isin(CODONS, STOPS), 0, PER_THOUSAND)
    expected = use / use.sum() * len(found)
    z = (counts - expected) / np.sqrt(np.maximum(expected, 1))
    assert np.abs(z).max() < 4
    assert abs(PER_THOUSAND.sum() - 1000) < 1


def test_sites_have_the_bases_of_their_profiles(genes):
    """Within four standard errors, where the sites are drawn from the profile."""
    donors = [s[t.start() + 1 : t.start() + 7] for s, tags in genes
              for t in re.finditer("EI", tags)]  # fmt: skip
    acceptors = [s[t.start() - 14 : t.start() + 1] for s, tags in genes
                 for t in re.finditer("IE", tags)]  # fmt: skip
    for sites, profile in ((donors, DONOR[3:]), (acceptors, ACCEPTOR[:15])):
        shares = [[np.mean([site[n] == base for site in sites]) for base in "ACGT"]
                  for n in range(len(profile))]  # fmt: skip
        error = np.sqrt(profile * (1 - profile) / len(sites))
        assert (np.abs(shares - profile) <= 4 * error + 1e-9).all()


def test_splits_are_drawn_by_themselves_and_always_the_same(monkeypatch):
    monkeypatch.setattr(generator, "SIZES", {"train": 40, "validation": 10, "test": 10})
    first, second = generator.generated(), generator.generated()
    assert first == second
    sequences = [one.fields["sequence"] for its in first.values() for one in its]
    assert len(set(sequences)) == len(sequences) == 60


def test_scores_by_hand():
    gold = ["OEEEIIIEEEO", "OEEEEEEOOOO"]
    found = ["OEEEIIIEEEO", "EEEEEEEEEOO"]
    scores = gene_scores(gold, found)
    assert list(scores.values()) == pytest.approx([100 * 24 / (24 + 3), 50, 50])
    split = gene_scores(["OEEEIIIEEEO"], ["OEEEOOOEEEO"])
    assert list(split.values()) == [100, 0, 0]
    assert list(gene_scores(["OOO"], ["OOO"]).values()) == [0, 0, 0]


def test_the_longest_frame_is_that_of_a_search_over_all(genes):
    for sequence, _ in genes[:40]:
        best = ""
        for start in range(len(sequence) - 5):
            for end in range(start + 6, len(sequence) + 1, 3):
                if sequence[end - 3 : end] in STOPS:
                    if sequence[start : start + 3] == "ATG" and end - start > len(best):
                        best = sequence[start:end]
                    break
        assert coding_of(sequence, longest_frame(sequence.lower())) == best
    assert longest_frame("CCCC") == "OOOO"
