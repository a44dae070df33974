"""Averages of the weights over training steps, to evaluate and sample with."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.errors import UserError, did_you_mean

AVERAGES = ("none", "ema", "asgd")

Params = Any


class Average(NamedTuple):
    """A running average of the parameters.

    Attributes:
        init: ``(params) -> average``.
        update: ``(average, params, updates_made) -> average``, given the parameters after the
            update and the number of updates made so far, this one included.
    """

    init: Callable[[Params], Params]
    update: Callable[[Params, Params, jax.Array], Params]


def make_average(name: str = "none", *, decay: float = 0.999, start_step: int = 0) -> Average:
    """Makes a running average of the parameters, at all times usable as it is.

    With p_t the parameters after update t, d = `decay`, s = `start_step`::

        a_t = (1 - w_t) a_tm1 + w_t p_t
        ema:  w_t = (1 - d) / (1 - d^t)      a_t = sum_i d^(t-i) p_i / sum_i d^(t-i)
        asgd: w_t = 1 / max(t - s, 1)        a_t = mean of p_(s+1) .. p_t, and p_t up to s

    ema is the bias-corrected exponential average of Kingma and Ba (2015, section 7.2); asgd is
    Polyak and Juditsky (1992), from a trigger on as in Merity et al. (2018).

    Args:
        name: 'none', 'ema' or 'asgd'.
        decay: of ema; in [0, 1).
        start_step: updates before asgd begins to average.

    Returns:
        The average; 'none' keeps None and costs nothing.

    Raises:
        UserError: an unknown name.
    """
    if name == "none":
        return Average(lambda params: None, lambda average, params, updates_made: None)
    log_decay = math.log(decay) if decay else -math.inf
    weights = {
        "ema": lambda updates_made: (1 - decay) / -jnp.expm1(updates_made * log_decay),
        "asgd": lambda updates_made: 1 / jnp.maximum(updates_made - start_step, 1),
    }
    if name not in weights:
        raise UserError(f"Unknown average '{name}': {did_you_mean(name, AVERAGES)}")
    weight = weights[name]

    def update(average, params, updates_made):
        w_t = weight(updates_made.astype(jnp.float32))
        return jax.tree.map(lambda a, p: ((1 - w_t) * a + w_t * p).astype(p.dtype), average, params)

    return Average(lambda params: params, update)
