"""Scheduled sampling: in training a decoder reads some symbols that it has drawn itself."""

import jax
import jax.numpy as jnp

from rnnjax.models.decoder import Decoder
from rnnjax.models.memory import Memory
from rnnjax.typing import Array, PRNGKey


def with_own_symbols(
    model: Decoder, memory: Memory, before: Array, key: PRNGKey, rate: Array | float
) -> Array:
    """The previous symbols of given sequences, some of them replaced by the decoder's own.

    From left to right, each symbol but the first is with probability `rate` not the given one but
    one that is drawn from what the decoder expects after the symbols that it has read. Draws are
    made without dropout, and no gradient flows through them.

    Args:
        model: the decoder.
        memory: of B examples.
        before: int `[T, B]`; see `decoder.shift_right`.
        key: of the draws.
        rate: 0 to 1: 1 - epsilon of the paper.

    Returns:
        int `[T, B]`.

    References:
        Bengio, Vinyals, Jaitly & Shazeer 2015, "Scheduled sampling for sequence prediction with
        recurrent neural networks", section 2.4.
    """

    def advance(state, step):
        carry, own = state
        given, is_own, key_t = step
        tokens = jnp.where(is_own, own, given)
        logits, _, carry = model.step(memory, carry, tokens)
        return (carry, jax.random.categorical(key_t, logits).astype(given.dtype)), tokens

    key_own, key_draws = jax.random.split(key)
    are_own = jax.random.bernoulli(key_own, rate, before.shape).at[0].set(False)
    steps = before, are_own, jax.random.split(key_draws, len(before))
    _, tokens = jax.lax.scan(advance, (model.initial_carry(memory), before[0]), steps)
    return tokens
