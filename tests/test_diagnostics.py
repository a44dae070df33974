"""Diagnostics against explicit loops, Jacobian products and the cells' own equations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import rnnjax
from rnnjax import diagnostics
from rnnjax.cells.named import CELLS, deep

T, B, D, H = 7, 2, 3, 5


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def draw(cell, seed=0, input_size=D):
    """Parameters without zeros in them, and inputs."""
    params = cell.init(jax.random.key(seed), input_size)
    params = jax.tree.map(lambda p: p.astype(float), params)
    keys = jax.random.split(jax.random.key(seed + 1), len(jax.tree.leaves(params)))
    leaves, structure = jax.tree.flatten(params)
    leaves = [p + 0.3 * jax.random.normal(k, p.shape) for p, k in zip(leaves, keys, strict=True)]
    xs = jax.random.normal(jax.random.key(seed + 2), (T, B, input_size))
    return jax.tree.unflatten(structure, leaves), xs


def traced(cell):
    """The one layer of a cell that `draw` has drawn."""
    (layer,) = diagnostics.trace(cell, *draw(cell))
    return layer


def loop(cell, params, xs):
    """The carries after each step, by a Python loop."""
    carry = cell.initial_carry(params, (B,))
    carries = []
    for x_t in xs:
        carry, _ = cell(params, carry, x_t)
        carries.append(carry)
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *carries)


def close(actual, expected, rtol=1e-12):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-14)


def test_trace_keeps_every_layer_of_a_deep_cell():
    cell = deep("lstm", H, num_layers=2, dropout=0.3, weight_drop=0.2)
    params, xs = draw(cell)
    lower, upper = diagnostics.trace(cell, params, xs)
    first, second = (c for c in loop(cell, params, xs) if jax.tree.leaves(c))
    for layer, expected in ((lower, first), (upper, second)):
        jax.tree.map(close, layer.after, expected)
        jax.tree.map(lambda b, a: close(b[1:], a[:-1]), layer.before, expected)
        assert not jax.tree.leaves(layer.before)[0][0].any()
    close(upper.xs, first.h)
    close(diagnostics.activations(upper), np.tanh(second.c))


def test_trace_of_params_of_another_cell_is_told():
    params, xs = draw(rnnjax.lstm(H))
    with pytest.raises(rnnjax.UserError, match=r"gru\(.*\) has params GRUParams.*; got LSTM"):
        diagnostics.trace(rnnjax.gru(H), params, xs)


def test_trace_of_a_reversed_layer_runs_from_the_end():
    cell = rnnjax.bidirectional(rnnjax.gru(H), rnnjax.gru(H))
    params, xs = draw(cell)
    _, backward = diagnostics.trace(cell, params, xs)
    close(backward.after[::-1], loop(rnnjax.gru(H), params.backward, xs[::-1]))
    (forward,) = diagnostics.trace(rnnjax.gru(H), params.backward, xs[::-1])
    turned = backward.in_reading_order()
    for name in ("xs", "before", "after"):
        close(getattr(turned, name), getattr(forward, name))
    assert not turned.reverse


@pytest.mark.parametrize("name", [name for name in CELLS if name.startswith("lstm")])
def test_lstm_gates_make_the_next_carry(name):
    layer = traced(CELLS[name](H))
    params, xs, found = layer.params, layer.xs, diagnostics.gates(layer)
    if name == "lstm_layer_norm":
        c = layer.after.c
        seen = (c - c.mean(-1, keepdims=True)) / np.sqrt(c.var(-1, keepdims=True) + 1e-6)
        seen = seen * params.norms.gain_c + params.norms.bias_c
    else:
        seen = layer.after.c
    close(found["o"] * np.tanh(seen), layer.after.h)
    f = {"lstm_1997": 1.0, "lstm_coupled": 1 - found["i"]}.get(name, found.get("f"))
    candidate = (layer.after.c - f * layer.before.c) / found["i"]
    assert np.abs(candidate).max() < 1
    if params.norms is None:
        gate_count = params.w_hh.shape[1] // H
        w_g = slice((gate_count - 2) * H, (gate_count - 1) * H)
        a_g = xs @ params.w_ih[:, w_g] + layer.before.h @ params.w_hh[:, w_g] + params.b[w_g]
        close(candidate, np.tanh(a_g), rtol=1e-9)


@pytest.mark.parametrize("name", [name for name in CELLS if name.startswith("gru")])
def test_gru_gates_make_the_next_carry(name):
    layer = traced(CELLS[name](H))
    params, xs, found = layer.params, layer.xs, diagnostics.gates(layer)
    h = layer.before
    candidate = (layer.after - found["z"] * h) / (1 - found["z"])
    x_n, h_n = xs @ params.w_ih[:, -H:] + params.b[-H:], params.w_hh[:, -H:]
    a_n = {
        "gru": lambda: x_n + found["r"] * (h @ h_n + params.b_hn),
        "gru_cho": lambda: x_n + (found["r"] * h) @ h_n,
        "gru_simple": lambda: x_n + h @ h_n,
    }[name]()
    close(candidate, np.tanh(a_n), rtol=1e-9)


def test_zoneout_leaves_the_gates_and_an_elman_cell_has_none():
    layer = traced(rnnjax.zoneout(rnnjax.lstm(H), 0.2))
    assert layer.after.h.shape == diagnostics.gates(layer)["f"].shape
    inner = layer._replace(cell=rnnjax.lstm(H))
    close(diagnostics.gates(layer)["f"], diagnostics.gates(inner)["f"])
    layer = traced(rnnjax.rnn(H))
    assert diagnostics.gates(layer) == {}
    close(diagnostics.activations(layer), layer.after)


@pytest.mark.parametrize("name", ["slstm", "mamba2", "qrnn"])
def test_activations_are_outputs_where_the_carry_has_several_parts(name):
    layer = traced(CELLS[name](4))
    ys = rnnjax.unroll_reference(layer.cell, layer.params, layer.xs)[1]
    close(diagnostics.activations(layer), ys)


def test_saturation_counts_steps():
    gate = jnp.array([[0.05, 0.5], [0.05, 0.95], [0.95, 0.91], [0.2, 0.99]])[:, None]
    found = diagnostics.saturation(gate)
    close(found.left, [0.5, 0.0])
    close(found.right, [0.25, 0.75])


def test_persistence_prefers_slow_switches():
    t = np.arange(400)
    slow = np.where(t // 50 % 2, 1.0, -1.0)
    values = np.stack([slow, np.where(t % 2, 1.0, -1.0), 0.1 * slow, np.ones(400)], axis=1)
    found = diagnostics.persistence(jnp.asarray(values), lag=3)
    assert np.argmax(found) == 0
    assert found[1] < 0
    assert found[3] == 0
    centred = values - values.mean(0)
    close(found, [np.mean(centred[3:, n] * centred[:-3, n]) for n in range(4)])


@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_gradient_norms_are_those_of_jacobian_products(name):
    """Brute force: every step's whole Jacobian, multiplied out in a Python loop."""
    cell = deep(name, H, num_layers=2)
    params, xs = draw(cell)
    xs = xs[:, 0]
    readout = jax.random.normal(jax.random.key(9), (H,))

    # Not jitted: see CONTRIBUTING.md on jaxlib 0.10.2 and AVX-512.
    def step(carry, x_t):
        carry, y_t = cell(params, carry, x_t)
        return carry, jnp.tanh(y_t @ readout) ** 2

    start = cell.initial_carry(params, ())
    flat, unflatten = ravel_pytree(start)
    flats = [flat]
    for x_t in xs:
        carry, _ = step(unflatten(flats[-1]), x_t)
        flats.append(ravel_pytree(carry)[0])
    jacobians = [
        jax.jacobian(lambda f, x_t=x_t: ravel_pytree(step(unflatten(f), x_t)[0])[0])(flat)
        for flat, x_t in zip(flats, xs, strict=False)
    ]
    K = 3
    expected = np.zeros((T - K, K + 1))
    for row, t in enumerate(range(K, T)):
        gradient = jax.grad(lambda f, t=t: step(unflatten(f), xs[t])[1])(flats[t])
        expected[row, 0] = np.linalg.norm(gradient)
        for k in range(1, K + 1):
            gradient = jacobians[t - k].T @ gradient
            expected[row, k] = np.linalg.norm(gradient)
    close(diagnostics.gradient_norms(step, start, xs, max_distance=K), expected, rtol=1e-9)
    thinned = diagnostics.gradient_norms(step, start, xs, max_distance=K, num_positions=3)
    close(thinned, expected[::2], rtol=1e-9)


