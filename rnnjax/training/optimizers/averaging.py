"""Averages of the weights over training steps, to evaluate and sample with."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.training.config import TrainingConfig

Params = Any

NEVER = 2**31 - 1
"""The start of an average that has not been triggered."""


class Average(NamedTuple):
    """A running average of the parameters.

    Attributes:
        update: ``(average, params, updates_made, start) -> average``, given the parameters after
            the update, the number of updates made so far, this one included, and of a triggered
            average when it starts. The first average is the initial parameters.
        triggered: whether it starts when the training loop says so, not at a number of updates.
    """

    update: Callable[..., Params]
    triggered: bool = False


def make_average(config: TrainingConfig) -> Average | None:
    """Makes a running average of the parameters, at all times usable as it is; None for 'none'.

    With p_t the parameters after update t, d = `decay`, s = `average_start`::

        a_t = (1 - w_t) a_tm1 + w_t p_t
        ema:  w_t = (1 - d) / (1 - d^t)      a_t = sum_i d^(t-i) p_i / sum_i d^(t-i)
        asgd: w_t = 1 / max(t - s, 1)        a_t = mean of p_(s+1) .. p_t, and p_t up to s
        ntasgd: the same, s being the update after which the training loop has triggered it

    ema is the bias-corrected exponential average of Kingma and Ba (2015, section 7.2); asgd is
    Polyak and Juditsky (1992); ntasgd is the non-monotonically triggered one of Merity et al.
    (2018, "Regularizing and optimizing LSTM language models", algorithm 1), for which see
    `loop.BestSoFar.stagnates`.
    """
    if config.average == "none":
        return None
    decay = config.decay
    log_decay = math.log(decay) if decay else -math.inf

    def seen_since(updates_made, start):
        return jnp.maximum((updates_made - start).astype(jnp.float32), 1)

    weights = {
        "ema": lambda made, start: (1 - decay) / -jnp.expm1(made.astype(jnp.float32) * log_decay),
        "asgd": lambda made, start: 1 / seen_since(made, config.average_start),
        "ntasgd": lambda made, start: 1 / seen_since(made, start),
    }

    def update(average, params, updates_made, start=None):
        w_t = weights[config.average](updates_made, start)
        return jax.tree.map(lambda a, p: ((1 - w_t) * a + w_t * p).astype(p.dtype), average, params)

    return Average(update, triggered=config.average == "ntasgd")
