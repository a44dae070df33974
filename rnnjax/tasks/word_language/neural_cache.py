"""The neural cache: words of the recent past are likely again where the hidden state is alike."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import data
from rnnjax.losses import target_log_probability
from rnnjax.models import LanguageModel
from rnnjax.typing import Array


class Cache(NamedTuple):
    """Settings of the cache.

    Attributes:
        size: n, words that it holds; 0: none.
        flatness: theta, 0 or more: the larger, the more the most similar states count alone.
        weight: lambda, 0 to 1, the share of the cache in the mixture.
    """

    size: int = 0
    flatness: float = 0.3
    weight: float = 0.1


class Past(NamedTuple):
    """The contents of the cache for B rows: the latest n steps, the oldest first.

    `hidden [n, B, H]`, `words` int `[n, B]`, those that followed, and `held` bool `[n, B]`.
    """

    hidden: Array
    words: Array
    held: Array


def cached_log_probability(
    gains: Array, hidden: Array, words: Array, mask: Array, past: Past, cache: Cache
) -> tuple[Array, Past]:
    """The log-probability of each word by a model and a cache of what came before it.

    With h_t the model's output before word w_t, and i over the n steps before t that are held::

        p(w_t) = (1 - lambda) p_model(w_t) + lambda p_cache(w_t)
        p_cache(w) = sum_i [w_i = w] exp(theta h_t . h_i) / sum_i exp(theta h_t . h_i)

    Where nothing is held, p is p_model.

    Args:
        gains: `[T, B]`, log p_model(w_t) in nats.
        hidden: `[T, B, H]`, h_t.
        words: int `[T, B]`, w_t.
        mask: bool `[T, B]`, True at steps that are scored, and held afterwards.
        past: of the steps before.
        cache: its settings; `past` has n steps.

    Returns:
        `[T, B]`, and the past of the next steps.

    References:
        Grave, Joulin & Usunier 2017, "Improving neural language models with a continuous cache",
        equations 3 and 4; theta and lambda are called so there.
    """
    every = Past(*map(jnp.concatenate, zip(past, (hidden, words, mask), strict=True)))
    steps, size = len(words), len(past.words)
    ages = size + jnp.arange(steps)[:, None] - jnp.arange(size + steps)
    near = ((ages > 0) & (ages <= size))[..., None] & every.held
    scores = cache.flatness * jnp.einsum("tbh,sbh->tsb", hidden, every.hidden)
    scores = jnp.where(near, scores, -jnp.inf)
    same = jnp.where(every.words == words[:, None], scores, -jnp.inf)
    total = jax.nn.logsumexp(scores, axis=1)
    found = jax.nn.logsumexp(same, axis=1) - jnp.where(total > -jnp.inf, total, 0)
    mixed = jnp.logaddexp(jnp.log1p(-cache.weight) + gains, jnp.log(cache.weight) + found)
    later = jax.tree.map(lambda values: values[steps:], every)
    return jnp.where(near.any(axis=1), mixed, gains), later


def cached_loss(
    model: LanguageModel, stream: data.Stream, cache: Cache, *, window: int
) -> tuple[float, int]:
    """The mean loss in nats a word over a split that is read in one row, and how many words count.

    Args:
        cache: its settings; it goes on over the beginnings of documents.
        window: words that are scored at once.
    """
    graph, params = nnx.split(model, nnx.Param)
    width = model.recurrent.output_size
    past = Past(jnp.zeros((cache.size, 1, width)), jnp.zeros((cache.size, 1), jnp.int32),
                jnp.zeros((cache.size, 1), bool))  # fmt: skip
    carry, total, count = model.initial_carry(1), [], 0
    for batch in data.EvaluationWindows(stream, batch_size=1, window=window):
        nats, carry, past = _window(graph, cache, params, carry, past, batch)
        total.append(nats)
        count += int(batch["mask"].sum())
    return float(np.sum(jax.device_get(total), dtype=np.float64)) / count, count


@functools.partial(jax.jit, static_argnums=(0, 1))
def _window(graph, cache, params, carry, past, batch):
    model, mask = nnx.merge(graph, params), batch["mask"]
    hidden, _, carry = model.outputs(batch["inputs"], carry, reset=batch["reset"])
    gains = target_log_probability(model.logits(hidden), batch["targets"])
    if cache.size:
        gains, past = cached_log_probability(gains, hidden, batch["targets"], mask, past, cache)
    return -jnp.where(mask, gains, 0).sum(), carry, past
