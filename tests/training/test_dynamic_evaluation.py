import itertools

import jax
import numpy as np
import optax

from rnnjax import training
from tests.training import toy

CARRY = np.zeros((toy.ROWS, toy.SIZE), np.float32)
BATCHES = list(itertools.islice(toy.Batches(), 6))


def test_each_batch_is_scored_before_it_is_learnt_from():
    params, carry, total, count = toy.init_params(), CARRY, 0.0, 0
    for batch in BATCHES:
        loss = toy.loss_fn(params, carry, batch, None)
        gradient = jax.grad(
            lambda p, c=carry, b=batch: toy.loss_fn(p, c, b, None).total / b["targets"].size
        )(params)
        total, count, carry = total + float(loss.total), count + int(loss.count), loss.carry
        params = {name: params[name] - 0.05 * gradient[name] for name in params}
    init, step = training.make_dynamic_eval_step(toy.loss_fn, optax.sgd(0.05))
    start = toy.init_params()
    dynamic = training.evaluate(step, start, init(start, CARRY), BATCHES)
    np.testing.assert_allclose(dynamic["loss"], total / count, rtol=1e-5)
    static = training.evaluate(toy.eval_step, start, CARRY, BATCHES)
    assert dynamic["loss"] < static["loss"]
    assert dynamic["count"] == static["count"] == count
    first = [training.evaluate(step, start, init(start, CARRY), BATCHES[:1]),
             training.evaluate(toy.eval_step, start, CARRY, BATCHES[:1])]  # fmt: skip
    np.testing.assert_allclose(first[0]["loss"], first[1]["loss"], rtol=1e-6)
