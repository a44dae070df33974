"""What a trained decoder writes: its step for `rnnjax.decode`, and the search over batches."""

import functools
from collections.abc import Callable, Iterable, Mapping
from operator import itemgetter
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import decode
from rnnjax.decode.step import Step
from rnnjax.models.memory import Glance
from rnnjax.models.seq2seq import Seq2Seq, source_of
from rnnjax.typing import Array, Carry

_READ = ("source", "source_lengths", "symbols")


class Search(NamedTuple):
    """Settings of the beam search; see `decode.beam_search`."""

    beam_size: int = 5
    length_penalty: float = 0.6


class Written(NamedTuple):
    """What a model wrote for a source of S symbols.

    Attributes:
        tokens: int `[L]`, the stop symbol after the end.
        log_probability: of it and its end, in nats.
        weights: `[L, S]`, the attention at each symbol; None without attention.
        generate: `[L]`, p_gen; None of a model that does not copy.
    """

    tokens: np.ndarray
    log_probability: float
    weights: np.ndarray | None
    generate: np.ndarray | None


def write(
    model: Seq2Seq,
    batches: Iterable[Mapping[str, np.ndarray]],
    search: Search,
    longest: Callable[[int], int],
    *,
    start: int,
    stop: int,
    never: tuple[int, ...] = (),
) -> list[Written]:
    """Writes for each source of some batches, in the order of their indices.

    Args:
        model: of one encoder.
        batches: of `data.pair_batches.source_examples`.
        search: settings of the beam search.
        longest: gives the most symbols that are written, by the padded length of the sources.
        start: the symbol before every sequence.
        stop: the symbol that ends one.
        never: symbols that are not written.
    """
    graph, params = nnx.split(model, nnx.Param)
    written: dict[int, Written] = {}
    for batch in batches:
        sources = {name: batch[name] for name in _READ if name in batch}
        limit = longest(len(batch["source"]))
        symbols = start, stop, never
        found = jax.device_get(_search(graph, symbols, search, limit, params, sources))
        for row, index in enumerate(batch["indices"].tolist()):
            if index >= 0:
                tokens, log_probability, weights, generate = jax.tree.map(itemgetter(row), found)
                if weights is not None:
                    weights = weights[:, : batch["source_lengths"][row]]
                written[index] = Written(tokens, float(log_probability), weights, generate)
    return [written[index] for index in range(len(written))]


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _search(
    graph: nnx.GraphDef,
    symbols: tuple[int, int, tuple[int, ...]],
    search: Search,
    max_length: int,
    params: Any,
    batch: dict[str, Array],
) -> tuple[Array, Array, Array | None, Array | None]:
    """The fields of `Written`, `[B, ...]`."""
    start, stop, never = symbols
    model = nnx.merge(graph, params)
    memory = model.memory([source_of(batch)])
    carry = model.initial_carry(memory)
    starts = jnp.full(len(batch["source_lengths"]), start)

    def glance_of(params_and_memory: Any, carry: Carry, tokens: Array) -> tuple[Any, Carry]:
        params, memory = params_and_memory
        _, glance, carry = nnx.merge(graph, params).step(memory, carry, tokens)
        return Glance(weights=glance.weights, generate=glance.generate), carry

    found = decode.beam_search(
        decoding_step(graph, never),
        (params, memory),
        carry,
        starts,
        beam_size=search.beam_size,
        max_length=max_length,
        stop=stop,
        length_penalty=search.length_penalty,
    )
    best, glance = found.tokens[:, 0], Glance()
    if model.attends:
        glance = decode.replay(glance_of, (params, memory), carry, starts, best)
    return best, found.log_probability[:, 0], glance.weights, glance.generate


@functools.cache
def decoding_step(graph: nnx.GraphDef, never: tuple[int, ...] = ()) -> Step:
    """The step of a decoder for `rnnjax.decode`, one function object for each model.

    Its params are `(params, memory)`, of ``graph, params = nnx.split(model, nnx.Param)``.

    Args:
        graph: of a `Decoder`.
        never: symbols that are not written.
    """

    def step(params: Any, carry: Carry, tokens: Array) -> tuple[Array, Carry]:
        numbers, memory = params
        logits, _, carry = nnx.merge(graph, numbers).step(memory, carry, tokens)
        return logits.at[:, list(never)].set(-jnp.inf) if never else logits, carry

    return step
