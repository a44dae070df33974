"""A small captioner of random numbers, and images that are a handful of features."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

import rnnjax
from rnnjax.data.word_vocabulary import START, UNKNOWN_WORD
from rnnjax.models.decoding import Search
from rnnjax.tasks.captioning.captioned_images import CaptionVocabulary
from rnnjax.tasks.captioning.captioner import Captioner, Locations
from rnnjax.tasks.captioning.config import CaptionerConfig
from rnnjax.tasks.captioning.image_captioner import ImageCaptioner
from rnnjax.tasks.captioning.splits import Split

WORDS = ("a", "and", "dog", "red", "runs")
VOCABULARY = CaptionVocabulary.of(WORDS)
LOCATIONS = Locations(2, 3, 4)
MAX_LENGTH = 6
CONFIG = CaptionerConfig()
GREEDY = Search(beam_size=1)


@functools.cache
def captioner(decoder="soft", seed=0):
    """One that would rather begin again or say an unknown word than anything else."""
    model = nnx.eval_shape(
        lambda: Captioner(
            len(VOCABULARY), rnnjax.gru(5), context=decoder, locations=LOCATIONS, embed_size=4,
            attention_size=4, rngs=nnx.Rngs(0),
        )
    )  # fmt: skip
    graph, params = nnx.split(model, nnx.Param)
    rng = np.random.default_rng(seed)
    params = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32), params)
    rather = np.zeros(len(VOCABULARY), np.float32)
    rather[[START, UNKNOWN_WORD]] = 4
    params["head"]["bias"] = jax.tree.map(lambda x: x + rather, params["head"]["bias"])
    return ImageCaptioner(nnx.merge(graph, params), VOCABULARY, CONFIG, GREEDY, MAX_LENGTH)


@functools.cache
def features(count):
    return np.random.default_rng(9).normal(size=(count, 6, 4)).astype(np.float32)


def images(count, references=None, regions=None):
    """A split of images; the first are the same whatever the count."""
    shown = np.full((count, 24, 36, 3), 90, np.uint8)
    read = features(20)[:count]
    return Split(
        names=[f"some/image{n}.jpg" for n in range(count)],
        pictures=lambda n: {"features": read[n]},
        references=references or [()] * count,
        show=shown.__getitem__,
        regions=regions,
    )


@functools.partial(jax.jit, static_argnums=0)
def _begin(graph, params, batch):
    model = nnx.merge(graph, params)
    memory = model.look(batch)
    return memory, model.initial_carry(memory)


@functools.partial(jax.jit, static_argnums=0)
def _step(graph, params, memory, carry, words):
    return nnx.merge(graph, params).step(memory, carry, words)


class OneImage:
    """A captioner that reads a single image, one word at a time."""

    def __init__(self, decoder, index, seed=0):
        self._parts = nnx.split(captioner(decoder, seed).model, nnx.Param)
        self._memory, self.carry = _begin(*self._parts, {"features": features(20)[index, None]})

    def read(self, carry, word):
        """Float64 logits [V] of the next word, the map, the gate, and the next carry."""
        logits, glance, carry = _step(*self._parts, self._memory, carry, np.array([word]))
        map_ = None if glance.weights is None else np.asarray(glance.weights).reshape(2, 3)
        gate = None if glance.gate is None else float(glance.gate[0])
        return np.asarray(logits[0], np.float64), map_, gate, carry


def speakable(logits):
    """Log-probabilities of the words that may be written."""
    logits = logits.copy()
    logits[[START, UNKNOWN_WORD]] = -np.inf
    return logits - np.log(np.exp(logits).sum())
