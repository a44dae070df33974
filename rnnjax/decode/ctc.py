"""Decoding of connectionist temporal classification: the likeliest text, whatever its alignment."""

import functools
import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import wide
from rnnjax.decode.beam import MAX_BEAM_SIZE, BeamResult
from rnnjax.decode.step import Step, repeat_rows
from rnnjax.errors import UserError, check_at_least
from rnnjax.typing import Array, Carry

BLANK = 0


def ctc_greedy(logits: Array, steps: Array) -> BeamResult:
    """The text of the likeliest alignment of each row, which need not be the likeliest text.

    Args:
        logits: `[T, B, V]`; symbol 0 is the blank.
        steps: of each row, int `[B]`.

    Returns:
        One text a row, with 0 after its end, L = T, and the log-probability of the alignment.

    References:
        Graves et al. 2006, section 3.2, "best path decoding".
    """
    logs = jax.nn.log_softmax(wide(logits))
    real = jnp.arange(len(logs))[:, None] < steps
    best = jnp.where(real, logs.argmax(axis=-1), BLANK)
    before = jnp.concatenate([jnp.full_like(best[:1], BLANK), best[:-1]])
    kept = ((best != BLANK) & (best != before)).T
    place = jnp.where(kept, jnp.cumsum(kept, axis=1) - 1, len(logs))
    rows = jnp.arange(kept.shape[0])[:, None]
    tokens = jnp.zeros_like(best.T).at[rows, place].set(best.T, mode="drop")
    score = jnp.where(real, logs.max(axis=-1), 0).sum(axis=0)[:, None]
    return BeamResult(tokens[:, None], kept.sum(axis=1)[:, None], score, score)


def ctc_beam_search(
    logits: Array,
    steps: Array,
    *,
    beam_size: int,
    language_model: Step | None = None,
    params: Any = None,
    carry: Carry = None,
    weight: float = 0.0,
    bonus: float = 0.0,
) -> BeamResult:
    """Finds likely texts, each by all its alignments, together with a language model or without.

    A prefix y keeps the probability of its alignments that end in the blank, p_b, and that of
    those that end in its last symbol, p_n. A step with probabilities q makes of them ::

        p_b(y)  = q(blank) (p_b(y) + p_n(y))
        p_n(y)  = q(last) p_n(y)                        the run of its last symbol goes on
        p_n(yc) = q(c) (p_b(y) + p_n(y))                c other than the last symbol of y
        p_n(yc) = q(c) p_b(y)                           c the last symbol of y

    where what comes to the same prefix is added. After every step, the `beam_size` prefixes of the
    highest score stay ::

        score(y) = log(p_b(y) + p_n(y)) + weight * log p_LM(y) + bonus * |y|

    A beam that holds all prefixes is exhaustive. The program is compiled once for each
    `language_model`, which is the same function object, and each set of shapes.

    Args:
        logits: `[T, B, V]`; symbol 0 is the blank.
        steps: of each row, int `[B]`.
        beam_size: K.
        language_model: `(params, carry, tokens [N]) -> (log-probabilities [N, V], carry)` of the
            symbols that follow. The blank stands for the beginning of the text; the score of the
            blank is not read.
        carry: before the beginning; leaves `[B, ...]`.
        weight: of the language model, 0 or more.
        bonus: for each symbol, in nats; a language model favours short texts.

    Returns:
        The texts of each row, the best first, with 0 after their ends. Scores are -inf where there
        are fewer than K. The log-probability is that of the network alone: of all alignments of the
        text that were kept.

    Raises:
        UserError: a number is out of range.

    References:
        Hannun, Maas, Jurafsky & Ng 2014, "First-pass large vocabulary continuous speech recognition
        using bi-directional recurrent DNNs", algorithm 1. Shallow fusion: Gulcehre et al. 2015,
        "On using monolingual corpora in neural machine translation", section 4.1.
    """
    if not 1 <= beam_size <= MAX_BEAM_SIZE:
        raise UserError(f"beam_size is 1 .. {MAX_BEAM_SIZE}; got {beam_size}")
    check_at_least(0, weight=weight)
    if not math.isfinite(bonus):
        raise UserError(f"bonus is a number; got {bonus}")
    return _search(language_model, beam_size, logits, steps, params, carry, weight, bonus)