def linear_layer(w, length=12):
    """A recurrence h_t = h_tm1 w + x_t."""
    cell = rnnjax.rnn(len(w), activation=lambda a: a)
    params = rnnjax.RNNParams(jnp.eye(len(w)), jnp.asarray(w), jnp.zeros(len(w)))
    xs = jax.random.normal(jax.random.key(5), (length, B, len(w)))
    (layer,) = diagnostics.trace(cell, params, xs)
    return layer


@pytest.mark.parametrize("largest", [0.9, 1.0, 1.1])
def test_products_of_a_linear_recurrence_are_powers_of_its_matrix(largest):
    w = np.random.default_rng(0).normal(size=(H, H))
    params = rnnjax.RNNParams(jnp.eye(H), jnp.asarray(w), jnp.zeros(H))
    scaled = np.asarray(diagnostics.scaled_recurrence(params, largest).w_hh)
    close(np.linalg.svd(scaled, compute_uv=False)[0], largest)
    close(scaled / np.linalg.norm(scaled), w / np.linalg.norm(w))
    jacobians = diagnostics.step_jacobians(linear_layer(scaled), row=1)
    found = diagnostics.product_singular_values(jacobians, [1, 3, 8])
    for k, values in zip((1, 3, 8), found, strict=True):
        power = np.linalg.matrix_power(scaled, k)
        close(values, np.linalg.svd(power, compute_uv=False), rtol=1e-9)


