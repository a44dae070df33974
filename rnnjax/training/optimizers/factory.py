"""Optimizers and learning-rate schedules by name, with gradient clipping in front."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from rnnjax.errors import check_known

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
    check_known("schedule", name, SCHEDULES)
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
    check_known("optimizer", name, OPTIMIZERS)
    parts = [optax.clip_by_global_norm(clip_norm)] if clip_norm else []
    if weight_decay and name not in ("adamw", "muon"):
        parts.append(optax.add_decayed_weights(weight_decay))
    return optax.chain(*parts, makers[name]())


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
