"""Rewards of captions that a model sampled, computed on the device: sentence BLEU and CIDEr-D."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.tasks.captioning.caption_scores import CIDER_SIGMA, ORDERS
from rnnjax.tasks.captioning.config import Objective
from rnnjax.typing import Array

Reward = Callable[[Array, Array, Array, Array], Array]
"""``(words [T], length, references [U, R], their lengths [R]) -> reward`` of one sequence; a
reference of length 0 does not count."""


def reward_of(objective: Objective, references: Sequence[Sequence[np.ndarray]]) -> Reward | None:
    """The reward of an objective; None for the objective that samples no captions.

    Args:
        objective: of the config.
        references: the ids of each training image's captions, END included.
    """
    if objective == "likelihood":
        return None
    if objective == "bleu":
        return sentence_bleu
    return functools.partial(cider_d, rarity(references))


@jax.named_scope("reward")
def sentence_bleu(
    words: Array, length: Array, references: Array, reference_lengths: Array
) -> Array:
    """BLEU-4 of a sequence against all its references, from 0 to 1.

    For a sequence of c words with c_n = max(0, c - n + 1) n-grams, m_n of them in a reference,
    clipped to their number in the reference that has most, and r the length of the reference that
    is nearest to c, of equals the shorter::

        p_1 = m_1 / c,    p_n = (m_n + 1) / (c_n + 1)  for n = 2, 3, 4
        BLEU = min(1, exp(1 - r / c)) (p_1 p_2 p_3 p_4)^(1/4)

    Args:
        words: int `[T]`.
        length: c, int; 0 gives 0.
        references: int `[U, R]`.
        reference_lengths: int `[R]`; 0: the reference does not count.

    Returns:
        float32.

    References:
        Papineni et al. 2002, "BLEU: a method for automatic evaluation of machine translation";
        smoothed as in Lin & Och 2004, "ORANGE: a method for evaluating automatic evaluation
        metrics for machine translation", section 4.
    """
    own_grams = _common_grams(words, length, words, length)
    given_grams = _common_grams(words[:, None], length, references, reference_lengths)
    log_precision = jnp.zeros(())
    for n, own, given in zip(ORDERS, own_grams, given_grams, strict=True):
        earlier = jnp.tril(own).sum(axis=1)
        matches = jnp.sum(jnp.diagonal(own) & (earlier <= given.sum(axis=1).max(axis=1)))
        count = jnp.maximum(length - n + 1, 0)
        smoothing = 0 if n == 1 else 1
        log_precision += jnp.log((matches + smoothing) / jnp.maximum(count + smoothing, 1))
    distance = jnp.where(reference_lengths > 0, jnp.abs(reference_lengths - length), jnp.inf)
    nearest = jnp.where(distance == distance.min(), reference_lengths, jnp.inf).min()
    log_brevity = jnp.minimum(0, 1 - nearest / jnp.maximum(length, 1))
    return jnp.exp(log_brevity + log_precision / len(ORDERS))


class Rarity(NamedTuple):
    """The weights of n-grams, ``log(N / max(1, d))`` where d of N images have it.

    Attributes:
        codes: uint32 `[M]`, ascending, of the n-grams that two images or more have; the last one
            is the largest uint32.
        weights: float32 `[M]`, theirs.
        most: float32, of all others.
    """

    codes: Any
    weights: Any
    most: Any


def rarity(references: Sequence[Sequence[np.ndarray]]) -> Rarity:
    """Counts in how many images each n-gram of one to four words occurs in a reference.

    Args:
        references: for each image its references, int `[length]`.
    """
    found = [
        np.unique(np.concatenate([np.zeros(0, np.uint32), *(c for t in texts for c in _codes(t))]))
        for texts in references
    ]
    codes, counts = np.unique(np.concatenate(found), return_counts=True)
    shared, most = counts > 1, np.float32(math.log(len(references)))
    weights = np.log(len(references) / counts[shared]).astype(np.float32)
    largest = np.uint32(0xFFFFFFFF)
    return Rarity(np.append(codes[shared], largest), np.append(weights, most), most)


@jax.named_scope("reward")
def cider_d(
    rarity: Rarity, words: Array, length: Array, references: Array, reference_lengths: Array
) -> Array:
    """CIDEr-D of a sequence against all its references, from 0 to 10.

    The equation is that of `caption_scores.cider_d`, with the weights of another corpus. N-grams
    are identified by 32 bits, so that a few among a million are taken for another one.

    Args:
        rarity: of n-grams in the references of the training images.
        words: int `[T]`.
        length: int; 0 gives 0.
        references: int `[U, R]`.
        reference_lengths: int `[R]`; 0: the reference does not count.

    Returns:
        float32.

    References:
        Vedantam, Zitnick & Parikh 2015, "CIDEr: Consensus-based Image Description Evaluation",
        section 5 and the appendix on CIDEr-D.
    """
    rarity = Rarity(*map(jnp.asarray, rarity))
    similarity = jnp.zeros(reference_lengths.shape)
    for own, given, within, code, code_given in zip(
        _common_grams(words, length, words, length),
        _common_grams(words[:, None], length, references, reference_lengths),
        _common_grams(references, reference_lengths, references, reference_lengths),
        _codes(words),
        _codes(references),
        strict=True,
    ):
        # An n-gram that occurs k times is at k places, so each of them has 1 / k of its share.
        weight = jnp.diagonal(own) * _weights(rarity, code, len(words)) ** 2
        weight_given = jnp.diagonal(within).T * _weights(rarity, code_given, len(references)) ** 2
        count, there_count = own.sum(axis=1)[:, None], given.sum(axis=1)
        clipped = jnp.minimum(count, there_count) * there_count / jnp.maximum(count, 1)
        product = jnp.sum(weight[:, None] * clipped, axis=0)
        norm = jnp.sum(weight * own.sum(axis=1))
        norm_given = jnp.sum(weight_given * within.sum(axis=1), axis=0)
        similarity += product / jnp.sqrt(jnp.maximum(norm * norm_given, 1e-12))
    similarity *= jnp.exp(-((length - reference_lengths) ** 2) / (2 * CIDER_SIGMA**2))
    num_references = jnp.maximum(jnp.sum(reference_lengths > 0), 1)
    return 10 * similarity.sum() / len(ORDERS) / num_references


def _common_grams(
    first: Array, first_lengths: Array, second: Array, second_lengths: Array
) -> Iterator[Array]:
    """For n = 1 to 4, whether the n words of `first` from t on are those of `second` from u on.

    Bool `[T, U, ...]` of words `[T, ...]` and `[U, ...]`, whose further axes are broadcast; False
    where one of the words is padding.
    """
    alike = (first[:, None] == second) & _present(first, first_lengths)[:, None]
    alike = alike & _present(second, second_lengths)
    common = alike
    for n in ORDERS:
        yield common
        pad = [(0, n), (0, n)] + [(0, 0)] * (alike.ndim - 2)
        common = common & jnp.pad(alike, pad)[n:, n:]


def _present(words: Array, lengths: Array) -> Array:
    return jnp.arange(len(words)).reshape(-1, *[1] * (words.ndim - 1)) < lengths


def _weights(rarity: Rarity, codes: Array, length: int) -> Array:
    """Of n-grams `[T - n + 1, ...]`, and zeros up to `[length, ...]`."""
    place = jnp.searchsorted(rarity.codes, codes)
    known = rarity.codes[place] == codes
    weights = jnp.where(known, rarity.weights[place], rarity.most)
    return jnp.pad(weights, [(0, length - len(codes)), *[(0, 0)] * (codes.ndim - 1)])


def _codes(words: Any) -> list[Any]:
    """For n = 1 to 4 a hash of the n words from each place on, uint32 `[T - n + 1, ...]`."""
    numbers = words.astype(np.uint32)
    code, codes = numbers * 0 + np.uint32(0x811C9DC5), []
    for n in ORDERS:
        ahead = numbers[n - 1 :]
        code = (code[: len(ahead)] ^ ahead) * np.uint32(0x9E3779B1)
        code = code ^ (code >> np.uint32(15))
        codes.append(code)
    return codes
