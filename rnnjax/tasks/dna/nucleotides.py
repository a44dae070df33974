"""Nucleotides as numbers: a letter of IUPAC is the set of bases that it stands for."""

import jax.numpy as jnp
import numpy as np

from rnnjax.errors import UserError
from rnnjax.typing import Array

BASES = "ACGT"
SETS = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT",
    "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
"""The bases that a letter stands for (IUPAC-IUB 1985)."""

BIT = {base: 1 << n for n, base in enumerate(BASES)}
_SET_OF = np.zeros(256, np.int32)
for _letter, _bases in SETS.items():
    _SET_OF[[ord(_letter), ord(_letter.lower())]] = sum(BIT[base] for base in _bases)

_MEMBERS = np.array([[number >> n & 1 for n in range(4)] for number in range(16)], np.float32)
_MEMBERS[0] = 1  # beyond the end anything may stand
PROBABILITIES = _MEMBERS / _MEMBERS.sum(axis=1, keepdims=True)
"""`[16, 4]`: each base of a set is equally likely."""


def encode(sequence: str, place: str, of: str = " of the sequence") -> np.ndarray:
    """The sets of bases of a sequence, int32 `[T]`: A 1, C 2, G 4, T 8, and their sums.

    Args:
        sequence: letters of IUPAC, upper or lower case.
        of: what the column of a wrong letter is counted in, for messages.

    Raises:
        UserError: it is empty or has another letter.
    """
    if not sequence:
        raise UserError(f"{place}: the sequence is empty")
    letters = np.frombuffer(sequence.encode("latin-1", "replace"), np.uint8)
    sets = _SET_OF[letters]
    if not sets.all():
        at = int(np.argmin(sets != 0))
        raise UserError(
            f"{place}, column {at + 1}{of}: {sequence[at]!r} is no nucleotide: "
            f"expected {''.join(SETS)}"
        )
    return sets


def reverse_complement(probabilities: Array, lengths: Array) -> Array:
    """The other strand, read from its own beginning, `[T, B, 4]`; all bases at padding.

    Args:
        probabilities: of the bases, `[T, B, 4]`, in the order of `BASES`, whose reverse is that of
            their complements.
        lengths: int `[B]`.
    """
    steps = jnp.arange(len(probabilities))[:, None]
    from_end = jnp.maximum(lengths - 1 - steps, 0)[..., None]
    turned = jnp.take_along_axis(probabilities, from_end, axis=0)[..., ::-1]
    return jnp.where((steps < lengths)[..., None], turned, 0.25)


def kmers(probabilities: Array, k: int) -> Array:
    """The k-mer around each base, `[T, B, 4^k]`: the product of the probabilities of its bases.

    The k-mer of A, C, G and T alone is one-hot. Beyond both ends all bases are equally likely.

    Args:
        probabilities: of the bases, `[T, B, 4]`.
        k: bases of a k-mer; those at -((k - 1) // 2) .. k // 2 from each base.
    """
    before = (k - 1) // 2
    padded = jnp.pad(
        probabilities, ((before, k - 1 - before), (0, 0), (0, 0)), constant_values=0.25
    )
    size = len(probabilities)
    product = padded[:size]
    for n in range(1, k):
        product = product[..., :, None] * padded[n : n + size][..., None, :]
        product = product.reshape(*product.shape[:2], -1)
    return product
