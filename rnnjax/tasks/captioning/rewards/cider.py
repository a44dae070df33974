"""CIDEr-D of a single sequence."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.tasks.captioning.cider import SIGMA
from rnnjax.tasks.captioning.rewards.runs import ORDERS, common_runs
from rnnjax.typing import Array


class Rarity(NamedTuple):
    """How much each run of words says of an image: ``log(N / max(1, d))``, d of N images have it.

    Attributes:
        codes: uint32 `[M]`, ascending, of the runs of words that two images or more have; the last
            one is the greatest that there can be.
        weights: float32 `[M]`, theirs.
        most: float32, of all others.
    """

    codes: Any
    weights: Any
    most: Any


def rarity(references: Sequence[Sequence[np.ndarray]]) -> Rarity:
    """Counts in how many images each run of one to four words stands in a reference.

    Args:
        references: for each image its references, int `[length]`.
    """
    found = [
        np.unique(np.concatenate([np.zeros(0, np.uint32), *map(_all_codes, texts)]))
        for texts in references
    ]
    codes, counts = np.unique(np.concatenate(found), return_counts=True)
    shared, most = counts > 1, np.float32(math.log(len(references)))
    weights = np.log(len(references) / counts[shared]).astype(np.float32)
    greatest = np.uint32(0xFFFFFFFF)
    return Rarity(np.append(codes[shared], greatest), np.append(weights, most), most)


@jax.named_scope("reward")
def cider_d(
    rarity: Rarity, words: Array, length: Array, references: Array, reference_lengths: Array
) -> Array:
    """CIDEr-D of a sequence against all its references, from 0 to 10.

    The equation is that of `captioning.cider.cider_d`, with the weights of another corpus. A
    run of words is known by a number of 32 bits, so that among a million of them a few are taken
    for another one.

    Args:
        rarity: of runs of words in the references of the training images.
        words: int `[T]`.
        length: int; 0 gives 0.
        references: int `[U, R]`.
        reference_lengths: int `[R]`; 0: there is none.

    Returns:
        float32.

    References:
        Vedantam, Zitnick & Parikh 2015, "CIDEr: Consensus-based Image Description Evaluation",
        section 5 and the appendix on CIDEr-D.
    """
    rarity = Rarity(*map(jnp.asarray, rarity))
    likeness = jnp.zeros(reference_lengths.shape)
    for own, given, within, code, code_given in zip(
        common_runs(words, length, words, length),
        common_runs(words[:, None], length, references, reference_lengths),
        common_runs(references, reference_lengths, references, reference_lengths),
        _codes(words),
        _codes(references),
        strict=True,
    ):
        # A run that comes k times stands at k places, so that each of them has 1 / k of its share.
        weight = jnp.diagonal(own) * _weights(rarity, code, len(words)) ** 2
        weight_given = jnp.diagonal(within).T * _weights(rarity, code_given, len(references)) ** 2
        count, there_count = own.sum(axis=1)[:, None], given.sum(axis=1)
        clipped = jnp.minimum(count, there_count) * there_count / jnp.maximum(count, 1)
        product = jnp.sum(weight[:, None] * clipped, axis=0)
        norm = jnp.sum(weight * own.sum(axis=1))
        norm_given = jnp.sum(weight_given * within.sum(axis=1), axis=0)
        likeness += product / jnp.sqrt(jnp.maximum(norm * norm_given, 1e-12))
    likeness *= jnp.exp(-((length - reference_lengths) ** 2) / (2 * SIGMA**2))
    num_references = jnp.maximum(jnp.sum(reference_lengths > 0), 1)
    return 10 * likeness.sum() / len(ORDERS) / num_references


def _weights(rarity: Rarity, codes: Array, length: int) -> Array:
    """Of runs `[T - n + 1, ...]`, and zeros up to `[length, ...]`."""
    place = jnp.searchsorted(rarity.codes, codes)
    known = rarity.codes[place] == codes
    weights = jnp.where(known, rarity.weights[place], rarity.most)
    return jnp.pad(weights, [(0, length - len(codes)), *[(0, 0)] * (codes.ndim - 1)])


def _codes(words: Any) -> list[Any]:
    """For n = 1 to 4 a number for the n words from each place on, uint32 `[T - n + 1, ...]`."""
    numbers = words.astype(np.uint32)
    code, codes = numbers * 0 + np.uint32(0x811C9DC5), []
    for n in ORDERS:
        ahead = numbers[n - 1 :]
        code = (code[: len(ahead)] ^ ahead) * np.uint32(0x9E3779B1)
        code = code ^ (code >> np.uint32(15))
        codes.append(code)
    return codes


def _all_codes(text: np.ndarray) -> np.ndarray:
    return np.concatenate(_codes(text))
