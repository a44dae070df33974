"""Optimizers and learning-rate schedules of a config, with gradient clipping in front."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from rnnjax.training.config import TrainingConfig


def make_schedule(config: TrainingConfig) -> optax.Schedule:
    """The learning rate as a function of the number of updates already made.

    With n updates made, W = `warmup` and m = max(n - W, 0)::

        rate(n) = learning_rate * min(1, (n + 1) / W) * decay(m)
        constant: decay(m) = 1
        step:     decay(m) = 0.5 ** floor(m / decay_every)
        inverse:  decay(m) = 1 / (1 + m / decay_every)
        cosine:   decay(m) = (1 + cos(pi * min(m / (num_steps - W), 1))) / 2

    cosine is SGDR (Loshchilov and Hutter 2017) without restarts.
    """
    rate, decay_every, warmup = config.learning_rate, config.decay_every, config.warmup
    decays: dict[str, Callable[[], optax.Schedule]] = {
        "constant": lambda: optax.constant_schedule(rate),
        "step": lambda: optax.exponential_decay(rate, decay_every, 0.5, staircase=True),
        "inverse": lambda: lambda count: rate / (1 + count / decay_every),
        "cosine": lambda: optax.cosine_decay_schedule(rate, config.num_steps - warmup),
    }
    decay = decays[config.schedule]()
    if warmup == 0:
        return decay

    def with_warmup(count):
        return jnp.minimum(1.0, (count + 1) / warmup) * decay(jnp.maximum(count - warmup, 0))

    return with_warmup


def make_optimizer(config: TrainingConfig) -> optax.GradientTransformation:
    """``optax.chain(clip_by_global_norm(clip_norm), optimizer)``, at the rates of `make_schedule`.

    Gradients of a global L2 norm above `clip_norm` are scaled down to it (Pascanu et al. 2013).
    `weight_decay` is decoupled from the gradient in adamw (Loshchilov and Hutter 2019) and muon,
    and added to the clipped gradient as an L2 penalty in the others. What the config does not set
    has the defaults of optax; for muon see `muon`.
    """
    rates, decay = make_schedule(config), config.weight_decay
    makers: dict[str, Callable[[], optax.GradientTransformation]] = {
        "sgd": lambda: optax.sgd(rates, momentum=config.momentum or None),
        "rmsprop": lambda: optax.rmsprop(rates),
        "adam": lambda: optax.adam(rates),
        "adamw": lambda: optax.adamw(rates, weight_decay=decay),
        "muon": lambda: muon(rates, decay),
    }
    parts = [optax.clip_by_global_norm(config.clip_norm)] if config.clip_norm else []
    if decay and config.optimizer not in ("adamw", "muon"):
        parts.append(optax.add_decayed_weights(decay))
    return optax.chain(*parts, makers[config.optimizer]())


UPDATE_SIZE = 0.2
"""Root mean square of a matrix's update, in learning rates: about that of Adam's updates."""


def muon(rate: optax.Schedule, weight_decay: float) -> optax.GradientTransformation:
    """Steepest descent, where a step is measured by how far it can move an output.

    ::

        m_t = 0.95 m_(t-1) + 0.05 g_t,   n_t = 0.95 m^_(t+1) + 0.05 g^_t     (^: bias corrected)
        O_t = five Newton-Schulz iterations towards U V^T of n_t = U S V^T
        W_t = W_(t-1) - rate (UPDATE_SIZE sqrt(max(rows, columns)) O_t + weight_decay W_(t-1))

    for the `hidden_matrices`; for the rest nadamw at the same rate, which is AdamW with Nesterov's
    momentum. Adam moves a matrix mostly along the few directions in which its gradients are large;
    here all directions move alike, so what is rare in the data is learned much sooner.

    References:
        Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the size of
        the update: Liu et al. 2025, "Muon is scalable for LLM training", section 2.2.
    """
    return contrib.muon(
        rate,
        weight_decay=weight_decay,
        adam_weight_decay=weight_decay,
        muon_weight_dimension_numbers=hidden_matrices,
        consistent_rms=UPDATE_SIZE,
    )


def hidden_matrices(params: Any) -> Any:
    """Dimension numbers of the parameters that are matrices between hidden layers; None: of others.

    They are those named `kernel` or `w_...` that have two axes or more, the last one that of the
    outputs, and are not of a `...head`: an output layer, like an embedding, has a row or column
    for each word, and a word that is not in a batch should not move.
    """

    def axes(path, leaf) -> contrib.MuonDimensionNumbers | None:
        names = [str(getattr(key, "key", getattr(key, "name", ""))) for key in path]
        is_matrix = any(name == "kernel" or name.startswith("w_") for name in names)
        is_head = any(name.endswith("head") for name in names)
        if leaf.ndim < 2 or is_head or not is_matrix:
            return None
        return contrib.MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)
