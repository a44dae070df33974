"""What one of two processes holds of batches and carries: run by `test_processes`.

python -m tests.training.processes.rows_of_processes '["HOST:PORT", 2, NUMBER]'
"""

import json
import sys

import jax.numpy as jnp
import numpy as np

from rnnjax import training

T, B = 5, 8
H = B  # so that no shape says which axis of a carry has the rows


def loss_fn(params, carry, batch, key):
    carry = carry + params * batch["x"].sum(axis=0)
    return training.Loss(jnp.sum(carry**2), jnp.asarray(float(B)), carry)


def check_rows(array, whole, axis, rows):
    """Each of two devices holds two of the rows of this process, and no others."""
    for device, shard in enumerate(array.addressable_shards):
        expected = np.take(whole, rows[2 * device : 2 * device + 2], axis)
        np.testing.assert_array_equal(shard.data, expected)


def main(where, count, number):
    training.processes.join(where, count, number, timeout=60, heartbeat=10)
    placement = training.choose_placement(None, B)
    assert dict(placement.mesh.shape) == {"data": 4}
    rows = placement.rows
    assert rows.tolist() == list(range(4 * number, 4 * number + 4))

    rng = np.random.default_rng(0)
    batches = rng.standard_normal((2, T, B, H)).astype(np.float32)
    image = rng.standard_normal((B, len(rows))).astype(np.float32)  # whose side is that of the rows
    put = placement.put_batch({"x": batches[0][:, rows], "image": image[rows]}, ["x"])
    check_rows(put["x"], batches[0], 1, rows)
    check_rows(put["image"], image, 0, rows)

    carries = np.concatenate([np.zeros((1, B, H), np.float32), 2 * batches.sum(axis=1)]).cumsum(0)
    eval_step, steps = training.make_eval_step(loss_fn, placement), iter(range(2))

    def watched(params, carry, batch):
        n = next(steps)
        check_rows(batch["x"], batches[n], 1, rows)
        if n == 0:
            check_rows(carry, carries[n], 0, rows)
        assert {shard.data.shape for shard in carry.addressable_shards} == {(2, H)}
        return eval_step(params, carry, batch)

    found = training.evaluate(
        watched, np.float32(2), carries[0], ({"x": x} for x in batches), placement
    )
    np.testing.assert_allclose(found["loss"], np.sum(carries[1:] ** 2) / (2 * B), rtol=1e-5)
    assert found["count"] == 2 * B
    training.processes.leave()


if __name__ == "__main__":
    main(*json.loads(sys.argv[1]))
