"""A small captioner's loss, jitted once for all tests, and by hand."""

import functools
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax.models.hard_attention import HardTraining
from rnnjax.tasks.captioning.likelihood_loss import CaptionCarry, batch_loss
from tests.tasks.captioning import captioner_oracle as oracle
from tests.tasks.captioning.tiny_captioner import (
    LENGTHS,
)

ALWAYS_DRAWN = {"soft_rate": 0.0, "entropy_weight": 0.0}


@functools.partial(jax.jit, static_argnums=0, static_argnames="gradient")
def read(graph, params, batch, key=None, **hard):
    return nnx.merge(graph, params).read(batch, key, HardTraining(**hard))


@functools.partial(jax.jit, static_argnums=0)
def read_both_ways(graph, params, batch):
    """The reading of captions; the logits and glances of its steps, one by one."""
    model = nnx.merge(graph, params)
    memory = model.look(batch)

    def advance(carry, words):
        logits, glance, carry = model.step(memory, carry, words)
        return carry, (logits, glance)

    words = batch["words"]
    before = jnp.concatenate([jnp.ones_like(words[:1]), words[:-1]])
    _, stepwise = jax.lax.scan(advance, model.initial_carry(memory), before)
    return model.read(batch), stepwise


@functools.partial(jax.jit, static_argnums=0)
def one_step(graph, params, batch, carry, words):
    model = nnx.merge(graph, params)
    return model.step(model.look(batch), carry, words)


def loss_of(
    params, graph, batch, key, label_smoothing=0.0, spread_weight=0.0, detection_weight=0.0,
    baseline=0.0, **hard,
):  # fmt: skip
    config = SimpleNamespace(
        label_smoothing=label_smoothing, spread_weight=spread_weight, soft_steps=0,
        detection_weight=detection_weight, detection_steps=0, hard=HardTraining(**hard),
    )  # fmt: skip
    loss = batch_loss(config, nnx.merge(graph, params), batch, key, CaptionCarry(baseline, 0))
    return loss._replace(carry=loss.carry.baseline)


STATIC = ("label_smoothing", "spread_weight", "detection_weight", "gradient")


@functools.partial(jax.jit, static_argnums=0, static_argnames=STATIC)
def loss(graph, params, batch, key=None, **options):
    return loss_of(params, graph, batch, key, **options)


@functools.partial(jax.jit, static_argnums=0, static_argnames="gradient")
def loss_gradient(graph, params, batch, key, **options):
    return jax.grad(lambda p: loss_of(p, graph, batch, key, **options).total)(params)


def by_hand(decoder, model, batch, row, locations=None):
    return oracle.told(
        decoder,
        oracle.parameters(model.whole),
        np.asarray(batch["features"][row], np.float64),
        np.asarray(batch["words"])[:, row].tolist(),
        locations,
    )


def nats_by_hand(decoder, model, batch):
    total = 0.0
    for row, length in enumerate(LENGTHS):
        logits = by_hand(decoder, model, batch, row).logits
        total -= oracle.log_likelihoods(logits, batch["words"][:, row])[:length].sum()
    return total
