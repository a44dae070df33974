"""The memory of a decoder, its attention, and its results."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.xlstm import SLSTMCarry
from rnnjax.errors import UserError
from rnnjax.heads import pooling
from rnnjax.typing import Array, Carry


class Memory(NamedTuple):
    """The memory of B examples; `Decoder.make_memory` makes it.

    Attributes:
        features: `[B, S, F]`, 0 where the mask is False.
        mask: bool `[B, S]`, True at positions that count; None: all count.
        summary: `[B, C]`, one vector an example; None: the mean of the positions.
        prepared: `[B, S, ...]` for the attention; None without.
        symbols: int `[B, S]`, what is written where a position is copied; see `heads.copying`.
            None: nothing can be copied.
    """

    features: Array
    mask: Array | None = None
    summary: Array | None = None
    prepared: Array | None = None
    symbols: Array | None = None


class Glance(NamedTuple):
    """The attention of a decoder before a symbol; without attention, all fields are None.

    Attributes:
        weights: `[N, S]`, of the positions; one-hot where a position was chosen.
        scores: `[N, S]`, before the softmax.
        gate: beta `[N]`, how much of what is read the decoder takes in.
        generate: p_gen `[N]` at decoding, the probability that a symbol is not copied; None of a
            decoder that does not copy.
    """

    weights: Array | None = None
    scores: Array | None = None
    gate: Array | None = None
    generate: Array | None = None


class Reading(NamedTuple):
    """The scores of given sequences by a decoder.

    Attributes:
        logits: `[T, B, V]`, of each symbol given those before it.
        glances: leaves `[T, B, ...]`.
        drawn: bool `[B]`, sequences read with one drawn position a step.
        extra: what a task adds.
        copying: of a decoder that copies, `generate [T, B]`, ``p_gen = sigmoid(generate)``, and the
            memory's `symbols [B, S]`.
    """

    logits: Array
    glances: Glance
    drawn: Array
    extra: Array | None = None
    copying: tuple[Array, Array] | None = None


def check_memory(features: Array, mask: Array | None, size: int) -> None:
    """Raises UserError unless features are `[B, S, size]` and the mask is bool `[B, S]` or None."""
    if features.ndim != 3 or features.shape[-1] != size:
        raise UserError(f"a memory has shape [B, S, {size}]; got {list(features.shape)}")
    if mask is not None and (mask.shape != features.shape[:2] or mask.dtype != bool):
        raise UserError(
            f"the mask of a memory is boolean of shape {list(features.shape[:2])}; got "
            f"{mask.dtype} of shape {list(mask.shape)}"
        )


def summary_of(memory: Memory) -> Array:
    """The summary of a memory, `[B, C]`."""
    if memory.summary is not None:
        return memory.summary
    return pooling.mean(memory.features, memory.mask, axis=1)


def hidden_states(carry: Carry) -> list[Array]:
    """The hidden states of the layers from the input upwards: all of a carry but cell states.

    Each is `[N, size]`, of N sequences.
    """
    return [
        leaf.reshape(len(leaf), -1)
        for path, leaf in jax.tree.leaves_with_path(carry)
        if getattr(path[-1] if path else None, "name", None) != "c"
    ]


def with_normalisers(carry: Carry) -> Carry:
    """A carry of numbers in -1 .. 1 whose normalisers are 1: an `slstm` divides by them."""

    def mended(part: Carry) -> Carry:
        return part._replace(n=jnp.ones_like(part.n)) if isinstance(part, SLSTMCarry) else part

    return jax.tree.map(mended, carry, is_leaf=lambda part: isinstance(part, SLSTMCarry))
