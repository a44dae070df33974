"""The loss of a captioner: the negative log-likelihood of given captions, and its extra terms."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax import training
from rnnjax.data.word_vocabulary import END
from rnnjax.heads import attention
from rnnjax.losses import mean_log_probability, target_log_probability
from rnnjax.models.hard_attention import reinforce_bonus
from rnnjax.tasks.captioning.captioner import Captioner
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.typing import Array, Batch

_LEAST = 1e-30
"""Probability that a word is thought to be in an image with at least, for a finite logarithm."""


class CaptionCarry(NamedTuple):
    """The carry between the batches of a training.

    Attributes:
        baseline: of reinforce, the mean log-likelihood of a word in the batches before.
        updates: so far.
    """

    baseline: Array
    updates: Array


def initial_carry() -> CaptionCarry:
    """The carry of the first batch."""
    return CaptionCarry(jnp.zeros(()), jnp.zeros(()))


def batch_loss(
    config: CaptionerConfig, model: Captioner, batch: Batch, key: Array | None, carry: CaptionCarry
) -> training.Loss:
    """The loss of a batch, and the carry of the next one.

    ::

        (1 - epsilon) nats - epsilon sum_t (sum_w log p_t(w)) / V
             - reinforce_bonus
             + spread_weight sum_i (1 - sum_t alpha_ti)^2
             + detection_weight (nats of which words each image shows)

    where `models.hard_attention.reinforce_bonus`, of captions with drawn locations, is there with
    decoder hard and gradient reinforce alone; epsilon is the label smoothing, and the last part,
    `presence_nats`, is there for a model that detects. Without a key the loss is `nats` alone.

    The words count, the end of each caption included; rows of length 0 do not. The metric `nats`
    is their negative log-likelihood.

    References:
        Xu et al. 2015, section 4. Label smoothing: Szegedy et al. 2016, "Rethinking the Inception
        architecture", section 7.
    """
    hard = config.hard._replace(
        soft_rate=jnp.where(carry.updates < config.soft_steps, 1.0, config.hard.soft_rate)
    )
    faded = carry.updates / config.detection_steps if config.detection_steps else 0.0
    detection_weight = config.detection_weight * jnp.maximum(1 - faded, 0)
    words, lengths = batch["words"], batch["lengths"]
    mask = jnp.arange(len(words))[:, None] < lengths
    words = jnp.where(mask, words, 0)
    logits, glances, drawn, shown, _ = model.read({**batch, "words": words}, key, hard)
    gains = jnp.where(mask, target_log_probability(logits, words), 0.0)
    nats, num_words = -gains.sum(), mask.sum().astype(gains.dtype)
    total = nats
    if key is not None and (epsilon := config.label_smoothing):
        indifferent = jnp.where(mask, mean_log_probability(logits), 0.0)
        total = (1 - epsilon) * nats - epsilon * indifferent.sum()
    if key is not None and shown is not None:
        present = words_present(words, mask & (words != END), shown.shape[-1])
        found = jnp.where(lengths > 0, presence_nats(shown, present), 0.0)
        total = total + detection_weight * found.sum()
    baseline = jnp.asarray(carry.baseline, gains.dtype)
    if key is not None and glances.weights is not None and glances.scores is not None:
        if config.spread_weight:
            spread = attention.doubly_stochastic(glances.weights, mask).sum()
            total = total + config.spread_weight * spread
        if model.context == "hard" and hard.gradient == "reinforce":
            total = total - reinforce_bonus(gains, mask, glances, drawn, hard, baseline)
    mean = -jax.lax.stop_gradient(nats) / jnp.maximum(num_words, 1)
    after = CaptionCarry(0.9 * baseline + 0.1 * mean, carry.updates + 1)
    return training.Loss(total, num_words, after, {"nats": nats})


def presence_nats(scores: Array, present: Array) -> Array:
    """The cross entropy of which words are in an image, summed over the words: `[B]`.

    ::

        -sum_(w present) log(1 - P(w is nowhere)) - sum_(w absent) log P(w is nowhere)
        log P(w is nowhere) = sum_i log(1 - sigmoid(s_iw)) = -sum_i softplus(s_iw)

    Args:
        scores: s `[B, S, V]`, of each word at each location.
        present: bool `[B, V]`.

    References:
        The "noisy or" of Viola et al. 2006, "Multiple instance boosting for object detection", as
        Fang et al. 2015, "From captions to visual concepts and back", section 3, find words by it.
    """
    absence = -jax.nn.softplus(scores).sum(axis=1)
    log_presence = jnp.log(-jnp.expm1(jnp.minimum(absence, -_LEAST)))
    return -jnp.where(present, log_presence, absence).sum(axis=-1)


def words_present(words: Array, mask: Array, vocab_size: int) -> Array:
    """Which words captions have.

    Args:
        words: int `[T, B]`.
        mask: bool `[T, B]`; what is not in it does not count.
        vocab_size: V.

    Returns:
        bool `[B, V]`.
    """
    rows = jnp.arange(words.shape[1])
    none = jnp.zeros((words.shape[1], vocab_size), bool)
    return none.at[rows, words].max(mask)
