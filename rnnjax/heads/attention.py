"""Attention over the locations of an image: how well each fits a question, and what is seen there.

Every function takes a batch of B images and N questions, N a multiple of B: questions n * N // B
.. (n + 1) * N // B - 1 are about image n. In training N is B; in a beam search it is B times the
width of the beam, and no image is copied.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.initializers import initializer
from rnnjax.typing import Array, PRNGKey


class AttentionParams(NamedTuple):
    """`w_location [F, A]`, `w_query [Q, A]`, `b [A]`, `w_score [A]`, `w_count [A, C]` or None."""

    w_location: Array
    w_query: Array
    b: Array
    w_score: Array
    w_count: Array | None = None


def init(
    key: PRNGKey, feature_size: int, query_size: int, attention_size: int, num_counts: int = 0
) -> AttentionParams:
    """Glorot-uniform matrices and a zero bias, for F, Q, A and C of these sizes."""
    draw = initializer("glorot_uniform")
    keys = jax.random.split(key, 3)
    return AttentionParams(
        w_location=draw(keys[0], (feature_size, attention_size), float),
        w_query=draw(keys[1], (query_size, attention_size), float),
        b=jnp.zeros(attention_size),
        w_score=draw(keys[2], (attention_size, 1), float)[:, 0],
        w_count=draw(jax.random.fold_in(key, 3), (attention_size, num_counts), float)
        if num_counts
        else None,
    )


def prepare(params: AttentionParams, features: Array) -> Array:
    """The part of the scores that does not depend on the question, once an image.

    Args:
        params: see `init`.
        features: `[B, S, F]`, what is at each of the S locations.

    Returns:
        `[B, S, A]`, for `scores`.
    """
    return features @ params.w_location + params.b


def scores(params: AttentionParams, prepared: Array, query: Array) -> tuple[Array, Array | None]:
    """How well each location fits the question, before the softmax, and how many do.

    ::

        v_ni = tanh(W_location a_i + W_query q_n + b)
        e_ni = w_score . v_ni
        m_nc = sum_i sigmoid(w_count_c . v_ni - log S)

    A softmax tells where the best are, not how many they are. At first each count is about 1.

    Args:
        params: see `init`.
        prepared: `[B, S, A]`, from `prepare`.
        query: q `[N, Q]`.

    Returns:
        e `[N, S]`, and m `[N, C]`, None without counts.

    References:
        Bahdanau, Cho & Bengio 2015, "Neural machine translation by jointly learning to align and
        translate", section 3.1; Xu et al. 2015, "Show, attend and tell", equation 4.
    """
    asked = _by_image(query @ params.w_query, len(prepared))
    num_locations = prepared.shape[1]
    weights = params.w_score[:, None]
    if params.w_count is not None:
        weights = jnp.concatenate([weights, params.w_count], axis=1)
    fit = _fit(weights, prepared, asked).reshape(len(query), num_locations, -1)
    if params.w_count is None:
        return fit[..., 0], None
    return fit[..., 0], jax.nn.sigmoid(fit[..., 1:] - jnp.log(num_locations)).sum(axis=1)


@jax.custom_vjp
def _fit(weights: Array, prepared: Array, asked: Array) -> Array:
    """``tanh(prepared [B, 1, S, A] + asked [B, K, 1, A]) @ weights``: `[B, K, S, 1 + C]`.

    The backward pass computes the tanh again: in a scan over words it would otherwise be written
    for every word, `[T, B, K, S, A]`, and read back, which takes longer than computing it.
    """
    return jnp.tanh(prepared[:, None] + asked[:, :, None]) @ weights


def _fit_forward(weights, prepared, asked):
    return _fit(weights, prepared, asked), (weights, prepared, asked)


def _fit_backward(saved, d_fit):
    weights, prepared, asked = saved
    activity = jnp.tanh(prepared[:, None] + asked[:, :, None])
    d_sum = (d_fit @ weights.T) * (1 - activity * activity)
    d_weights = jnp.einsum("bksc,bksa->ac", d_fit, activity)
    return d_weights, d_sum.sum(axis=1), d_sum.sum(axis=2)


_fit.defvjp(_fit_forward, _fit_backward)


def expected(weights: Array, features: Array) -> Array:
    """What is seen on average, ``z_n = sum_i weights_ni a_i``: `[N, S]`, `[B, S, F]` to `[N, F]`.

    With weights of a softmax this is soft attention, with one-hot weights hard attention.
    """
    seen = jnp.einsum("bks,bsf->bkf", _by_image(weights, len(features)), features)
    return seen.reshape(len(weights), -1)


def chosen(logits: Array, key: PRNGKey | None = None) -> Array:
    """One location a question, one-hot `[N, S]`.

    Args:
        logits: `[N, S]`, from `scores`.
        key: to draw from ``softmax(logits)``; None: the likeliest, of equals the first.
    """
    index = logits.argmax(axis=-1) if key is None else jax.random.categorical(key, logits)
    return jax.nn.one_hot(index, logits.shape[-1], dtype=logits.dtype)


def straight_through(logits: Array, key: PRNGKey, temperature: float) -> Array:
    """A location drawn from ``softmax(logits)``, one-hot, with the gradient of a softmax.

    ::

        choice   = one_hot(argmax(logits + g)),            g standard Gumbel
        gradient of choice = that of softmax((logits + g) / temperature)

    Args:
        logits: `[N, S]`.
        key: decides g.
        temperature: above 0; low ones give gradients of little bias and great variance.

    References:
        Jang, Gu & Poole 2017, "Categorical reparameterization with Gumbel-softmax", section 2.2.
    """
    perturbed = logits + jax.random.gumbel(key, logits.shape, logits.dtype)
    relaxed = jax.nn.softmax(perturbed / temperature)
    return relaxed + jax.lax.stop_gradient(chosen(perturbed) - relaxed)


def entropy(logits: Array) -> Array:
    """The entropy of ``softmax(logits)`` over the last axis, in nats."""
    log_weights = jax.nn.log_softmax(logits)
    return -jnp.sum(jnp.exp(log_weights) * log_weights, axis=-1)


def doubly_stochastic(weights_TNS: Array, mask_TN: Array) -> Array:
    """How far from 1 the attention that each location gets over the whole caption is.

    ::

        sum_i (1 - sum_t weights_ti)^2

    Args:
        weights_TNS: at each step, summing to 1.
        mask_TN: True at the words of the captions.

    Returns:
        `[N]`.

    References:
        Xu et al. 2015, section 4.2.1, equation 14.
    """
    received = jnp.sum(jnp.where(mask_TN[..., None], weights_TNS, 0), axis=0)
    return jnp.sum((1 - received) ** 2, axis=-1)


def _by_image(rows: Array, num_images: int) -> Array:
    return rows.reshape(num_images, -1, rows.shape[-1])