class _Beam(NamedTuple):
    """The prefixes after some steps; what is log-probabilities is -inf at an empty place."""

    tokens: Array  # [B, K, T]
    lengths: Array  # [B, K]
    last: Array  # [B, K], 0 of the empty prefix
    blank: Array  # [B, K], log p_b
    symbol: Array  # [B, K], log p_n
    told: Array  # [B, K], log p_LM
    tells: Array  # [B, K, V], of the language model: of the symbol that follows
    carry: Carry  # leaves [B * K, ...]

    @property
    def log_probability(self) -> Array:
        return jnp.logaddexp(self.blank, self.symbol)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _search(
    model: Step | None,
    beam_size: int,
    logits: Array,
    steps: Array,
    params: Any,
    carry: Carry,
    weight: Array,
    bonus: Array,
) -> BeamResult:
    num_steps, num_rows, vocab_size = logits.shape
    shape = (num_rows, beam_size)
    logs = jax.nn.log_softmax(wide(logits))

    def read(carry: Carry, tokens: Array) -> tuple[Array, Carry]:
        if model is None:
            return jnp.zeros((*tokens.shape, vocab_size)), carry
        tells, carry = model(params, carry, tokens.reshape(-1))
        return tells.at[:, BLANK].set(0).reshape(*tokens.shape, vocab_size), carry

    def advance(beam: _Beam, now: tuple[Array, Array]) -> tuple[_Beam, None]:
        q, t = now
        new = _advance(beam, q, read, weight, bonus)
        goes_on = t < steps

        def choose(after: Array, before: Array) -> Array:
            rows = goes_on if len(after) == num_rows else jnp.repeat(goes_on, beam_size)
            return jnp.where(rows.reshape(-1, *[1] * (after.ndim - 1)), after, before)

        return jax.tree.map(choose, new, beam), None

    start = jnp.zeros(shape, jnp.int32)
    tells, carry = read(repeat_rows(carry, num_rows, beam_size), start)
    empty = jnp.full(shape, -jnp.inf, logs.dtype)
    beam = _Beam(
        tokens=jnp.zeros((*shape, num_steps), jnp.int32),
        lengths=start,
        last=start,
        blank=empty.at[:, 0].set(0),
        symbol=empty,
        told=jnp.zeros(shape, tells.dtype),
        tells=tells,
        carry=carry,
    )
    beam, _ = jax.lax.scan(advance, beam, (logs, jnp.arange(num_steps)))
    found = beam.log_probability
    scores = found + _weighted(weight, beam.told) + bonus * beam.lengths
    return BeamResult(beam.tokens, beam.lengths, scores, found).ranked(scores)


def _advance(beam: _Beam, q: Array, read: Any, weight: Array, bonus: Array) -> _Beam:
    """One step of all rows, with log-probabilities `q [B, V]`."""
    num_rows, beam_size, longest = beam.tokens.shape
    vocab_size, rows = q.shape[-1], jnp.arange(num_rows)[:, None]
    total, symbols = beam.log_probability, jnp.arange(vocab_size)
    is_last = symbols == beam.last[..., None]
    longer = q[:, None] + jnp.where(is_last, beam.blank[..., None], total[..., None])
    longer = jnp.where(symbols == BLANK, -jnp.inf, longer)
    blank = q[:, None, BLANK] + total
    symbol = jnp.where(beam.lengths > 0, q[rows, beam.last] + beam.symbol, -jnp.inf)

    # A longer prefix may be in the beam already: place j is place i and its own last symbol.
    place = jnp.arange(longest)
    parents = jnp.where(place == beam.lengths[..., None] - 1, 0, beam.tokens)
    same = (beam.tokens[:, :, None] == parents[:, None]).all(axis=-1)
    same &= beam.lengths[:, :, None] + 1 == beam.lengths[:, None]
    same &= (total > -jnp.inf)[:, None] & (total > -jnp.inf)[:, :, None]
    by_last = jnp.take_along_axis(longer, jnp.broadcast_to(beam.last[:, None], same.shape), axis=-1)
    joined = jax.nn.logsumexp(jnp.where(same, by_last, -jnp.inf), axis=1)
    symbol = jnp.logaddexp(symbol, joined)
    merged = (same[..., None] & is_last[:, None]).any(axis=2)
    longer = jnp.where(merged, -jnp.inf, longer)

    told = beam.told[..., None] + beam.tells
    stays = jnp.logaddexp(blank, symbol) + _weighted(weight, beam.told) + bonus * beam.lengths
    grows = longer + _weighted(weight, told) + bonus * (beam.lengths[..., None] + 1)
    candidates = jnp.concatenate([stays, grows.reshape(num_rows, -1)], axis=-1)
    _, chosen = jax.lax.top_k(candidates, beam_size)
    is_new = chosen >= beam_size
    extension = jnp.where(is_new, chosen - beam_size, 0)
    parent = jnp.where(is_new, extension // vocab_size, chosen)
    added = jnp.where(is_new, extension % vocab_size, beam.last[rows, parent])
    at = beam.lengths[rows, parent]
    tokens = beam.tokens[rows, parent]
    tokens = jnp.where(is_new[..., None] & (place == at[..., None]), added[..., None], tokens)

    kept = jax.tree.map(lambda x: x[(beam_size * rows + parent).reshape(-1)], beam.carry)
    tells, carry = read(kept, added)

    def if_new(new: Array, old: Array) -> Array:
        return jnp.where(is_new.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return _Beam(
        tokens=tokens,
        lengths=at + is_new,
        last=added,
        blank=jnp.where(is_new, -jnp.inf, blank[rows, parent]),
        symbol=jnp.where(is_new, longer[rows, parent, added], symbol[rows, parent]),
        told=jnp.where(is_new, told[rows, parent, added], beam.told[rows, parent]),
        tells=jnp.where(is_new[..., None], tells, beam.tells[rows, parent]),
        carry=jax.tree.map(if_new, carry, kept),
    )


def _weighted(weight: Array, told: Array) -> Array:
    """The product; 0 at weight 0, even of a text that is impossible."""
    return jnp.where(weight == 0, 0, weight * told)
