"""Whatever the scores, what is decoded are genes; and tags that are no genes are named."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.heads import crf
from rnnjax.tasks.dna.gene_states import (
    STATES,
    frame_constraints,
    signal_states,
    states_of,
    tags_of,
)
from rnnjax.tasks.dna.nucleotides import encode

STOPS = ("TAA", "TAG", "TGA")
viterbi = jax.jit(crf.viterbi)


def check_gene(sequence, tags, *, signals):
    """A gene alone, from its tags: in the frame, with the codons and introns of a gene."""
    coding = "".join(b for b, tag in zip(sequence, tags, strict=True) if tag == "E")
    assert len(coding) % 3 == 0
    assert len(coding) >= 6
    assert tags.startswith("EEE")
    assert tags.endswith("EEE")
    introns = [sequence[i.start() : i.end()] for i in re.finditer("I+", tags)]
    assert min(map(len, introns), default=3) >= 3
    if not signals:
        return 0
    assert coding.startswith("ATG")
    assert coding[-3:] in STOPS
    for intron in introns:
        assert intron.startswith("GT")
        assert intron.endswith("AG")
    for exons in re.finditer("E+", tags):  # codons without an intron in them
        before = tags[: exons.start()].count("E")
        for at in range(exons.start() + -before % 3, exons.end() - 2, 3):
            if at + 3 < len(tags):
                assert sequence[at : at + 3] not in STOPS
    return len(introns)


def decoded(sequences, seed, *, signals, scale=3.0):
    """The tags of the best path under random scores that prefer genes."""
    size, number = len(sequences[0]), len(sequences)
    keys = jax.random.split(jax.random.key(seed), 2)
    scores = scale * jax.random.normal(keys[0], (size, number, len(STATES)))
    scores = scores.at[..., 0].add(-2 * scale)
    params = jax.tree.map(lambda x: 20 * x, crf.init(keys[1], len(STATES)))
    if signals:
        bases = np.stack([encode(its, "x") for its in sequences], axis=1)
        scores = jnp.where(signal_states(jnp.asarray(bases)), scores, -jnp.inf)
    lengths = jnp.full(number, size)
    paths, _ = viterbi(params, scores, lengths, allowed=frame_constraints())
    return [tags_of(path) for path in np.asarray(paths).T]


@pytest.mark.parametrize("signals", [True, False])
def test_random_scores_give_genes_of_whole_codons(signals):
    rng = np.random.default_rng(0)
    genes = introns = 0
    for seed in range(4):
        sequences = ["".join(rng.choice(list("ACGT"), 300)) for _ in range(50)]
        for sequence, tags in zip(
            sequences, decoded(sequences, seed, signals=signals), strict=True
        ):
            for gene in re.finditer("[EI]+", tags):
                genes += 1
                introns += check_gene(sequence[slice(*gene.span())], gene[0], signals=signals)
    assert genes > 200
    assert introns > 200 or not signals


def test_what_is_decoded_can_be_trained_on():
    """Decoded tags name the states that were decoded: their likelihood is not zero."""
    rng = np.random.default_rng(1)
    sequences = ["".join(rng.choice(list("ACGTRYN"), 200)) for _ in range(40)]
    for sequence, tags in zip(sequences, decoded(sequences, 7, signals=True), strict=True):
        states = states_of(tags, encode(sequence, "x"), "x")
        assert tags_of(states) == tags


def test_states_of_a_gene_by_hand():
    sequence = "CATGGCGTTTTAGATGACCC"
    tags = "OEEEEEIIIIIIIEEEEOOO"
    states = [STATES[n] for n in states_of(tags, encode(sequence, "x"), "x")]
    assert states == [
        "outside", "start0", "start1", "codon2", "codon0", "codon1", "donor2",
        *["intron2"] * 5, "acceptor2", "codon2", "stop0", "stop1", "stop2", *["outside"] * 3,
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_the_bases_allow_what_some_reading_of_them_allows(seed):
    """An ambiguous sequence against all the plain sequences that it stands for."""
    rng = np.random.default_rng(seed)
    plain = np.array([[1 << b for b in rng.choice(4, 6)] for _ in range(400)])
    sets = plain[0] | np.where(rng.random(6) < 0.5, 1 << rng.integers(4, size=6), 0)
    members = [[1 << b for b in range(4) if s >> b & 1] for s in sets.tolist()]
    readings = np.array(np.meshgrid(*members)).reshape(6, -1)
    allowed = signal_states(readings).any(axis=1)
    np.testing.assert_array_equal(signal_states(sets[:, None])[:, 0], allowed)


@pytest.mark.parametrize(
    ("sequence", "tags", "words"),
    [
        ("CATGTAAC", "OEEEEEEX", "f:2: tag 8 is 'X': expected O"),
        ("CATGTAAC", "OEEEEEE", "f:2 has 8 bases and 7 tags"),
        ("CATGATAAC", "OEEEEEEEO", "the gene at 2 to 8 has 7 coding bases: expected a multiple"),
        ("CATGC", "OEEEO", "the gene at 2 to 4 has 3 coding bases: expected a multiple of three"),
        ("CACGTAAC", "OEEEEEEO", "f:2: base 2: expected ATG, with which a gene begins"),
        ("CATGTCAC", "OEEEEEEO", "f:2: base 5: expected a stop codon at the end of a gene"),
        ("CATGTAATAA", "OEEEEEEEEE", "f:2: base 7: expected no stop codon in the frame"),
        ("ATGGCAAGCTAA", "EEEIIIIIEEEE", "coding bases: expected a multiple"),
        ("ATGGCAAGTAA", "EEEIIIIIEEE", "f:2: base 4: expected GT, with which an intron begins"),
        ("ATGGTAACTAA", "EEEIIIIIEEE", "f:2: base 8: expected AG, with which an intron ends"),
        ("ATGTAGGTAA", "EEEIIEEEEE", "expected a multiple"),
        ("ATGTATAA", "EEEIIEEE", "f:2: at base 5 an intron is shorter than 3 bases"),
        ("AGTAGTGTAA", "EIIIIEEEEE", "f:2: at base 2 an intron"),
        ("GTAGATGTAA", "IIIIEEEEEE", "f:2: at base 1 an intron"),
    ],
)
def test_tags_that_are_no_genes_are_named(sequence, tags, words):
    with pytest.raises(UserError, match=re.escape(words)):
        states_of(tags, encode(sequence, "f:2"), "f:2")
