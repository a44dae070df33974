"""Muon against singular values in float64, and NAdam for what it leaves alone."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from rnnjax.training import TrainingConfig, make_optimizer
from rnnjax.training.optimizers.factory import hidden_matrices

RATE, DECAY = 0.05, 0.2
SHAPES = {
    "embed": {"embedding": (6, 3)},
    "conv": {"kernel": (2, 2, 3, 4), "bias": (4,)},
    "cell": {"w_ih": (3, 8), "b": (8,), "w_score": (8,)},
    "crf": {"transitions": (3, 3)},
    "detection_head": {"kernel": (8, 6)},
}
BY_MUON = {("conv", "kernel"), ("cell", "w_ih")}


def drawn(seed):
    rng = np.random.default_rng(seed)
    return {
        layer: {name: rng.standard_normal(shape) for name, shape in leaves.items()}
        for layer, leaves in SHAPES.items()
    }


def float32(tree):
    return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), tree)


def orthogonal(matrix):
    """What five Newton-Schulz iterations make of each singular value, on its own."""
    u, s, vt = np.linalg.svd(matrix, full_matrices=False)
    s = s / np.linalg.norm(s)
    for _ in range(5):
        s = 3.4445 * s - 4.775 * s**3 + 2.0315 * s**5
    return u * s @ vt


def by_hand(start, gradients):
    """A matrix after each gradient, in float64."""
    p = start.reshape(-1, start.shape[-1])
    m, seen = np.zeros_like(p), []
    for t, g in enumerate(gradients, 1):
        g = g.reshape(p.shape)
        m = 0.95 * m + 0.05 * g
        ahead = 0.95 * m / (1 - 0.95 ** (t + 1)) + 0.05 * g / (1 - 0.95**t)
        update = 0.2 * np.sqrt(max(p.shape)) * orthogonal(ahead)
        p = p - RATE * (update + DECAY * p)
        seen.append(p.reshape(start.shape))
    return np.array(seen)


def test_matrices_follow_muon_and_all_else_nadamw():
    gradients = [drawn(seed) for seed in range(1, 7)]
    config = TrainingConfig(
        optimizer="muon", learning_rate=RATE, weight_decay=DECAY, schedule="constant",
        warmup_steps=0, clip_norm=0.0,
    )  # fmt: skip
    optimizer = make_optimizer(config)
    nadamw = optax.nadamw(RATE, weight_decay=DECAY)
    params = others = float32(drawn(0))
    state, state_of_others = optimizer.init(params), nadamw.init(others)
    update, update_others = jax.jit(optimizer.update), jax.jit(nadamw.update)
    for t, gradient in enumerate(map(float32, gradients)):
        updates, state = update(gradient, state, params)
        params = optax.apply_updates(params, updates)
        updates, state_of_others = update_others(gradient, state_of_others, others)
        others = optax.apply_updates(others, updates)
        for layer, leaves in SHAPES.items():
            for name in leaves:
                expected = others[layer][name]
                if (layer, name) in BY_MUON:
                    expected = by_hand(drawn(0)[layer][name], [g[layer][name] for g in gradients])[
                        t
                    ]
                np.testing.assert_allclose(params[layer][name], expected, rtol=2e-4, atol=2e-5)


def test_only_matrices_between_hidden_layers_are_orthogonalised():
    chosen = hidden_matrices(float32(drawn(0)))
    found = {(layer, name) for layer, leaves in chosen.items() for name in leaves if leaves[name]}
    assert found == BY_MUON
    assert chosen["conv"]["kernel"] == ((0, 1, 2), 3)
