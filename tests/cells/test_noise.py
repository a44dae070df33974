"""The randomness of training: what it draws, and that it is off without a key."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax import dropout, gru, lstm, stack, variational_dropout, weight_drop, zoneout
from tests.cells import oracles
from tests.cells.zoo import ZOO, B, H, T, inputs, inputs_of, jit

KEY = jax.random.key(7)
ONES = jnp.ones((50, 40, 20))
NOISY = {
    **{n: ZOO[n] for n in ("lstm_stochastic", "zoneout", "zoneout_gru", "weight_drop", "stack")},
    "bidirectional": rnnjax.bidirectional(
        stack([variational_dropout(0.3), weight_drop(zoneout(lstm(H), 0.2), 0.4)]),
        rnnjax.learned_carry(zoneout(lstm(H, stochastic_gates=True), 0.3)),
    ),
}


@pytest.mark.parametrize("name", NOISY)
def test_the_same_key_gives_the_numbers_of_the_reference(name):
    cell = NOISY[name]
    params, xs, carry = inputs_of(cell, 0)
    guards = {
        "mask": np.arange(T)[:, None] < np.array([T, 5, 2]),
        "reset": np.arange(T)[:, None] == np.array([3, 2, 1]),
        "reverse": True,
    }

    def run(key, remat):
        return rnnjax.unroll(cell, params, xs, carry, key=key, remat=remat, **guards)

    expected = rnnjax.unroll_reference(cell, params, xs, carry, key=KEY, **guards)
    for remat in ("none", "sqrt"):
        compiled = jit(functools.partial(run, remat=remat))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), compiled(KEY), expected
        )
        assert np.abs(compiled(jax.random.key(8))[1] - expected[1]).max() > 1e-3


@pytest.mark.parametrize("name", ["weight_drop", "lstm_stochastic"])
def test_without_a_key_there_is_no_noise(name):
    """Zoneout acts then by its expectation: see the equations."""
    params, xs, carry = inputs(name, 0)
    plain = rnnjax.unroll(lstm(H), params, xs, carry)
    ours = rnnjax.unroll(ZOO[name], params, xs, carry)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6), ours, plain)


@pytest.mark.parametrize("make", [dropout, variational_dropout])
def test_dropout_keeps_the_mean_and_is_off_without_a_key(make):
    _, ys = rnnjax.unroll(make(0.2), (), ONES, key=KEY)
    np.testing.assert_allclose(np.unique(ys), [0, 1.25])
    dropped = np.mean(np.asarray(ys) == 0)
    draws = ONES.size if make is dropout else ONES[0].size
    assert abs(dropped - 0.2) < 5 * (0.16 / draws) ** 0.5
    _, ys = rnnjax.unroll(make(0.2), (), ONES)
    np.testing.assert_array_equal(ys, ONES)
    _, y_t = make(0.2)((), (), ONES[0])
    np.testing.assert_array_equal(y_t, ONES[0])


def test_dropout_is_drawn_anew_at_every_step_and_variational_dropout_once_a_row():
    _, anew = rnnjax.unroll(dropout(0.5), (), ONES, key=KEY)
    _, once = rnnjax.unroll(variational_dropout(0.5), (), ONES, key=KEY)
    assert len({np.asarray(y_t).tobytes() for y_t in anew}) == len(ONES)
    assert len({np.asarray(y_t).tobytes() for y_t in once}) == 1
    assert len({np.asarray(row).tobytes() for row in once[0]}) == ONES.shape[1]


def test_the_layers_of_a_stack_draw_by_themselves():
    _, ys = rnnjax.unroll(stack([dropout(0.5), dropout(0.5)]), ((), ()), ONES, key=KEY)
    assert abs(np.mean(np.asarray(ys) == 0) - 0.75) < 0.01


def test_weight_drop_takes_one_mask_a_sequence_from_the_recurrent_matrix_alone():
    """The identity applied again and again to ones: y_t shows its dropped diagonal, to the t-th."""
    size = 30
    cell = weight_drop(rnnjax.rnn(size, activation=lambda a: a), 0.25)
    identity = jnp.eye(size)
    params = rnnjax.RNNParams(w_ih=jnp.zeros((1, size)), w_hh=identity, b=jnp.zeros(size))
    _, ys = rnnjax.unroll(cell, params, jnp.ones((3, 2, 1)), jnp.ones((2, size)), key=KEY)
    scale = np.asarray(ys[0, 0])
    np.testing.assert_allclose(np.unique(scale), [0, 1 / 0.75], rtol=1e-6)
    for t in range(3):
        for b in range(2):
            np.testing.assert_allclose(ys[t, b], scale ** (t + 1), rtol=1e-5)
    biased = params._replace(w_ih=jnp.ones((1, size)), w_hh=0 * identity, b=jnp.ones(size))
    _, ys = rnnjax.unroll(cell, biased, jnp.ones((3, 2, 1)), key=KEY)
    np.testing.assert_allclose(ys, 2, rtol=1e-6)


def test_the_gradient_of_a_dropped_weight_is_zero():
    cell = weight_drop(rnnjax.rnn(4), 0.5)
    params, xs, carry = inputs("rnn", 0)

    def value(params):
        return jnp.sum(rnnjax.unroll(cell, params, xs, carry, key=KEY)[1])

    dropped = np.asarray(jit(jax.grad(value))(params).w_hh) == 0
    for lines in (dropped, dropped.T):  # neither whole rows nor whole columns
        assert len({line.tobytes() for line in lines}) > 1


@pytest.mark.parametrize("make", [lstm, gru])
def test_zoneout_keeps_or_takes_each_unit(make):
    """One step: every unit is the old one or the new one, at the rates of c and of h."""
    size, rows = 20, 200
    rates = {"cell_state_rate": 0.7} if make is lstm else {}
    cell = zoneout(make(size), 0.2, **rates)
    params = jit(lambda: cell.init(KEY, 3))()
    xs = jax.random.normal(KEY, (1, rows, 3))
    old = jax.tree.map(lambda c: c + 2.0, cell.initial_carry(params, (rows,)))
    new, _ = rnnjax.unroll(make(size), params, xs, old)
    carry, ys = rnnjax.unroll(cell, params, xs, old, key=KEY)
    expected_rates = rnnjax.LSTMCarry(c=0.7, h=0.2) if make is lstm else 0.2

    def check(unit, old, new, rate):
        kept = np.asarray(unit == old)
        np.testing.assert_allclose(unit, np.where(kept, old, new), atol=1e-6)
        assert abs(kept.mean() - rate) < 5 * (rate * (1 - rate) / kept.size) ** 0.5

    jax.tree.map(check, carry, old, new, expected_rates)
    np.testing.assert_array_equal(ys[0], carry.h if make is lstm else carry)


def test_a_rate_of_0_may_be_an_integer():
    params, xs, carry = inputs("lstm", 0)
    expected = rnnjax.unroll(lstm(H), params, xs, carry)
    found = rnnjax.unroll(zoneout(lstm(H), 0), params, xs, carry, key=KEY)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5), found, expected)


def test_stochastic_gates_are_samples_of_their_sigmoids():
    """One step from c = 2 with g = 1 shows every gate: c = 2 f + i and h = o tanh(c)."""
    size, rows = 8, 4000
    cell = lstm(size, stochastic_gates=True)
    logits = jnp.linspace(-2, 2, size)
    b = jnp.concatenate([logits, -logits, jnp.full(size, 20.0), 0.5 * logits])  # i, f, g, o
    params = rnnjax.LSTMParams(jnp.zeros((1, 4 * size)), jnp.zeros((size, 4 * size)), b)
    start = rnnjax.LSTMCarry(c=jnp.full((rows, size), 2.0), h=jnp.zeros((rows, size)))
    carry, ys = rnnjax.unroll(cell, params, jnp.zeros((1, rows, 1)), start, key=KEY)
    c = np.round(np.asarray(carry.c), 5)
    assert set(np.unique(c)) == {0, 1, 2, 3}
    gates = {"i": c % 2, "f": c // 2}
    visible = c > 0
    output = np.asarray(ys[0]) / np.where(visible, np.tanh(c), 1)
    np.testing.assert_allclose(output, np.round(output), atol=1e-5)
    probabilities = {"i": logits, "f": -logits, "o": 0.5 * logits}
    means = {name: gate.mean(0) for name, gate in gates.items()}
    means["o"] = output.sum(0) / visible.sum(0)
    for name, mean in means.items():
        np.testing.assert_allclose(mean, oracles.sigmoid(probabilities[name]), atol=0.06)
    covariance = np.mean((gates["i"] - means["i"]) * (gates["f"] - means["f"]))
    assert abs(covariance) < 0.01


def test_straight_through_is_the_gradient_of_the_sigmoid_around_the_sample():
    """For one step: d c / d a_i = sigmoid'(a_i) g, and d c / d c_old = the sampled f."""
    cell = lstm(H, stochastic_gates=True)
    params, xs, carry = inputs("lstm_stochastic", 0)
    a_i, _, a_g, a_o = np.split(
        np.asarray(xs[0] @ params.w_ih + carry.h @ params.w_hh + params.b, np.float64), 4, axis=1
    )

    @jax.jit
    def final(b_rows, carry):
        layer = params._replace(b=jnp.zeros(4 * H), w_ih=jnp.eye(4 * H))
        inputs_t = (xs[0] @ params.w_ih + params.b) + b_rows
        return rnnjax.unroll(cell, layer, inputs_t[None], carry, key=KEY)[0]

    no_change = jnp.zeros((B, 4 * H))
    end = final(no_change, carry)
    gradient = jax.grad(lambda b: final(b, carry).c.sum())(no_change)
    s = oracles.sigmoid(a_i)
    np.testing.assert_allclose(gradient[:, :H], s * (1 - s) * np.tanh(a_g), rtol=1e-4, atol=1e-6)
    through_c = jax.grad(lambda c: final(no_change, carry._replace(c=c)).c.sum())(carry.c)
    assert set(np.unique(through_c)) == {0, 1}
    gradient = jax.grad(lambda b: final(b, carry).h.sum())(no_change)
    s = oracles.sigmoid(a_o)
    expected = s * (1 - s) * np.tanh(end.c)
    np.testing.assert_allclose(gradient[:, 3 * H :], expected, rtol=1e-4, atol=1e-6)