def test_each_gate_is_scaled_by_itself_and_what_has_no_gates_is_told():
    params, _ = draw(rnnjax.lstm(H))
    scaled = diagnostics.scaled_recurrence(params, 1.5)
    for n in range(4):
        block = np.asarray(scaled.w_hh)[:, n * H : (n + 1) * H]
        close(np.sqrt(np.linalg.eigvalsh(block.T @ block).max()), 1.5)
    close(scaled.w_ih, params.w_ih)
    projects, has_vector = draw(rnnjax.lstm(H, projection_size=2))[0], draw(rnnjax.indrnn(H))[0]
    for wrong in ({"u": jnp.ones(3)}, projects, has_vector):
        with pytest.raises(rnnjax.UserError, match="w_hh of square blocks"):
            diagnostics.scaled_recurrence(wrong, 1.0)


@pytest.mark.parametrize("name", ["gru", "lstm_peephole"])
def test_jacobians_are_central_differences_of_a_step(name):
    layer = traced(CELLS[name](H))
    cell, params, xs = layer.cell, layer.params, layer.xs
    found, epsilon = diagnostics.step_jacobians(layer, row=1), 1e-6
    for t in (0, T - 1):
        flat, unflatten = ravel_pytree(jax.tree.map(lambda leaf, t=t: leaf[t, 1], layer.before))

        def step(c, t=t, unflatten=unflatten):
            return ravel_pytree(cell(params, unflatten(jnp.asarray(c)), xs[t, 1])[0])[0]

        columns = [
            (step(flat + epsilon * unit) - step(flat - epsilon * unit)) / (2 * epsilon)
            for unit in np.eye(len(flat))
        ]
        np.testing.assert_allclose(found[t], np.stack(columns, axis=1), atol=1e-8)


@pytest.mark.parametrize("bias", [-1.0, 0.0, 3.0])
def test_an_lstm_with_constant_forget_gates_remembers_so_many_steps(bias):
    cell = rnnjax.lstm(H, forget_bias=bias)
    params = jax.tree.map(jnp.zeros_like, draw(cell)[0])
    params = params._replace(b=params.b.at[H : 2 * H].set(bias))
    xs = jnp.ones((T, B, D))
    (layer,) = diagnostics.trace(cell, params, xs)
    close(diagnostics.memory_lengths(layer), np.full(H, 1 + np.exp(bias)))
    of_c = diagnostics.step_jacobians(layer)[:, :H, :H]
    kept = diagnostics.product_singular_values(of_c, [4])[0]
    close(kept, np.full(H, (1 / (1 + np.exp(-bias))) ** 4), rtol=1e-9)


def test_memory_lengths_of_other_cells():
    def of(name):
        layer = traced(CELLS[name](H))
        return diagnostics.memory_lengths(layer), layer

    found, layer = of("gru")
    r_z = xs_of(layer) + layer.before @ layer.params.w_hh + jnp.zeros(3 * H)
    z = 1 / (1 + np.exp(-np.asarray(r_z[..., H : 2 * H])))
    close(found, 1 / (1 - z.mean(axis=(0, 1))), rtol=1e-9)
    assert np.isinf(of("lstm_1997")[0]).all()
    found, layer = of("lstm_coupled")
    close(found, 1 / np.asarray(diagnostics.gates(layer)["i"]).mean(axis=(0, 1)), rtol=1e-9)
    found, layer = of("mingru")
    z = 1 / (1 + np.exp(-np.asarray(xs_of(layer)[..., :H])))
    close(found, 1 / (1 - z.mean(axis=(0, 1))), rtol=1e-9)
    found, layer = of("lru")
    close(found, 1 / (1 - np.exp(-np.exp(layer.params.log_decay))), rtol=1e-9)
    assert of("rnn")[0] is None


def xs_of(layer):
    return layer.xs @ layer.params.w_ih + layer.params.b
