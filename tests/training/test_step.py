import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from rnnjax import training
from rnnjax.training.state import TrainState, is_finite
from tests.training import toy


def test_update_is_the_optimizer_applied_to_the_gradient_of_the_mean():
    step, state = toy.setup(optimizer="sgd", learning_rate=0.1, clip_norm=0.0, average="none")
    batch, params = next(toy.Batches()), toy.init_params()
    key = jax.random.fold_in(jax.random.key(3), 0)

    def mean(params):
        loss = toy.loss_fn(params, jnp.zeros((toy.ROWS, toy.SIZE)), batch, key)
        return loss.total / (toy.ROWS * toy.STEPS)

    grads = jax.grad(mean)(params)
    state, metrics = step(state, batch)
    for name in params:
        expected = params[name] - 0.1 * grads[name]
        np.testing.assert_allclose(state.params[name], expected, rtol=1e-5, atol=1e-6)
    norm = np.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for g in grads.values()))
    assert float(metrics["grad_norm"]) == pytest.approx(norm, rel=1e-5)
    total, count = metrics["sums"]["loss"]
    assert float(total / count) == pytest.approx(float(mean(params)), rel=1e-5)
    assert int(count) == toy.ROWS * toy.STEPS
    assert int(state.step) == 1
    assert state.ema is None


def test_each_step_has_its_own_key():
    step, state = toy.setup(learning_rate=1e-30, average="none")
    batch, losses = next(toy.Batches()), []
    for _ in range(3):
        state, metrics = step(state._replace(carry=jnp.zeros((toy.ROWS, toy.SIZE))), batch)
        losses.append(float(metrics["sums"]["loss"][0]))
    assert len(set(losses)) == 3


def test_clipped_tells_whether_the_norm_exceeded():
    batch = next(toy.Batches())
    step, state = toy.setup(clip_norm=0.0)
    norm = float(step(state, batch)[1]["grad_norm"])
    for clip_norm, expected in ((norm * 0.9, True), (norm * 1.1, False)):
        step, state = toy.setup(clip_norm=clip_norm)
        assert bool(step(state, batch)[1]["clipped"]) is expected


@pytest.mark.parametrize("poison", ["loss", "gradient"])
def test_not_finite_is_reported(poison):
    def loss_fn(params, carry, batch, key):
        # sqrt has value 0 and an infinite derivative at 0
        total = jnp.sqrt(params["w"]) if poison == "gradient" else params["w"] + jnp.inf
        return training.Loss(total, jnp.asarray(1))

    optimizer = optax.sgd(0.1)
    state = training.create_state({"w": jnp.zeros(())}, optimizer)
    _, metrics = training.make_train_step(loss_fn, optimizer)(state, {})
    assert not bool(metrics["finite"])


def test_what_is_averaged_are_the_parameters_after_the_update():
    def loss_fn(params, carry, batch, key):
        return training.Loss(params["w"], jnp.asarray(1), carry)

    optimizer = optax.sgd(1.0)
    average = training.make_average(training.TrainingConfig(average="asgd"))
    state = training.create_state({"w": jnp.asarray(5.0)}, optimizer, average=average)
    step = training.make_train_step(loss_fn, optimizer, average=average)
    for expected in (4.0, 3.5, 3.0):  # The means of 4; 4 and 3; 4, 3 and 2.
        state, _ = step(state, {})
        assert float(training.evaluation_params(state)["w"]) == expected


def test_nothing_flows_into_the_carry_of_the_last_window():
    def loss_fn(params, carry, batch, key):
        # The carry depends on the same parameter only through the window before.
        return training.Loss(params["w"] * carry, jnp.asarray(1), params["w"] * batch["x"])

    optimizer = optax.sgd(0.1)
    state = training.create_state({"w": jnp.asarray(2.0)}, optimizer, carry=jnp.asarray(5.0))
    step = training.make_train_step(loss_fn, optimizer)
    state, metrics = step(state, {"x": jnp.asarray(3.0)})
    assert float(metrics["grad_norm"]) == 5.0
    assert float(state.carry) == 6.0
    assert float(state.params["w"]) == pytest.approx(1.5)
    _, metrics = step(state, {"x": jnp.asarray(3.0)})
    assert float(metrics["grad_norm"]) == 6.0


