"""Writing with the language model of `experiments.char_lm`: sampled texts, and a beam of 5.

The others take a jitted step, or one of torch, in a Python loop. Parameters are fresh ones: how
long a text takes does not depend on them.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.benchmark import nnx_models, peers, suites
from experiments.benchmark.report import Row
from experiments.benchmark.suites import Contender
from experiments.benchmark.training import Task, default_task
from rnnjax import decode
from rnnjax.tasks.language.text_model import TextModel, opening_of

TITLE = "characters a second that rnnjax writes, in those of the others (above 1: more)"
SIZE = "length,texts"
NUM_TEXTS = (1, 16, 256)
BEAM_SIZE = 5
LENGTH = 200


def suite(repeats: int, source: str) -> list[Row]:
    """Samples of one text or more, then the beam."""
    task = default_task("char_lm", data=source)
    start = int(task.prepared.vocabulary.encode(opening_of(task.prepared))[0])
    rows = []
    for num_texts in NUM_TEXTS:
        row: Row = {"what": "sample", "size": [LENGTH, num_texts]}
        contenders = samplers(task, start, num_texts)
        rows.append(row | suites.duel(contenders, repeats, characters=LENGTH * num_texts))
    beams = {peers.BASELINE: nnx_models.beam(nnx_model(task), start, BEAM_SIZE)}
    beams["rnnjax"] = beam(task.ours, start, BEAM_SIZE)
    contenders = {
        who: functools.partial(contender, search, LENGTH) for who, search in beams.items()
    }
    row = {"what": f"beam {BEAM_SIZE}", "size": [LENGTH, 1]}
    return [*rows, row | suites.duel(contenders, repeats, characters=LENGTH)]


def samplers(task: Task, start: int, num_texts: int) -> Mapping[str, Callable[[], Contender]]:
    """Who writes so many texts at once, as texts."""
    vocabulary = task.prepared.vocabulary

    def decoded(sample: Callable[[int, int], np.ndarray]) -> Contender:
        return contender(lambda: list(map(vocabulary.decode, sample(num_texts, LENGTH))))

    def in_torch() -> Contender:
        from experiments.benchmark import torch_models

        model = torch_models.LanguageModel(task.config, task.ours).to(peers.torch_device())
        return decoded(torch_models.sampler(model, start))

    write = functools.partial(
        TextModel(task.ours, vocabulary, vocabulary.decode(np.array([start]))).write,
        length=LENGTH, num_samples=num_texts, temperature=1.0,
    )  # fmt: skip
    return {
        peers.BASELINE: lambda: decoded(nnx_models.sampler(nnx_model(task), start)),
        "rnnjax": lambda: contender(write),
        "torch": in_torch,
    }


def nnx_model(task: Task) -> nnx_models.LanguageModel:
    """The writer of flax.nnx."""
    return nnx_models.LanguageModel(task.config, task.ours, rngs=nnx.Rngs(0))


def contender(call: Callable[..., Any], *arguments: Any) -> Contender:
    """All calls are alike."""
    return Contender(*2 * [functools.partial(call, *arguments)])


def beam(model: Any, start: int, width: int) -> Callable[[int], np.ndarray]:
    """rnnjax's beam search as `nnx_models.beam` has it: with a stop that has probability 0."""
    graph, params = nnx.split(model, nnx.Param)
    stop = model.embed.num_embeddings

    def step(params: Any, carry: Any, tokens: jax.Array) -> tuple[jax.Array, Any]:
        logits, carry = nnx.merge(graph, params).step(tokens, carry)
        return jnp.pad(logits, ((0, 0), (0, 1)), constant_values=-jnp.inf), carry

    def search(length: int) -> np.ndarray:
        found = decode.beam_search(
            step, params, model.initial_carry(1), jnp.array([start]), beam_size=width,
            max_length=length, stop=stop,
        )  # fmt: skip
        return np.asarray(found.tokens[0])

    return search
