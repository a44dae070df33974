import math

import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.errors import UserError
from rnnjax.training import TrainingConfig, make_optimizer, make_schedule, make_training

RATE, CLIP = 0.05, 1.0


def trajectory(name, gradients, **options):
    """Parameters after each gradient, by the optimizer under test."""
    given = {"learning_rate": RATE, "schedule": "constant", "warmup_steps": 0, "clip_norm": CLIP}
    optimizer = make_optimizer(TrainingConfig(optimizer=name, **given | options))
    params = {"a": jnp.array([0.5, -1.0]), "b": jnp.array(2.0)}
    state, seen = optimizer.init(params), []
    for g in gradients:
        updates, state = optimizer.update(
            {"a": jnp.asarray(g[:2], jnp.float32), "b": jnp.asarray(g[2], jnp.float32)},
            state,
            params,
        )
        params = {k: params[k] + updates[k] for k in params}
        seen.append([*np.asarray(params["a"]), float(params["b"])])
    return np.array(seen)


def by_hand(name, gradients, weight_decay=0.0, momentum=0.9):
    """The same in float64, from the papers."""
    p = np.array([0.5, -1.0, 2.0])
    m, v, seen = np.zeros(3), np.zeros(3), []
    for t, g in enumerate(gradients, 1):
        g = g * min(1.0, CLIP / np.linalg.norm(g))
        if name != "adamw":
            g = g + weight_decay * p
        if name == "sgd":
            m = momentum * m + g
            update = m
        elif name == "rmsprop":
            v = 0.9 * v + 0.1 * g**2
            update = g / np.sqrt(v + 1e-8)
        else:
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
            update = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            if name == "adamw":
                update = update + weight_decay * p
        p = p - RATE * update
        seen.append(p)
    return np.array(seen)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam", "adamw"])
def test_optimizer_follows_its_paper(name, weight_decay):
    gradients = 0.8 * np.random.default_rng(0).standard_normal((12, 3))
    norms = np.linalg.norm(gradients, axis=1)
    assert (norms > CLIP).any()
    assert (norms < CLIP).any()
    np.testing.assert_allclose(
        trajectory(name, gradients, weight_decay=weight_decay),
        by_hand(name, gradients, weight_decay),
        rtol=2e-5,
    )


def test_momentum_zero_is_plain_descent():
    gradients = np.random.default_rng(1).standard_normal((5, 3))
    np.testing.assert_allclose(
        trajectory("sgd", gradients, momentum=0.0), by_hand("sgd", gradients, momentum=0.0), 1e-5
    )


def test_optimizer_follows_its_schedule():
    gradients = np.full((6, 3), 0.1)
    seen = trajectory("sgd", gradients, momentum=0.0, schedule="step", decay_every=2)
    steps = -np.diff(seen[:, 2], prepend=2.0) / 0.1
    np.testing.assert_allclose(steps, RATE * np.array([1, 1, 0.5, 0.5, 0.25, 0.25]), rtol=1e-4)


@pytest.mark.parametrize("warmup", [0, 4])
@pytest.mark.parametrize("name", ["constant", "step", "inverse", "cosine"])
def test_schedule_values(name, warmup):
    rate = make_schedule(
        TrainingConfig(
            schedule=name, learning_rate=0.2, num_steps=20, warmup_steps=warmup, decay_every=5
        )
    )
    for n in range(25):
        m = max(n - warmup, 0)
        expected = 0.2 * (min(1.0, (n + 1) / warmup) if warmup else 1.0)
        if name == "step":
            expected *= 0.5 ** (m // 5)
        if name == "inverse":
            expected /= 1 + m / 5
        if name == "cosine":
            part = min(m / (20 - warmup), 1.0)
            expected *= (1 + math.cos(math.pi * part)) / 2
        assert float(rate(jnp.asarray(n))) == pytest.approx(expected, rel=1e-5, abs=1e-8), n


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("optimizer", "adm", "unknown --config.optimizer=adm; did you mean 'adam'"),
        ("schedule", "cosin", "unknown --config.schedule=cosin; did you mean 'cosine'"),
        ("average", "emma", "unknown --config.average=emma; did you mean 'ema'"),
        ("learning_rate", -1.0, "learning_rate is above 0; got -1.0"),
        ("learning_rate", math.nan, "learning_rate is above 0; got nan"),
        ("learning_rate", math.inf, "learning_rate is above 0; got inf"),
        ("clip_norm", -1.0, "clip_norm is 0 or more"),
        ("clip_norm", math.nan, "clip_norm is 0 or more"),
        ("weight_decay", -0.1, "weight_decay is 0 or more"),
        ("average_decay", 1.0, r"average_decay lies in \[0, 1\); got 1.0"),
        ("average_start", -1, "average_start is 0 or more; got -1"),
        ("num_steps", 2**31, "num_steps is at most 2,147,483,647"),
        ("decay_every", 0, "decay_every is 1 or more"),
        ("warmup_steps", -1, "warmup_steps is 0 or more"),
    ],
)
def test_settings_that_cannot_work_are_named(field, value, words):
    with pytest.raises(UserError, match=words):
        make_training(TrainingConfig(**{field: value}), loss_fn=None)