def test_state_is_donated_and_the_callers_parameters_are_not():
    params = jax.tree.map(jnp.asarray, toy.init_params())
    optimizer = optax.adam(0.1)
    average = training.make_average(training.TrainingConfig())
    shared = jnp.zeros((toy.ROWS, toy.SIZE))
    state = training.create_state(params, optimizer, carry=(shared, shared), average=average)

    def loss_fn(params, carry, batch, key):
        loss = toy.loss_fn(params, carry[0] + carry[1], batch, key)
        return loss._replace(carry=(loss.carry, loss.carry))

    step = training.make_train_step(loss_fn, optimizer, average=average)
    step(state, next(toy.Batches()))
    donated = [*jax.tree.leaves((state.params, state.opt_state, state.ema)), state.step]
    assert all(leaf.is_deleted() for leaf in donated)
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves((params, shared)))


def test_evaluation_is_stateful_and_exact():
    params = toy.init_params()
    sums, carry = np.zeros(3), jnp.zeros((toy.ROWS, toy.SIZE))
    for batch in toy.Batches(limit=9):
        loss = toy.loss_fn(params, carry, batch, None)
        carry = loss.carry
        sums += [float(loss.total), float(loss.metrics["absolute"]), toy.ROWS * toy.STEPS]
    means = training.evaluate(
        toy.eval_step, params, jnp.zeros((toy.ROWS, toy.SIZE)), toy.Batches(limit=9)
    )
    assert means["loss"] == pytest.approx(sums[0] / sums[2], rel=1e-6)
    assert means["absolute"] == pytest.approx(sums[1] / sums[2], rel=1e-6)
    assert means["count"] == sums[2]


def test_evaluation_adds_batches_in_float64():
    # In float32, 2^24 + 1 + ... + 1 stays 2^24.
    step = jax.jit(lambda params, carry, x: (carry, {"loss": (x, jnp.ones(()))}))
    ones = [np.float32(2**24)] + 8 * [np.float32(1)]
    assert training.evaluate(step, None, None, ones)["loss"] * 9 == 2**24 + 8


def test_metric_with_a_count_of_its_own():
    def loss_fn(params, carry, batch, key):
        sentences = (jnp.asarray(3.0), jnp.asarray(4))
        return training.Loss(jnp.asarray(2.0), jnp.asarray(10), None, {"exact": sentences})

    means = training.evaluate(training.make_eval_step(loss_fn), {}, None, [{}, {}])
    assert means["exact"] == 0.75
    assert means["loss"] == pytest.approx(0.2)


def test_the_speed_is_counted_by_the_loss_unless_there_is_something_else():
    def loss_fn(params, carry, batch, key):
        return training.Loss(params["w"], jnp.asarray(10), work=batch.get("work"))

    optimizer = optax.sgd(0.1)
    state = training.create_state({"w": jnp.zeros(())}, optimizer)
    step = training.make_train_step(loss_fn, optimizer)
    state, metrics = step(state, {})
    assert int(metrics["work"]) == 10
    _, metrics = step(state, {"work": jnp.asarray(70)})
    assert int(metrics["work"]) == 70
    assert int(metrics["sums"]["loss"][1]) == 10


def test_the_learning_rate_of_a_batch_may_be_scaled():
    """Behind the clipping: SGD's step is rate * scale * the clipped gradient."""
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.5))

    def loss_fn(params, carry, batch, key):
        return training.Loss(3 * params, jnp.ones(()), carry, rate_scale=batch)

    step = training.make_train_step(loss_fn, optimizer)
    state, _ = step(training.create_state(jnp.zeros(()), optimizer), jnp.asarray(0.25))
    assert float(state.params) == -0.125


@pytest.mark.parametrize(
    ("field", "value", "sound"),
    [
        ("params", 1.0, True),
        ("params", np.inf, False),
        ("params", np.nan, False),
        ("ema", np.inf, False),
        ("opt_state", np.inf, True),  # such as the largest second moment
        ("opt_state", np.nan, False),
        ("carry", np.nan, False),
    ],
)
def test_which_states_are_worth_saving(field, value, sound):
    fields = {name: {"w": jnp.ones(2)} for name in ("params", "opt_state", "carry", "ema")}
    fields[field] = {"w": jnp.array([1.0, value])}
    state = TrainState(**fields, rng=jnp.zeros(2, jnp.uint32), step=jnp.zeros((), jnp.int32))
    assert bool(is_finite(state)) == sound
