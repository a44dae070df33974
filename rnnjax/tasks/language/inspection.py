"""A language model as a patient: what its units do while it reads."""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import nnx
from jax.typing import ArrayLike

from rnnjax import diagnostics
from rnnjax.losses import target_log_probability
from rnnjax.models.language_model import LanguageModel
from rnnjax.typing import Array


class LayerFindings(NamedTuple):
    """What one recurrent layer did.

    Attributes:
        activations: after each symbol `[T, H]`; see `rnnjax.diagnostics.activations`.
        saturation: by gate; see `rnnjax.diagnostics.saturation`.
        persistence: `[H]`; see `rnnjax.diagnostics.persistence`.
    """

    activations: Array
    saturation: dict[str, diagnostics.Saturation]
    persistence: Array


class Findings(NamedTuple):
    """What a model did while it read a text.

    Attributes:
        layers: in the order in which they run.
        gradient_norms: `[positions, K + 1]`; see `rnnjax.diagnostics.gradient_norms`.
    """

    layers: list[LayerFindings]
    gradient_norms: Array


def inspect(model: LanguageModel, text: ArrayLike, *, max_distance: int) -> Findings:
    """Reads a text and notes what every unit does, and how far back the loss reaches.

    Args:
        model: the language model.
        text: int `[T]`.
        max_distance: K, in steps, below T - 1.
    """
    graph, params = nnx.split(model)
    return jax.device_get(_read(graph, max_distance, params, jnp.asarray(text, jnp.int32)))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _read(graph: nnx.GraphDef, max_distance: int, params: Any, tokens: Array) -> Findings:
    model = nnx.merge(graph, params)
    recurrent = model.recurrent
    traced = diagnostics.trace(
        recurrent.cell, recurrent.params.get_value(), model.embed(tokens[:, None])
    )

    def step(carry, symbols):
        token, target = symbols
        logits, carry = model.step(token[None], carry)
        return carry, -target_log_probability(logits, target[None])[0]

    norms = diagnostics.gradient_norms(
        step, model.initial_carry(1), (tokens[:-1], tokens[1:]), max_distance=max_distance
    )
    layers = []
    for layer in traced:
        values = diagnostics.activations(layer)[:, 0]
        saturation = {
            name: diagnostics.saturation(gate) for name, gate in diagnostics.gates(layer).items()
        }
        layers.append(LayerFindings(values, saturation, diagnostics.persistence(values)))
    return Findings(layers, norms)
