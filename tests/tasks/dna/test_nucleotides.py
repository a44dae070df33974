"""Letters of IUPAC, the other strand and k-mers, against texts of plain bases."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.tasks.dna.nucleotides import PROBABILITIES, SETS, encode, kmers, reverse_complement

OTHER = str.maketrans("ACGTRYSWKMBDHVN", "TGCAYRSWMKVHDBN")


def probabilities(*sequences):
    """`[T, B, 4]`, padded."""
    size = max(map(len, sequences))
    sets = np.zeros((size, len(sequences)), int)
    for n, sequence in enumerate(sequences):
        sets[: len(sequence), n] = encode(sequence, "here")
    return jnp.asarray(PROBABILITIES)[sets]


def test_the_other_strand_is_that_of_the_letters():
    sequences = "ACGTRYSWKMBDHVN", "GGCATR", "T"
    lengths = jnp.array([len(its) for its in sequences])
    turned = [its[::-1].translate(OTHER) for its in sequences]
    found = reverse_complement(probabilities(*sequences), lengths)
    np.testing.assert_array_equal(found, probabilities(*turned))


def test_lower_case_and_uracil_are_read():
    np.testing.assert_array_equal(encode("acgun", "x"), encode("ACGTN", "x"))


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_a_kmer_is_the_mean_of_those_that_its_letters_stand_for(k):
    sequence = "ACNGRTA"
    found = np.asarray(kmers(probabilities(sequence), k))[:, 0]
    around = "N" * ((k - 1) // 2) + sequence + "N" * k
    for t, row in enumerate(found):
        letters = [SETS[letter] for letter in around[t : t + k]]
        expected = np.zeros(4**k)
        for bases in itertools.product(*letters):
            expected[int("".join(str("ACGT".index(base)) for base in bases), 4)] += 1
        np.testing.assert_allclose(row, expected / expected.sum(), rtol=1e-6)


@pytest.mark.parametrize(
    ("sequence", "words"),
    [
        ("", "f.csv:3: the sequence is empty"),
        ("ACXGT", "f.csv:3, column 3 of the sequence: 'X' is no nucleotide: expected ACGTU"),
        ("AC-", "column 3 of the sequence: '-' is no nucleotide"),
        ("ACé\u4e00", "column 3 of the sequence: 'é' is no nucleotide"),
    ],
)
def test_other_letters_are_named(sequence, words):
    with pytest.raises(UserError) as caught:
        encode(sequence, "f.csv:3")
    assert words in str(caught.value)
