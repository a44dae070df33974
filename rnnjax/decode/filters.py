"""Filters of logits before a symbol is drawn."""

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import wide
from rnnjax.errors import UserError, check_at_least
from rnnjax.typing import Array

FILTERS = ("temperature", "top_k", "top_p", "min_p", "repetition_penalty")
"""The names of the filters, for `static_argnames` of a jitted function that samples."""

COLDEST = 1e-6
"""Logits over a temperature that is much lower are infinite."""


def filter_logits(
    logits: Array,
    *,
    seen: Array | None = None,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
) -> Array:
    """Applies the repetition penalty, then temperature, top-k, nucleus (top-p) and min-p.

    Each filter sees what those before it have left.

    Args:
        logits: `[..., V]`.
        seen: bool `[..., V]`, the symbols that `repetition_penalty` makes less likely.
        temperature: divides the logits; below `COLDEST` only the most likely symbol is left.
        top_k: keep only so many of the most likely symbols; 0 keeps all.
        top_p: nucleus: keep the fewest most likely symbols whose probabilities (after the
            temperature and the top k) sum to at least this; 1 keeps all.
        min_p: keep the symbols that have at least this share of the probability of the most likely
            one (after the temperature); 0 keeps all.
        repetition_penalty: divides the logits of seen symbols where they are positive, and
            multiplies them where they are negative; 1 changes nothing.

    Returns:
        Logits `[..., V]`, in float32 or wider, -inf where a symbol was cut.

    Raises:
        UserError: a number is out of range.

    References:
        Top-p: Holtzman et al. 2020, "The curious case of neural text degeneration", section 3.
        Min-p: Nguyen et al. 2024 (arXiv:2407.01082), section 3. The penalty: Keskar et al. 2019,
        "CTRL" (arXiv:1909.05858), section 4.1, which assumes positive logits.
    """
    logits, vocab_size = wide(logits), logits.shape[-1]
    if not 0 <= temperature <= float(jnp.finfo(jnp.float32).max):
        raise UserError(f"temperature is 0 or more, and finite; got {temperature}")
    check_at_least(0, top_k=top_k)
    if not 0 < top_p <= 1:
        raise UserError(f"top_p lies in (0, 1]; got {top_p}")
    if not 0 <= min_p <= 1:
        raise UserError(f"min_p lies in [0, 1]; got {min_p}")
    if not 0 < repetition_penalty < float("inf"):
        raise UserError(f"repetition_penalty is above 0, 1 is none; got {repetition_penalty}")
    if seen is not None and repetition_penalty != 1:
        lowered = jnp.where(logits > 0, logits / repetition_penalty, logits * repetition_penalty)
        logits = jnp.where(seen, lowered, logits)
    if temperature < COLDEST:
        top_k = 1
    else:
        logits = logits / temperature
    descending = jnp.argsort(-logits, axis=-1, stable=True)
    rank = jnp.argsort(descending, axis=-1)
    if 0 < top_k < vocab_size:
        logits = jnp.where(rank < top_k, logits, -jnp.inf)
    if top_p < 1:
        ordered = jax.nn.softmax(jnp.take_along_axis(logits, descending, axis=-1), axis=-1)
        before = jnp.cumsum(ordered, axis=-1) - ordered
        kept = jnp.take_along_axis(before < top_p, rank, axis=-1)
        logits = jnp.where(kept, logits, -jnp.inf)
    if min_p > 0:
        likeliest = jnp.max(logits, axis=-1, keepdims=True)
        logits = jnp.where(logits >= likeliest + jnp.log(min_p), logits, -jnp.inf)
    return logits
