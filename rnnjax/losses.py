"""Losses as (sum, count) pairs, divided once at the very end."""

import jax
import jax.numpy as jnp

from rnnjax.typing import Array


@jax.named_scope("loss")
def cross_entropy(logits: Array, targets: Array, mask: Array | None = None) -> tuple[Array, Array]:
    """Negative log-likelihood of the targets, summed over those that count.

    ::

        sum_t mask_t * -log softmax(logits_t)[target_t]

    Args:
        logits: `[..., V]`, any scale; the softmax is taken in float32 or wider.
        targets: int `[...]`, in 0 .. V-1.
        mask: bool `[...]`, True where a target counts; None counts all.

    Returns:
        The sum in nats and the number of targets that count, both scalars of the logits' dtype.
    """
    log_probability = target_log_probability(logits, targets)
    weight = jnp.ones_like(log_probability) if mask is None else mask.astype(log_probability.dtype)
    return -jnp.sum(weight * log_probability), jnp.sum(weight)


@jax.named_scope("loss")
def target_log_probability(logits: Array, targets: Array) -> Array:
    """`log softmax(logits)[target]` in nats, `[...]`, for logits `[..., V]`."""
    logits = _wide(logits)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return chosen - jax.nn.logsumexp(logits, axis=-1)


@jax.named_scope("loss")
def mean_log_probability(logits: Array) -> Array:
    """The mean over w of `log softmax(logits)[w]` in nats, `[...]`, for logits `[..., V]`.

    `-mean_log_probability` is the cross entropy of a uniform target: label smoothing (Szegedy et
    al. 2016, "Rethinking the Inception architecture", section 7) mixes it with that of the truth.
    """
    logits = _wide(logits)
    return logits.mean(axis=-1) - jax.nn.logsumexp(logits, axis=-1)


def _wide(logits: Array) -> Array:
    return logits.astype(jnp.promote_types(logits.dtype, jnp.float32))
