"""A language model as a judge: how likely is a text?"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax.losses import target_log_probability
from rnnjax.models.language_model import LanguageModel
from rnnjax.typing import Array, Carry

MAX_ROWS = 32
MAX_STEPS = 256


class SymbolScores(NamedTuple):
    """How a model expected the symbols of a text.

    Attributes:
        log_probability: of each symbol after all before it, nats `[N]`; nan where nothing was.
        rank: 1 for the likeliest symbol at its place, 2 for the next `[N]`; 0 where nothing was.
    """

    log_probability: np.ndarray
    rank: np.ndarray


def score(
    model: LanguageModel, texts: Sequence[np.ndarray], prompt: np.ndarray
) -> list[SymbolScores]:
    """Scores texts, each by itself, side by side.

    They are sorted by length and read in blocks of one shape, so that little is read in vain and
    one program is compiled, however long or many they are.

    Args:
        model: the language model.
        texts: int `[N]` each, N >= 1.
        prompt: int `[P]`, read before each text; if P = 0, the first symbol of a text has no score.

    Returns:
        The scores, in the order of the texts.
    """
    graph, params = nnx.split(model)
    prompt = np.asarray(prompt, np.int32)
    sequences = [np.concatenate([prompt, text]).astype(np.int32) for text in texts]
    num_targets = [len(sequence) - 1 for sequence in sequences]
    num_steps = min(MAX_STEPS, 1 << (max(num_targets, default=1)).bit_length())
    num_rows = min(MAX_ROWS, len(sequences))
    found: dict[int, SymbolScores] = {}
    by_length = sorted(range(len(sequences)), key=lambda n: num_targets[n])
    for first in range(0, len(by_length), num_rows):
        chosen = by_length[first : first + num_rows]
        num_blocks = max(1, -(-num_targets[chosen[-1]] // num_steps))
        padded = np.zeros((num_blocks * num_steps + 1, num_rows), np.int32)
        for row, n in enumerate(chosen):
            padded[: len(sequences[n]), row] = sequences[n]
        carry = model.initial_carry(num_rows)
        blocks = []
        for start in range(0, num_blocks * num_steps, num_steps):
            inputs, targets = padded[start:][:num_steps], padded[start + 1 :][:num_steps]
            carry, scores = _read(graph, params, carry, inputs, targets)
            blocks.append(scores)
        log_probability, rank = map(np.concatenate, zip(*jax.device_get(blocks), strict=True))
        for row, n in enumerate(chosen):
            places = slice(num_targets[n] - len(texts[n]), num_targets[n])
            if len(prompt):
                found[n] = SymbolScores(log_probability[places, row], rank[places, row])
            else:
                seen = slice(0, num_targets[n])
                found[n] = SymbolScores(
                    np.concatenate([[np.nan], log_probability[seen, row]]),
                    np.concatenate([[0], rank[seen, row]]),
                )
    return [found[n] for n in range(len(texts))]


@functools.partial(jax.jit, static_argnums=0)
def _read(
    graph: nnx.GraphDef, params: Any, carry: Carry, inputs: Array, targets: Array
) -> tuple[Carry, tuple[Array, Array]]:
    logits, carry = nnx.merge(graph, params)(inputs, carry)
    log_probability = target_log_probability(logits, targets)
    chosen = jnp.take_along_axis(logits, targets[..., None], axis=-1)
    return carry, (log_probability, 1 + jnp.sum(logits > chosen, axis=-1))
