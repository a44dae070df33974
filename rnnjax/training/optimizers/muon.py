"""Muon: matrices move by orthogonal updates, all other parameters by NAdam's."""

from typing import Any

import jax
import optax
from optax import contrib

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

    Args:
        rate: learning rate after each number of updates.
        weight_decay: decoupled, for all parameters.

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
    """Which parameters are matrices from one hidden layer to the next.

    They are those named `kernel` or `w_...` that have two axes or more, the last one that of the
    outputs, and are not of a `...head`: an output layer, like an embedding, has a row or column
    for each word, and a word that is not in a batch should not move.

    Args:
        params: any pytree with names in it.

    Returns:
        The same tree of `optax.contrib.MuonDimensionNumbers`, or None where Adam is to be used.
    """

    def axes(path, leaf) -> contrib.MuonDimensionNumbers | None:
        names = [str(getattr(key, "key", getattr(key, "name", ""))) for key in path]
        is_matrix = any(name == "kernel" or name.startswith("w_") for name in names)
        is_head = any(name.endswith("head") for name in names)
        if leaf.ndim < 2 or is_head or not is_matrix:
            return None
        return contrib.MuonDimensionNumbers(tuple(range(leaf.ndim - 1)), leaf.ndim - 1)

    return jax.tree_util.tree_map_with_path(axes, params)
