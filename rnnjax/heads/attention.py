"""Attention over the positions of a memory: how well each fits a query, and what is read there.

Every function takes a batch of B memories and N queries, N a multiple of B: queries n * N // B
.. (n + 1) * N // B - 1 are about memory n. In training N is B; in a beam search it is B times the
width of the beam, and no memory is copied.
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import check_sizes
from rnnjax.cells.initializers import initializer
from rnnjax.errors import UserError, check_known
from rnnjax.typing import Array, Params, PRNGKey

_MASKED = -1e30
"""The score of a position that does not count: far below all others, and finite in a softmax."""


@dataclasses.dataclass(frozen=True, eq=False)
class Scorer:
    """How well a position of a memory fits a query, as a record of pure functions.

    Attributes:
        init: `(key, memory_size, query_size) -> params`.
        prepare: `(params, memory [B, S, F]) -> prepared [B, S, ...]`: all that does not depend on
            the query, computed once a memory.
        scores: `(params, prepared, query [N, Q]) -> (scores [N, S], extra [N, C])`: the scores
            before the softmax, and C numbers besides them, None where `extra_size` is 0.
        extra_size: C.
        of_top_state: whether the query of a decoder is the hidden state of its top layer alone,
            and not the hidden states of all layers and the input together.
        covers: whether `scores` takes a fourth argument: the weights that each position got at
            all steps before, summed, `[N, S]`.
    """

    init: Callable[[PRNGKey, int, int], Params]
    prepare: Callable[[Params, Array], Array]
    scores: Callable[..., tuple[Array, Array | None]]
    extra_size: int = 0
    of_top_state: bool = False
    covers: bool = False


class AdditiveParams(NamedTuple):
    """`w_location [F, A]`, of the memory; `w_query [Q, A]`, `b [A]`, `w_score [A]`."""

    w_location: Array
    w_query: Array
    b: Array
    w_score: Array


def additive(attention_size: int) -> Scorer:
    """``e_ni = w_score . tanh(W_location a_i + W_query q_n + b)``, with a hidden layer of A units.

    The matrices are Glorot-uniform at first, the bias zero.

    References:
        Bahdanau, Cho & Bengio 2015, "Neural machine translation by jointly learning to align and
        translate", section 3.1; Xu et al. 2015, "Show, attend and tell", equation 4.
    """
    check_sizes(attention_size=attention_size)
    draw = initializer("glorot_uniform")

    def init(key: PRNGKey, memory_size: int, query_size: int) -> AdditiveParams:
        keys = jax.random.split(key, 3)
        return AdditiveParams(
            w_location=draw(keys[0], (memory_size, attention_size), float),
            w_query=draw(keys[1], (query_size, attention_size), float),
            b=jnp.zeros(attention_size),
            w_score=draw(keys[2], (attention_size, 1), float)[:, 0],
        )

    def scores(params: AdditiveParams, prepared: Array, query: Array) -> tuple[Array, None]:
        return additive_fit(params.w_score[:, None], prepared, query @ params.w_query)[..., 0], None

    return Scorer(init, lambda params, memory: memory @ params.w_location + params.b, scores)


class CoverageParams(NamedTuple):
    """`additive`, and `w_coverage [A]`."""

    additive: AdditiveParams
    w_coverage: Array


def coverage(attention_size: int) -> Scorer:
    """Scorer `additive` that knows where it has been: c_ni is the sum of the weights before.

    ``e_ni = w_score . tanh(W_location a_i + W_query q_n + w_coverage c_ni + b)``; w_coverage is
    Glorot-uniform at first.

    References:
        See, Liu & Manning 2017, "Get to the point: summarization with pointer-generator networks",
        equation 11.
    """
    plain, draw = additive(attention_size), initializer("glorot_uniform")

    def init(key: PRNGKey, memory_size: int, query_size: int) -> CoverageParams:
        key_plain, key_coverage = jax.random.split(key)
        w_coverage = draw(key_coverage, (1, attention_size), float)[0]
        return CoverageParams(plain.init(key_plain, memory_size, query_size), w_coverage)

    def scores(
        params: CoverageParams, prepared: Array, query: Array, covered: Array
    ) -> tuple[Array, Array | None]:
        repeated = jnp.repeat(prepared, len(query) // len(prepared), axis=0)
        prepared = repeated + covered[..., None] * params.w_coverage
        return plain.scores(params.additive, prepared, query)

    return Scorer(
        init, lambda params, memory: plain.prepare(params.additive, memory), scores, covers=True
    )


def additive_fit(weights: Array, prepared: Array, asked: Array) -> Array:
    """``tanh(prepared_i + asked_n) @ weights``: `[A, C]`, `[B, S, A]`, `[N, A]` to `[N, S, C]`."""
    fit = _fit(weights, prepared, _by_memory(asked, len(prepared)))
    return fit.reshape(len(asked), prepared.shape[1], -1)


def dot() -> Scorer:
    """``e_ni = q_n . a_i``, without parameters; F must be Q.

    References:
        Luong, Pham & Manning 2015, "Effective approaches to attention-based neural machine
        translation", section 3.1.
    """

    def init(key: PRNGKey, memory_size: int, query_size: int) -> tuple[()]:
        del key
        if memory_size != query_size:
            raise UserError(
                "dot attention compares a hidden state with the memory, so they are equally wide; "
                f"got a hidden state of {query_size} and a memory of {memory_size} numbers: choose "
                "other sizes or another scorer"
            )
        return ()

    return Scorer(init, lambda params, memory: memory, _inner_products, of_top_state=True)


def general() -> Scorer:
    """``e_ni = q_n^T W a_i``; the params are W^T `[F, Q]`, Glorot-uniform at first.

    References:
        Luong, Pham & Manning 2015, section 3.1.
    """
    draw = initializer("glorot_uniform")
    return Scorer(
        init=lambda key, memory_size, query_size: draw(key, (memory_size, query_size), float),
        prepare=lambda params, memory: memory @ params,
        scores=_inner_products,
    )


@functools.cache  # Equal models then share their compiled programs.
def named_scorer(name: str, attention_size: int) -> Scorer:
    """The scorer `additive`, `coverage`, `dot` or `general`; A is of the first two alone.

    Raises:
        UserError: there is no scorer of that name.
    """
    scorers = {
        "additive": lambda: additive(attention_size),
        "coverage": lambda: coverage(attention_size),
        "dot": dot,
        "general": general,
    }
    check_known("attention scorer", name, scorers)
    return scorers[name]()


def _inner_products(params: Params, prepared: Array, query: Array) -> tuple[Array, None]:
    del params
    products = jnp.einsum("bkq,bsq->bks", _by_memory(query, len(prepared)), prepared)
    return products.reshape(len(query), -1), None


@jax.custom_vjp
def _fit(weights: Array, prepared: Array, asked: Array) -> Array:
    """``tanh(prepared [B, 1, S, A] + asked [B, K, 1, A]) @ weights``: `[B, K, S, C]`.

    The backward pass computes the tanh again: in a scan over steps it would otherwise be written
    for every step, `[T, B, K, S, A]`, and read back, which takes longer than computing it.
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


