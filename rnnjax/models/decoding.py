"""Decoding with a trained model: its step for `rnnjax.decode`, and the search over batches."""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from textwrap import shorten
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import decode
from rnnjax.decode import BeamResult
from rnnjax.decode.step import Step
from rnnjax.errors import UserError
from rnnjax.models.memory import Glance, Memory
from rnnjax.models.seq2seq import Seq2Seq, source_of
from rnnjax.typing import Array, Carry

_READ = ("source", "source_lengths", "symbols")


class Search(NamedTuple):
    """Settings of the beam search; see `decode.beam_search`.

    Attributes:
        num_best: hypotheses that are given for each source, the best first.
        coverage_penalty: of `decode.rank_by_coverage`, for a model that attends.
    """

    beam_size: int = 5
    length_penalty: float = 0.6
    num_groups: int = 1
    diversity: float = 0.5
    num_best: int = 1
    coverage_penalty: float = 0.0

    @property
    def name(self) -> str:
        """The name of the search beside scores."""
        return "greedy" if self.beam_size == 1 else f"beam of {self.beam_size}"


class Rated(NamedTuple):
    """A text among the `num_best` of a source.

    Attributes:
        text: as it is shown, in a line.
        score: what it was ranked by, see `decode.beam_search`.
        log_probability: of it and its end, in nats.
    """

    text: str
    score: float
    log_probability: float


def rated_lines(
    found: Sequence[tuple[Rated, ...]], search: Search, names: Sequence[str] | None = None
) -> list[str]:
    """The texts for each source as lines: the best text alone if `num_best` is 1.

    Otherwise each line is the name or number of the source, the score and the text, between tabs.
    """
    if search.num_best == 1:
        texts = [rated[0].text for rated in found]
        return texts if names is None else list(map("{}: {}".format, names, texts))
    return [
        "\n".join(f"{name}\t{one.score:.4f}\t{one.text}" for one in rated)
        for name, rated in zip(names or range(1, len(found) + 1), found, strict=True)
    ]


SAMPLED = 4
"""Examples of the validation split whose texts are shown over the time of a training."""


def sample_text(sources: Sequence[str], references: Sequence[str], texts: Sequence[str]) -> str:
    """The texts for a few sources, a line each; long sources are cut."""
    return "\n".join(
        f"{shorten(source, 80, placeholder=' ...')} -> {text} (reference: {reference})"
        for source, reference, text in zip(sources, references, texts, strict=True)
    )


class Written(NamedTuple):
    """The texts that a model wrote for a source of S symbols.

    Attributes:
        tokens: int `[N, L]` of the N best, the stop symbol after the end.
        scores: `[N]`, see `Rated`.
        log_probability: `[N]`.
        weights: `[N, L, S]`, the attention at each symbol; None without attention.
        generate: `[N, L]`, p_gen; None of a model that does not copy.
    """

    tokens: np.ndarray
    scores: np.ndarray
    log_probability: np.ndarray
    weights: np.ndarray | None
    generate: np.ndarray | None


def rate(
    texts: Sequence[str], scores: np.ndarray, log_probability: np.ndarray
) -> tuple[Rated, ...]:
    """The texts of a source with their numbers; where a beam found no text, there is none."""
    numbers = zip(texts, scores.tolist(), log_probability.tolist(), strict=False)
    return tuple(
        Rated(" ".join(text.split()), score, nats)
        for text, score, nats in numbers
        if score > -np.inf
    )


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
        longest: gives the most symbols that are written, by the padded length of the sources.
        start, stop, never: the symbol before every sequence, the one that ends one, those that are
            not written.
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
                one = Written(*jax.tree.map(itemgetter(row), found))
                if one.weights is not None:
                    one = one._replace(weights=one.weights[..., : batch["source_lengths"][row]])
                written[index] = one
    return [written[index] for index in range(len(written))]


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _search(
    graph: nnx.GraphDef,
    symbols: tuple[int, int, tuple[int, ...]],
    search: Search,
    max_length: int,
    params: Any,
    batch: dict[str, Array],
) -> tuple[Array, Array, Array, Array | None, Array | None]:
    """The fields of `Written`, `[B, ...]`."""
    memory = nnx.merge(graph, params).memory([source_of(batch)])
    best = slice(search.num_best)
    found, glance = search_memory(graph, symbols, search, max_length, params, memory, best)
    return (
        found.tokens[:, best],
        found.scores[:, best],
        found.log_probability[:, best],
        glance.weights,
        glance.generate,
    )


def search_memory(
    graph: nnx.GraphDef,
    symbols: tuple[int, int, tuple[int, ...]],
    search: Search,
    max_length: int,
    params: Any,
    memory: Memory,
    glanced: int | slice = 0,
) -> tuple[BeamResult, Glance]:
    """Beam search for what is read, and the glances `[B, L, ...]` on the way to the best.

    Args:
        symbols: the one before every sequence, the one that ends one, those that are not written.
        max_length: L.
        memory: of B examples.
        glanced: other hypotheses of the beam whose glances are wanted; of N: `[B, N, L, ...]`.

    Raises:
        UserError: a coverage penalty, and the decoder does not attend.
    """
    start, stop, never = symbols
    model = nnx.merge(graph, params)
    if search.coverage_penalty and not model.attends:
        raise UserError(
            f"--coverage_penalty={search.coverage_penalty} takes a model with attention; this one "
            f"has context {model.context}"
        )
    carry = model.initial_carry(memory)
    starts = jnp.full(len(jax.tree.leaves(memory)[0]), start)

    def glance_of(params_and_memory: Any, carry: Carry, tokens: Array) -> tuple[Any, Carry]:
        params, memory = params_and_memory
        _, glance, carry = nnx.merge(graph, params).step(memory, carry, tokens)
        return glance, carry

    settings = search._asdict()
    del settings["num_best"], settings["coverage_penalty"]
    found = decode.beam_search(
        decoding_step(graph, never),
        (params, memory),
        carry,
        starts,
        max_length=max_length,
        stop=stop,
        **settings,
    )
    if not model.attends:
        return found, Glance()
    if search.coverage_penalty:
        every = decode.replay(glance_of, (params, memory), carry, starts, found.tokens)
        found = decode.rank_by_coverage(found, every.weights, memory.mask, search.coverage_penalty)
    chosen = found.tokens[:, glanced]
    return found, decode.replay(glance_of, (params, memory), carry, starts, chosen)


@functools.cache
def decoding_step(graph: nnx.GraphDef, never: tuple[int, ...] = ()) -> Step:
    """The step of a decoder for `rnnjax.decode`, one function object for each model.

    Its params are `(params, memory)`, of ``graph, params = nnx.split(model, nnx.Param)``. Symbols
    in `never` are not written.
    """

    def step(params: Any, carry: Carry, tokens: Array) -> tuple[Array, Carry]:
        numbers, memory = params
        logits, _, carry = nnx.merge(graph, numbers).step(memory, carry, tokens)
        return logits.at[:, list(never)].set(-jnp.inf) if never else logits, carry

    return step
