"""Beam search over all rows of a batch at once."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.decode.step import Step, check_start, repeat_rows
from rnnjax.errors import UserError, check_at_least
from rnnjax.typing import Array, Carry

MAX_BEAM_SIZE = 1000
"""Wider beams find nothing better, and their memory grows with the vocabulary."""

LEAST = 1e-9
"""Attention below this counts as this, so that the logarithm is finite."""


class BeamResult(NamedTuple):
    """The hypotheses of each row, the best first.

    `tokens [B, K, max_length]`, `stop` after the end; `lengths [B, K]`, the stop included;
    `scores [B, K]`, the log-probabilities normalised by length; `log_probability [B, K]` in nats.
    """

    tokens: Array
    lengths: Array
    scores: Array
    log_probability: Array

    def ranked(self, scores: Array) -> "BeamResult":
        """The hypotheses by other scores, the highest first; of equals, the order stays."""
        order = jnp.argsort(-scores, axis=1, stable=True)
        return jax.tree.map(
            lambda x: jnp.take_along_axis(x, jnp.expand_dims(order, range(2, x.ndim)), axis=1),
            self._replace(scores=scores),
        )


def beam_search(
    step: Step,
    params: Any,
    carry: Carry,
    start_tokens: Array,
    *,
    beam_size: int,
    max_length: int,
    stop: int,
    length_penalty: float = 1.0,
    num_groups: int = 1,
    diversity: float = 0.5,
) -> BeamResult:
    """Finds likely sequences, keeping the best few hypotheses of each row from step to step.

    A beam has K = `beam_size` places. At each step every unfinished hypothesis is extended by
    every symbol, and the most likely of these extensions take the places that are not held by
    finished hypotheses. A hypothesis that ends in `stop` is finished: it keeps its place and is
    always returned, so one place less is left for the others. Only hypotheses of the same length
    compete for a place, so length gives no advantage. The search of a batch ends when all
    hypotheses are finished, at `max_length` at the latest; no score ends it earlier. At the end
    all K are ranked by ::

        score(Y) = log p(Y) / |Y| ** length_penalty

    where |Y| counts the symbols, `stop` included. With 0 the score is the log-probability, which
    favours short sequences; with 1 it is the mean per symbol.

    With G = `num_groups` above 1 the search is diverse beam search: each group has K / G places of
    its own and is extended after those before it. In a group, an extension by a symbol that n
    places of the groups before have taken at this step is ranked as if it were n * `diversity` nats
    less likely, now and at the steps after. That decides who keeps a place only: log-probabilities
    and scores are those of the model.

    A beam of 1 is greedy decoding; one that holds every extension is exhaustive search. Ties are
    broken by the place of the parent hypothesis, then by the smaller symbol, so the result is
    deterministic. Log-probabilities are float32, whatever the dtype of the logits.

    The program is compiled once for each `step` (the same function object), for each set of
    shapes, `beam_size`, `max_length` and `stop`; what changes between calls belongs in `params`.
    For attention maps and other outputs of a step, see `replay`.

    Args:
        step: `(params, carry, tokens [N]) -> (logits [N, V], carry)` for N = B * K hypotheses; row
            b has the K from b * K on. A leaf of `params` that belongs to the rows, such as encoded
            images `[B, ...]`, is shared by all K hypotheses of its row: the step finds them by
            `tokens.reshape(B, -1)`, or repeats the leaf N // B times along its first axis.
        carry: before the start tokens; a pytree whose leaves are `[B, ...]`. It is
            reordered at every step, so constants belong in `params`.
        start_tokens: int `[B]`, what each row reads first; not part of the result.
        beam_size: K.
        max_length: symbols after which hypotheses are cut off.
        stop: symbol that ends a sequence.
        length_penalty: exponent of the length, 0 or more.
        num_groups: G, which divides K.
        diversity: nats, 0 or more; at 0 all groups are the same.

    Returns:
        The hypotheses. One without `stop` has length `max_length` and is ranked by the same
        score. Where fewer than K sequences are possible, the other places have score -inf and
        length 0.

    Raises:
        UserError: `beam_size` is not within 1 .. 1000, `max_length` below 1, `length_penalty` or
            `diversity` below 0, `num_groups` does not divide `beam_size`, `stop` is no symbol, or a
            shape does not fit.

    References:
        The shrinking beam: Sutskever et al. 2014, "Sequence to sequence learning with neural
        networks", section 3.2, and Freitag & Al-Onaizan 2017, "Beam search strategies for neural
        machine translation", section 3, who rank by the mean. The exponent: Wu et al. 2016,
        "Google's neural machine translation system", section 7, whose equation 14 has
        (5 + |Y|) / 6 in place of |Y|. Groups: Vijayakumar et al. 2018, "Diverse beam search for
        improved description of complex scenes" (arXiv:1610.02424), section 3, with its Hamming
        diversity.
    """
    check_start(carry, start_tokens)
    check_at_least(1, max_length=max_length)
    if not 1 <= beam_size <= MAX_BEAM_SIZE:
        raise UserError(f"beam_size is 1 .. {MAX_BEAM_SIZE}; got {beam_size}")
    check_at_least(0, length_penalty=length_penalty, diversity=diversity)
    if num_groups < 1 or beam_size % num_groups:
        raise UserError(f"num_groups divides a beam_size of {beam_size}; got {num_groups}")
    sizes = beam_size, num_groups, max_length
    dtype = jnp.promote_types(jnp.result_type(start_tokens), jnp.int32)  # holds every symbol
    start_tokens = jnp.asarray(start_tokens, dtype)
    return _search(step, *sizes, stop, params, carry, start_tokens, length_penalty, diversity)


class _Beam(NamedTuple):
    """After t steps. A place is empty where `log_probability` is -inf."""

    t: Array
    carry: Carry  # leaves [B * K, ...]
    tokens: Array  # [B, K, max_length]
    last: Array  # [B, K]
    lengths: Array  # [B, K]
    log_probability: Array  # [B, K]
    penalty: Array  # [B, K], for symbols that other groups have taken
    finished: Array  # [B, K]


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3, 4))
def _search(
    step: Step,
    beam_size: int,
    num_groups: int,
    max_length: int,
    stop: int,
    params: Any,
    carry: Carry,
    start_tokens: Array,
    length_penalty: Array,
    diversity: Array,
) -> BeamResult:
    num_rows, dtype = len(start_tokens), start_tokens.dtype
    shape = (num_rows, beam_size)

    def goes_on(beam: _Beam) -> Array:
        unfinished = ~beam.finished & (beam.log_probability > -jnp.inf)
        return (beam.t < max_length) & jnp.any(unfinished)

    def extend(beam: _Beam) -> _Beam:
        logits, carry = step(params, beam.carry, beam.last.reshape(-1))
        if not 0 <= stop < logits.shape[-1]:
            raise UserError(f"stop is a symbol, 0 .. {logits.shape[-1] - 1}; got {stop}")
        gains, symbols = _likeliest(logits, beam_size)
        taken = _take(
            beam.log_probability[..., None] + gains.reshape(*shape, -1),
            symbols.reshape(*shape, -1),
            beam,
            num_groups,
            diversity,
        )

        def inherit(x: Array) -> Array:
            parent = taken.parent.reshape(*shape, *[1] * (x.ndim - 2))
            return jnp.take_along_axis(x, parent, axis=1)

        was_finished = taken.was_finished
        symbol = jnp.where(was_finished, stop, taken.symbol).astype(dtype)
        log_probability = jnp.where(
            was_finished, inherit(beam.log_probability), taken.log_probability
        )
        ends = (symbol == stop) & (log_probability > -jnp.inf)
        origin = (beam_size * jnp.arange(num_rows)[:, None] + taken.parent).reshape(-1)
        return _Beam(
            t=beam.t + 1,
            carry=jax.tree.map(lambda leaf: leaf[origin], carry),
            tokens=inherit(beam.tokens).at[:, :, beam.t].set(symbol),
            last=symbol,
            lengths=jnp.where(was_finished, inherit(beam.lengths), beam.t + 1),
            log_probability=log_probability,
            penalty=taken.penalty,
            finished=was_finished | ends,
        )

    beam = _Beam(
        t=jnp.zeros((), jnp.int32),
        carry=repeat_rows(carry, num_rows, beam_size),
        tokens=jnp.full((*shape, max_length), stop, dtype),
        last=jnp.broadcast_to(start_tokens[:, None], shape),
        lengths=jnp.zeros(shape, jnp.int32),
        log_probability=jnp.broadcast_to(
            jnp.where(jnp.arange(beam_size) % (beam_size // num_groups) == 0, 0.0, -jnp.inf), shape
        ).astype(jnp.float32),
        penalty=jnp.zeros(shape, jnp.float32),
        finished=jnp.zeros(shape, bool),
    )
    return _ranked(jax.lax.while_loop(goes_on, extend, beam), stop, length_penalty)


class _Taken(NamedTuple):
    """The extensions that take the places of the next step, each `[B, K]`."""

    parent: Array  # place of the hypothesis that is extended
    symbol: Array
    log_probability: Array
    penalty: Array
    was_finished: Array  # the hypothesis keeps its place, and the symbol says nothing


def _take(
    extended: Array, symbols: Array, beam: _Beam, num_groups: int, diversity: Array
) -> _Taken:
    """Chooses the best extensions of each group, the groups one after the other.

    Args:
        extended: `[B, K, C]`, the log-probabilities of the extensions.
        symbols: `[B, K, C]`, the symbols that they add.
    """
    num_rows, beam_size, num_extensions = extended.shape
    size = beam_size // num_groups
    stays = jnp.where(jnp.arange(num_extensions) == 0, jnp.inf, -jnp.inf)
    found: list[_Taken] = []
    for first in range(0, beam_size, size):
        own = slice(first, first + size)
        penalty = jnp.broadcast_to(beam.penalty[:, own, None], extended[:, own].shape)
        for other in found:
            adds_none = other.was_finished | (other.log_probability == -jnp.inf)
            taken = jnp.where(adds_none, -1, other.symbol)[:, None, None]
            same = (symbols[:, own, :, None] == taken).sum(axis=-1)
            penalty = penalty + (diversity * same).astype(jnp.float32)
        order = jnp.where(beam.finished[:, own, None], stays, extended[:, own] - penalty)
        order, place = jax.lax.top_k(order.reshape(num_rows, -1), size)

        def at_place(x: Array, place: Array = place) -> Array:
            return jnp.take_along_axis(x.reshape(num_rows, -1), place, axis=1)

        found.append(
            _Taken(
                parent=first + place // num_extensions,
                symbol=at_place(symbols[:, own]),
                log_probability=jnp.where(order == -jnp.inf, order, at_place(extended[:, own])),
                penalty=at_place(penalty),
                was_finished=order == jnp.inf,
            )
        )
    return jax.tree.map(lambda *parts: jnp.concatenate(parts, axis=1), *found)


def _likeliest(logits: Array, beam_size: int) -> tuple[Array, Array]:
    """Returns the log-probabilities and the symbols of the likeliest extensions, `[N, C]`."""
    logits = logits.astype(jnp.float32)
    top, symbols = jax.lax.top_k(logits, min(beam_size, logits.shape[-1]))
    gains = top - jax.nn.logsumexp(logits, axis=-1, keepdims=True)
    return jnp.where(top == -jnp.inf, -jnp.inf, gains), symbols


def _ranked(beam: _Beam, stop: int, length_penalty: Array) -> BeamResult:
    """Returns the hypotheses of a beam, the highest score first."""
    empty = beam.log_probability == -jnp.inf
    tokens = jnp.where(empty[..., None], stop, beam.tokens)
    lengths = jnp.where(empty, 0, beam.lengths)
    divisor = jnp.maximum(lengths, 1).astype(jnp.float32) ** length_penalty
    scores = beam.log_probability / divisor
    return BeamResult(tokens, lengths, scores, beam.log_probability).ranked(scores)


def rank_by_coverage(
    found: BeamResult, weights: Array, mask: Array | None, coverage_penalty: float
) -> BeamResult:
    """Adds to each score how well the source is covered, and puts the best first.

    ::

        score(Y) + coverage_penalty * sum_i log(min(sum_t alpha_ti, 1))

    over the positions i of the source and the symbols t of Y, its end included. A position that has
    got no attention costs the most, and one that has got more than 1 in all costs nothing.

    Args:
        weights: alpha, `[B, K, L, S]`; see `replay`.
        mask: bool `[B, S]`, True at real positions; None: all are real.
        coverage_penalty: 0 or more.

    References:
        Wu et al. 2016, section 7: the second part of equation 14, where the penalty is beta.
    """
    inside = jnp.arange(weights.shape[2]) < found.lengths[..., None]
    seen = jnp.where(inside[..., None], weights, 0).sum(axis=2)
    logs = jnp.log(jnp.clip(seen, LEAST, 1))
    if mask is not None:
        logs = jnp.where(mask[:, None], logs, 0)
    return found.ranked(found.scores + coverage_penalty * logs.sum(axis=-1))