def masked(scores: Array, mask: Array | None) -> Array:
    """Scores that are far below all others where the mask, bool of their shape, is False."""
    return scores if mask is None else jnp.where(mask, scores, _MASKED)


def expected(weights: Array, memory: Array) -> Array:
    """The weighted sum ``z_n = sum_i weights_ni a_i``: `[N, S]`, `[B, S, F]` to `[N, F]`.

    With weights of a softmax this is soft attention, with one-hot weights hard attention.
    """
    seen = jnp.einsum("bks,bsf->bkf", _by_memory(weights, len(memory)), memory)
    return seen.reshape(len(weights), -1)


def chosen(logits: Array, key: PRNGKey | None = None) -> Array:
    """One position a query, one-hot `[N, S]`.

    Args:
        logits: scores `[N, S]`.
        key: to draw from ``softmax(logits)``; None: the likeliest, of equals the first.
    """
    index = logits.argmax(axis=-1) if key is None else jax.random.categorical(key, logits)
    return jax.nn.one_hot(index, logits.shape[-1], dtype=logits.dtype)


def straight_through(logits: Array, key: PRNGKey, temperature: float) -> Array:
    """A position drawn from ``softmax(logits)``, one-hot, with the gradient of a softmax.

    ::

        choice   = one_hot(argmax(logits + g)),            g standard Gumbel
        gradient of choice = that of softmax((logits + g) / temperature)

    Args:
        logits: `[N, S]`.
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
    """How far the attention that each position gets over all steps is from 1.

    ::

        sum_i (1 - sum_t weights_ti)^2

    Args:
        weights_TNS: at each step, summing to 1.
        mask_TN: True at the steps that count.

    Returns:
        `[N]`.

    References:
        Xu et al. 2015, section 4.2.1, equation 14.
    """
    received = jnp.sum(jnp.where(mask_TN[..., None], weights_TNS, 0), axis=0)
    return jnp.sum((1 - received) ** 2, axis=-1)


def coverage_loss(weights_TNS: Array, mask_TN: Array) -> Array:
    """How much attention goes to positions that had it before.

    ::

        sum_t sum_i min(weights_ti, c_ti),    c_ti = sum_{t' < t} weights_t'i

    Args:
        weights_TNS: at each step, summing to 1.
        mask_TN: True at the steps that count.

    Returns:
        `[N]`, at least 0, and less than the number of steps that count.

    References:
        See, Liu & Manning 2017, equations 10 and 12.
    """
    weights = jnp.where(mask_TN[..., None], weights_TNS, 0)
    before = jnp.cumsum(weights, axis=0) - weights
    return jnp.sum(jnp.minimum(weights, before), axis=(0, 2))


def _by_memory(rows: Array, num_memories: int) -> Array:
    return rows.reshape(num_memories, -1, rows.shape[-1])
