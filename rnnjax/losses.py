"""Losses as (sum, count) pairs, divided once at the very end."""

import jax
import jax.numpy as jnp
import optax

from rnnjax.cells.cell import wide
from rnnjax.errors import UserError
from rnnjax.ranges import check_ids, mask_of_lengths
from rnnjax.typing import Array

IMPOSSIBLE = -1e30
"""The logarithm of the probability of what cannot be: finite, so that no gradient is NaN."""


@jax.named_scope("loss")
def cross_entropy(
    logits: Array, targets: Array, mask: Array | None = None, *, label_smoothing: float = 0.0
) -> tuple[Array, Array]:
    """Negative log-likelihood of the targets, summed over those that count.

    With p_t the softmax of the logits and e = `label_smoothing`::

        sum_t mask_t * -((1 - e) log p_t[target_t] + e / V sum_w log p_t[w])

    Args:
        logits: `[..., V]`, any scale; the softmax is taken in float32 or wider.
        targets: int `[...]`, in 0 .. V-1 where they count.
        mask: bool `[...]`, True where a target counts; None counts all. Elsewhere logits and
            targets may be anything, NaN too; the gradient there is 0.
        label_smoothing: e, share of each target that goes to all symbols alike (Szegedy et al.
            2016, "Rethinking the Inception architecture", section 7).

    Returns:
        The sum in nats and the number of targets that count, both scalars of the logits' dtype.

    Raises:
        UserError: the mask is not boolean, or a target is outside 0 .. V-1 (see `check_ids`).
    """
    if mask is not None and mask.dtype != bool:
        raise UserError(f"the mask of a loss is boolean; got {mask.dtype}")
    check_ids("targets", targets, logits.shape[-1], mask)
    if mask is not None:
        logits = jnp.where(mask[..., None], logits, 0)
    gains = target_log_probability(logits, targets)
    if label_smoothing:
        uniform = mean_log_probability(logits)
        gains = (1 - label_smoothing) * gains + label_smoothing * uniform
    if mask is None:
        return -jnp.sum(gains), jnp.asarray(gains.size, gains.dtype)
    kept = jnp.where(mask, gains, 0)
    return -jnp.sum(kept), jnp.sum(mask, dtype=kept.dtype)


@jax.named_scope("loss")
def target_log_probability(logits: Array, targets: Array) -> Array:
    """`log softmax(logits)[target]` in nats, `[...]`, for logits `[..., V]`."""
    logits = wide(logits)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    return chosen - jax.nn.logsumexp(logits, axis=-1)


@jax.named_scope("loss")
def mean_log_probability(logits: Array) -> Array:
    """The mean over w of `log softmax(logits)[w]` in nats, `[...]`, for logits `[..., V]`.

    `-mean_log_probability` is the cross entropy of a uniform target: label smoothing mixes it with
    that of the truth.
    """
    logits = wide(logits)
    return logits.mean(axis=-1) - jax.nn.logsumexp(logits, axis=-1)


@jax.named_scope("loss")
def activation_penalty(outputs: Array, mask: Array) -> Array:
    """The mean square of the outputs of a step, summed over steps that count.

    ::

        sum_t mask_t * mean_h y_th^2

    Args:
        outputs: `[T, B, H]`, with their dropout mask.
        mask: bool `[T, B]`.

    References:
        Merity, McCann & Socher 2017, "Revisiting activation regularization for language RNNs": AR,
        with the mean that the authors' code has in place of the norm.
    """
    outputs = jnp.where(mask[..., None], outputs, 0)
    return jnp.mean(outputs**2, axis=-1).sum()


@jax.named_scope("loss")
def slowness_penalty(outputs: Array, mask: Array) -> Array:
    """How much the outputs change from a step to the next, summed over steps that count.

    ::

        sum_t mask_t mask_(t+1) * mean_h (y_(t+1)h - y_th)^2

    Args:
        outputs: `[T, B, H]`, without dropout.
        mask: bool `[T, B]`.

    References:
        As for `activation_penalty`: TAR, temporal activation regularization.
    """
    pairs = (mask[1:] & mask[:-1])[..., None]
    change = jnp.where(pairs, outputs[1:], 0) - jnp.where(pairs, outputs[:-1], 0)
    return jnp.mean(change**2, axis=-1).sum()


@jax.named_scope("loss")
def ctc_loss(
    logits: Array, steps: Array, targets: Array, target_lengths: Array
) -> tuple[Array, Array]:
    """Connectionist temporal classification: how likely a text is, wherever its symbols stand.

    ::

        -log sum over alignments a of  prod_t softmax(logits_t)[a_t]

    An alignment has a symbol or the blank, which is symbol 0, at every step. It is one of the
    target if the target is left where runs of a symbol become one and then blanks are removed. So
    a target of n symbols takes n steps and one more between two equal symbols. An empty target has
    one alignment, blanks only.

    Args:
        logits: `[T, B, V]`, any scale; the softmax is taken in float32 or wider.
        steps: of each row, int `[B]`, 0 .. T. Beyond them logits may be anything, NaN too.
        targets: int `[L, B]`, in 1 .. V-1 where they count.
        target_lengths: of each row, int `[B]`, 0 .. L.

    Returns:
        Of each row the loss in nats, `[B]`, 0 or more; and `aligned` bool `[B]`, whether the steps
        are enough for the target. Where they are not, the loss and its gradient are 0.

    Raises:
        UserError: a target, its length or a number of steps is out of range, if its value is known
            (it is not while jax traces).

    References:
        Graves, Fernandez, Gomez & Schmidhuber 2006, "Connectionist temporal classification:
        labelling unsegmented sequence data with recurrent neural networks". Computed by optax.
    """
    here = mask_of_lengths(target_lengths, len(targets), targets.shape[1:])
    check_ids("targets", targets, logits.shape[-1], here, least=1)
    repeats = ((targets[1:] == targets[:-1]) & here[1:]).sum(axis=0)
    aligned = target_lengths + repeats <= steps
    padding = ~mask_of_lengths(steps, len(logits), targets.shape[1:])
    logits = jnp.where(padding[..., None], 0, wide(logits))
    losses = optax.ctc_loss(
        logits.swapaxes(0, 1),
        padding.T.astype(logits.dtype),
        jnp.where(here, targets, 0).T.astype(jnp.int32),  # optax compares them with all of V
        (~here).T.astype(logits.dtype),
        log_epsilon=IMPOSSIBLE,
    )
    # Rounding leaves some of the confident ones slightly below 0.
    return jnp.where(aligned, jnp.maximum(losses, 0), 0), aligned
