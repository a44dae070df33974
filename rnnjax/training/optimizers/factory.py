"""Optimizers and learning-rate schedules by name, with gradient clipping in front."""

from collections.abc import Callable

import jax.numpy as jnp
import optax

from rnnjax.errors import UserError, did_you_mean
from rnnjax.training.optimizers.muon import muon

OPTIMIZERS = ("sgd", "rmsprop", "adam", "adamw", "muon")
SCHEDULES = ("constant", "step", "inverse", "cosine")


def make_schedule(
    name: str,
    learning_rate: float,
    *,
    num_steps: int = 0,
    warmup_steps: int = 0,
    decay_every: int = 1,
) -> optax.Schedule:
    """A learning rate as a function of the number of updates already made.

    With n updates made, W = `warmup_steps` and m = max(n - W, 0)::

        rate(n) = learning_rate * min(1, (n + 1) / W) * decay(m)
        constant: decay(m) = 1
        step:     decay(m) = 0.5 ** floor(m / decay_every)
        inverse:  decay(m) = 1 / (1 + m / decay_every)
        cosine:   decay(m) = (1 + cos(pi * min(m / (num_steps - W), 1))) / 2

    cosine is SGDR (Loshchilov and Hutter 2017) without restarts.

    Args:
        name: one of `SCHEDULES`.
        learning_rate: the highest rate, reached at the end of the warm-up.
        num_steps: updates of the run, above `warmup_steps`; for cosine only.
        warmup_steps: updates of linear warm-up.
        decay_every: updates between two halvings of step; updates until the first one of inverse.

    Returns:
        A function from the update count to the rate.

    Raises:
        UserError: an unknown name.
    """
    decays: dict[str, Callable[[], optax.Schedule]] = {
        "constant": lambda: optax.constant_schedule(learning_rate),
        "step": lambda: optax.exponential_decay(learning_rate, decay_every, 0.5, staircase=True),
        "inverse": lambda: lambda count: learning_rate / (1 + count / decay_every),
        "cosine": lambda: optax.cosine_decay_schedule(learning_rate, num_steps - warmup_steps),
    }
    if name not in decays:
        raise UserError(f"Unknown schedule '{name}': {did_you_mean(name, SCHEDULES)}")
    decay = decays[name]()
    if warmup_steps == 0:
        return decay

    def with_warmup(count):
        warmup = jnp.minimum(1.0, (count + 1) / warmup_steps)
        return warmup * decay(jnp.maximum(count - warmup_steps, 0))

    return with_warmup


def make_optimizer(
    name: str,
    *,
    learning_rate: float | optax.Schedule,
    clip_norm: float | None = None,
    weight_decay: float = 0.0,
    momentum: float = 0.9,
) -> optax.GradientTransformation:
    """``optax.chain(clip_by_global_norm(clip_norm), optimizer)``.

    Args:
        name: 'sgd', 'rmsprop', 'adam', 'adamw' or 'muon' (see `muon`); what is not named here has
            the defaults of optax.
        learning_rate: a number, or what `make_schedule` gives.
        clip_norm: gradients of a greater global L2 norm are scaled down to it (Pascanu et al.
            2013); None or 0: no clipping.
        weight_decay: decoupled from the gradient in adamw (Loshchilov and Hutter 2019) and muon,
            added to the clipped gradient as an L2 penalty in the others.
        momentum: of sgd; 0: none.

    Returns:
        The gradient transformation; its updates are added to the parameters.

    Raises:
        UserError: an unknown name.
    """
    makers: dict[str, Callable[[], optax.GradientTransformation]] = {
        "sgd": lambda: optax.sgd(learning_rate, momentum=momentum or None),
        "rmsprop": lambda: optax.rmsprop(learning_rate),
        "adam": lambda: optax.adam(learning_rate),
        "adamw": lambda: optax.adamw(learning_rate, weight_decay=weight_decay),
        "muon": lambda: muon(learning_rate, weight_decay),
    }
    if name not in makers:
        raise UserError(f"Unknown optimizer '{name}': {did_you_mean(name, OPTIMIZERS)}")
    parts = [optax.clip_by_global_norm(clip_norm)] if clip_norm else []
    if weight_decay and name not in ("adamw", "muon"):
        parts.append(optax.add_decayed_weights(weight_decay))
    return optax.chain(*parts, makers[name]())
