"""The models of three tasks as users of flax.nnx write them.

A model is made from the config of the task and from the model of rnnjax, which has as many symbols.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from rnnjax.data.word_vocabulary import START

FORBIDDEN = -1e30
UNKNOWN = 1


def trainer(model: Any, config: Any) -> Callable[[Any], jax.Array]:
    """One update by a batch, which returns the loss: clipped gradients, Adam."""
    adam = optax.chain(
        optax.clip_by_global_norm(config.clip_norm), optax.adam(config.learning_rate)
    )
    optimizer = nnx.Optimizer(model, adam, wrt=nnx.Param)
    carry = None
    if isinstance(model, LanguageModel):
        carry = model.initial_carry(config.batch_size)

    @nnx.jit
    def update(model, optimizer, batch, carry):
        objective = nnx.value_and_grad(lambda model: model.loss(batch, carry), has_aux=True)
        (loss, carry), gradients = objective(model)
        optimizer.update(model, gradients)
        return loss, carry

    def step(batch):
        nonlocal carry
        loss, carry = update(model, optimizer, batch, carry)
        return loss

    return step


class LanguageModel(nnx.Module):
    """An LSTM over embedded characters."""

    def __init__(self, config: Any, ours: Any, *, rngs: nnx.Rngs):
        num_symbols, self.hidden_size = ours.embed.num_embeddings, config.hidden_size
        cell = nnx.OptimizedLSTMCell(config.embed_size, config.hidden_size, rngs=rngs)
        self.embed = nnx.Embed(num_symbols, config.embed_size, rngs=rngs)
        self.recurrent = nnx.RNN(cell, time_major=True, return_carry=True, rngs=rngs)
        self.dropout = nnx.Dropout(config.dropout, broadcast_dims=(0,), rngs=rngs)
        self.head = nnx.Linear(config.hidden_size, num_symbols, rngs=rngs)

    def initial_carry(self, batch_size):
        """Zeros before the first symbol."""
        return 2 * (jnp.zeros((batch_size, self.hidden_size)),)

    def loss(self, batch, carry):
        """The mean loss in training, and the carry for the next batch."""
        carry, ys = self.recurrent(self.embed(batch["inputs"]), initial_carry=carry)
        logits = self.head(self.dropout(ys))
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["targets"])
        return losses.mean(), carry

    def step(self, tokens, carry):
        """Logits of the symbols after these, one in each row."""
        carry, y_t = self.recurrent.cell(carry, self.embed(tokens))
        return self.head(y_t), carry


class Tagger(nnx.Module):
    """A bidirectional LSTM-CRF over words, a CNN over their characters, and their case."""

    def __init__(self, config: Any, ours: Any, *, rngs: nnx.Rngs):
        features, K = ours.features, len(ours.tags)
        D, E, F = config.embed_size, config.character_embed_size, config.character_size
        self.words = nnx.Embed(features.embed.num_embeddings, D, rngs=rngs)
        self.characters = nnx.Embed(features.characters.embed.num_embeddings, E, rngs=rngs)
        self.filters = nnx.Conv(E, F, kernel_size=(3,), rngs=rngs)
        self.case = nnx.Embed(features.case.num_embeddings, config.case_size, rngs=rngs)
        cell, H = nnx.OptimizedLSTMCell, config.hidden_size
        self.recurrent = bidirectional(cell, D + F + config.case_size, H, rngs)
        self.head = nnx.Linear(2 * H, K, rngs=rngs)
        self.transitions = nnx.Param(jnp.zeros((K, K)))
        self.start, self.end = nnx.Param(jnp.zeros(K)), nnx.Param(jnp.zeros(K))
        self.allowed = nnx.data(ours.allowed())
        self.character_dropout = nnx.Dropout(config.input_dropout, broadcast_dims=(1,), rngs=rngs)
        self.input_dropout = nnx.Dropout(config.input_dropout, broadcast_dims=(0,), rngs=rngs)
        self.dropout = nnx.Dropout(config.dropout, broadcast_dims=(0,), rngs=rngs)
        self.word_dropout, self.first_singleton = config.word_dropout, features.first_singleton
        self.rngs = rngs

    def encoded(self, characters):
        """Words `[N, C]` by their characters."""
        present = (characters != 0)[..., None]
        outputs = self.filters(present * self.character_dropout(self.characters(characters)))
        return jnp.where(present, jnp.tanh(outputs), -1).max(axis=1)

    def loss(self, batch, carry):
        """The mean loss in training, and the carry for the next batch."""
        words, lengths = batch["words"], batch["lengths"]
        dropped = jax.random.bernoulli(self.rngs.dropout(), self.word_dropout, words.shape)
        words = jnp.where(dropped & (words >= self.first_singleton), UNKNOWN, words)
        encoded = self.encoded(batch["characters"].reshape(words.size, -1))
        encoded = encoded.reshape(*words.shape, -1)
        xs = jnp.concatenate([self.words(words), encoded, self.case(batch["case"])], axis=-1)
        _, ys = self.recurrent(self.input_dropout(xs), seq_lengths=lengths)
        mask = jnp.arange(len(words))[:, None] < lengths
        losses = self.crf_losses(self.head(self.dropout(ys)), batch["tags"], mask)
        return losses.mean(), carry

    def crf_losses(self, scores, tags, mask):
        """-log p(tags) by the forward algorithm."""
        transitions, start, end = (
            jnp.where(allowed, score[...], FORBIDDEN)
            for allowed, score in zip(
                self.allowed, (self.transitions, self.start, self.end), strict=True
            )
        )

        def step(alpha, at_t):
            scores_t, mask_t = at_t
            arriving = jax.nn.logsumexp(alpha[:, :, None] + transitions, axis=1) + scores_t
            return jnp.where(mask_t[:, None], arriving, alpha), None

        alpha, _ = jax.lax.scan(step, start + scores[0], (scores[1:], mask[1:]))
        chosen = jnp.take_along_axis(scores, tags[..., None], axis=-1)[..., 0]
        last = jnp.take_along_axis(tags, mask.sum(axis=0)[None] - 1, axis=0)[0]
        total = jnp.where(mask, chosen, 0).sum(axis=0) + start[tags[0]] + end[last]
        total += jnp.where(mask[1:], transitions[tags[:-1], tags[1:]], 0).sum(axis=0)
        return jax.nn.logsumexp(alpha + end, axis=1) - total


class Translator(nnx.Module):
    """A bidirectional GRU, and a GRU with additive attention to its outputs."""

    def __init__(self, config: Any, ours: Any, *, rngs: nnx.Rngs):
        D, H, A = config.embed_size, config.hidden_size, config.attention_size
        num_targets = ours.embed.num_embeddings
        self.source = nnx.Embed(ours.encoders[0].embed.num_embeddings, D, rngs=rngs)
        self.encoder = bidirectional(nnx.GRUCell, D, H, rngs)
        self.embed = nnx.Embed(num_targets, D, rngs=rngs)
        self.first = nnx.Linear(2 * H, H, rngs=rngs)
        self.keys = nnx.Linear(2 * H, A, rngs=rngs)
        self.query = nnx.Linear(H + D, A, use_bias=False, rngs=rngs)
        self.score = nnx.Linear(A, 1, use_bias=False, rngs=rngs)
        self.gate = nnx.Linear(H, 1, rngs=rngs)
        self.cell = nnx.GRUCell(D + 2 * H, H, rngs=rngs)
        self.from_seen = nnx.Linear(2 * H, D, use_bias=False, rngs=rngs)
        self.from_hidden = nnx.Linear(H, D, rngs=rngs)
        self.head = nnx.Linear(D, num_targets, rngs=rngs)

    def loss(self, batch, carry):
        """The mean loss in training, and the carry for the next batch."""
        target, lengths = batch["target"], batch["source_lengths"]
        ends, memory = self.encoder(self.source(batch["source"]), seq_lengths=lengths)
        keys, heard = self.keys(memory), jnp.arange(len(memory))[:, None] < lengths
        before = jnp.concatenate([jnp.full_like(target[:1], START), target[:-1]])
        xs = self.embed(before)

        def step(h, x_t):
            asked = self.query(jnp.concatenate([h, x_t], axis=-1))
            fit = jnp.where(heard, self.score(jnp.tanh(keys + asked))[..., 0], FORBIDDEN)
            weights = jax.nn.softmax(fit, axis=0)
            z_t = jax.nn.sigmoid(self.gate(h)) * jnp.einsum("sb,sbf->bf", weights, memory)
            h, _ = self.cell(h, jnp.concatenate([x_t, z_t], axis=-1))
            return h, (h, z_t)

        h = jnp.tanh(self.first(jnp.concatenate(ends, axis=-1)))
        _, (hs, zs) = jax.lax.scan(step, h, xs)
        logits = self.head(jnp.tanh(xs + self.from_hidden(hs) + self.from_seen(zs)))
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, target)
        mask = jnp.arange(len(target))[:, None] < batch["lengths"]
        return jnp.where(mask, losses, 0).sum() / mask.sum(), carry


def bidirectional(cell: Any, input_size: int, hidden_size: int, rngs: nnx.Rngs):
    """A layer in each direction, which returns its last states too."""
    forward, backward = (nnx.RNN(cell(input_size, hidden_size, rngs=rngs)) for _ in range(2))
    return nnx.Bidirectional(forward, backward, time_major=True, return_carry=True)


def sampler(model: LanguageModel, start: int) -> Callable[[int, int], np.ndarray]:
    """Draws symbols, `(num_streams, length) -> [num_streams, length]`: a step in a Python loop."""
    graph, state = nnx.split(model)

    @jax.jit
    def step(state, tokens, carry, key):
        key, key_t = jax.random.split(key)
        logits, carry = nnx.merge(graph, state).step(tokens, carry)
        return jax.random.categorical(key_t, logits), carry, key

    def sample(num_streams, length):
        tokens, carry = jnp.full(num_streams, start), model.initial_carry(num_streams)
        drawn, key = [], jax.random.key(0)
        for _ in range(length):
            tokens, carry, key = step(state, tokens, carry, key)
            drawn.append(tokens)
        return np.stack(jax.device_get(drawn), axis=1)

    return sample


def beam(model: LanguageModel, start: int, width: int) -> Callable[[int], np.ndarray]:
    """The likeliest symbols that a beam finds, `length -> [width, length]`, the best first."""
    graph, state = nnx.split(model)

    @jax.jit
    def step(state, tokens, carry, scores, found, t):
        logits, carry = nnx.merge(graph, state).step(tokens, carry)
        scores = scores[:, None] + jax.nn.log_softmax(logits)
        scores, best = jax.lax.top_k(scores.reshape(-1), width)
        parents, tokens = jnp.divmod(best, logits.shape[-1])
        carry = jax.tree.map(lambda leaf: leaf[parents], carry)
        return tokens, carry, scores, found[parents].at[:, t].set(tokens)

    def search(length):
        tokens, carry = jnp.full(width, start), model.initial_carry(width)
        scores = jnp.where(jnp.arange(width) == 0, 0.0, -jnp.inf)
        found = jnp.zeros((width, length), int)
        for t in range(length):
            tokens, carry, scores, found = step(state, tokens, carry, scores, found, t)
        return np.asarray(found)

    return search
