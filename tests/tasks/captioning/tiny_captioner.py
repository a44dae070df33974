"""Captioners of a handful of random numbers, and a batch for them."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import rnnjax
from rnnjax.cells.named import deep
from rnnjax.tasks.captioning.captioner import Captioner, Locations

LOCATIONS = Locations(2, 3, 5)
V, T, B = 7, 5, 3
LENGTHS = [5, 3, 1]
DECODERS = ("initial", "every_step", "soft", "hard")
CELLS = {
    "rnn": rnnjax.rnn(4),
    "lstm": rnnjax.lstm(4),
    "deep": deep("lstm", 4, num_layers=2),
}


class Model(NamedTuple):
    """A captioner cut into what is compiled once and its numbers."""

    graph: nnx.GraphDef
    params: nnx.State

    @property
    def whole(self):
        return nnx.merge(self.graph, self.params)


@functools.cache
def make(decoder, cell="lstm", **options):
    """With random numbers everywhere, biases too."""
    model = nnx.eval_shape(
        lambda: Captioner(
            V, CELLS[cell], context=decoder, locations=LOCATIONS, embed_size=4, attention_size=6,
            rngs=nnx.Rngs(0), **options,
        )
    )  # fmt: skip
    return filled(model)


def filled(model):
    graph, params = nnx.split(model, nnx.Param)
    rng = np.random.default_rng(1)
    return Model(
        graph, jax.tree.map(lambda x: jnp.asarray(rng.normal(0, 0.6, x.shape), jnp.float32), params)
    )


def make_batch(seed=0, features=None):
    rng = np.random.default_rng(seed)
    words = rng.integers(2, V, (T, B))
    for row, length in enumerate(LENGTHS):
        words[length - 1 :, row] = 0
    if features is None:
        features = rng.normal(size=(B, 6, 5))
    return {
        "words": jnp.asarray(words, jnp.int32),
        "lengths": jnp.asarray(LENGTHS, jnp.int32),
        "features": jnp.asarray(features, jnp.float32),
    }
