"""Sequences drawn from a decoder, to learn from their reward."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.decode.step import repeat_rows
from rnnjax.losses import target_log_probability
from rnnjax.models.decoder import Decoder
from rnnjax.models.hard_attention import DEFAULT_HARD_TRAINING, HardTraining
from rnnjax.models.memory import Glance, Memory
from rnnjax.typing import Array, PRNGKey


class Drawn(NamedTuple):
    """Sequences drawn from a decoder: K for each of B examples in a row, N = B K.

    Attributes:
        words: int `[T, N]`, the stop symbol at the end and after it.
        mask: bool `[T, N]`, True up to the stop symbol.
        gains: `[T, N]`, log-probability of each symbol given those before it, 0 after the stop.
        glances: leaves `[T, N, ...]`.
    """

    words: Array
    mask: Array
    gains: Array
    glances: Glance


def draw(
    decoder: Decoder,
    memory: Memory,
    key: PRNGKey,
    *,
    start: int,
    stop: int,
    num_each: int,
    max_length: int,
    never: Sequence[int] = (),
    hard: HardTraining = DEFAULT_HARD_TRAINING,
) -> Drawn:
    """Draws sequences from a decoder's distribution, differentiable in what it made of them.

    With context hard the positions are drawn as well. There is no dropout.

    Args:
        decoder: any.
        memory: of B examples.
        key: decides all draws.
        start: the symbol before every sequence.
        stop: the symbol that ends a sequence.
        num_each: K, sequences of each example.
        max_length: T, symbols after which a sequence is cut off.
        never: symbols that are not drawn, as if their logits were -inf.
        hard: how hard attention is trained.
    """
    num_examples = len(memory.features)
    num_rows = num_examples * num_each
    begin = (
        repeat_rows(decoder.initial_carry(memory), num_examples, num_each),
        jnp.full(num_rows, start),
        jnp.ones(num_rows, bool),
    )

    def advance(state, key_t):
        carry, before, running = state
        key_position, key_word = jax.random.split(key_t)
        logits, glance, carry = decoder.step(memory, carry, before, key_position, hard)
        logits = logits.at[:, list(never)].set(-jnp.inf)
        words = jnp.where(running, jax.random.categorical(key_word, logits), stop)
        gains = jnp.where(running, target_log_probability(logits, words), 0.0)
        return (carry, words, running & (words != stop)), (words, running, gains, glance)

    with jax.named_scope("scan"):
        _, drawn = jax.lax.scan(advance, begin, jax.random.split(key, max_length))
    return Drawn(*drawn)
