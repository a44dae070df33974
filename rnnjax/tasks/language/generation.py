"""A language model as a writer."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import decode
from rnnjax.models.language_model import LanguageModel
from rnnjax.typing import Array, PRNGKey


def generate(
    model: LanguageModel,
    prompt: np.ndarray,
    *,
    length: int,
    key: PRNGKey,
    num_samples: int = 1,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    stop: int | None = None,
) -> list[np.ndarray]:
    """Goes on from a prompt, many times at once.

    Args:
        model: the language model.
        prompt: int `[P]`, P >= 1.
        length: symbols to draw.
        key: decides all draws.
        num_samples: how many texts.
        temperature, top_k, top_p: see `rnnjax.decode.filter_logits`.
        stop: symbol that ends a text.

    Returns:
        For each sample the symbols drawn, int `[at most length]`, the stop included.

    Raises:
        UserError: the prompt is empty, or a number is out of range.
    """
    graph, params = nnx.split(model)
    prompts = jnp.tile(jnp.asarray(prompt, jnp.int32)[:, None], (1, num_samples))
    drawn, valid = jax.device_get(
        _draw(
            graph,
            params,
            prompts,
            key,
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            stop=stop,
        )
    )
    return [symbols[kept] for symbols, kept in zip(drawn.T, valid.T, strict=True)]


@functools.partial(
    jax.jit,
    static_argnums=0,
    static_argnames=("length", "temperature", "top_k", "top_p", "stop"),
)
def _draw(
    graph: nnx.GraphDef, params: Any, prompts: Array, key: PRNGKey, **options: Any
) -> tuple[Array, Array]:
    return decode.sample(
        lambda params, carry, tokens: nnx.merge(graph, params).step(tokens, carry),
        params,
        nnx.merge(graph, params).initial_carry(prompts.shape[1]),
        prompts,
        key=key,
        **options,
    )
