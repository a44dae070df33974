"""A tiny recurrent regression, for tests of the training; also a process that can be killed.

    python -m tests.training.toy WORKDIR NUM_STEPS PARAMS_FILE [DIE_AT | MOMENT]

trains, then stores the final parameters. With DIE_AT the process kills itself with SIGKILL at its
DIE_AT-th operation that brings a checkpoint to the disk. MOMENT is one of `MOMENTS`: the process
prints it when it is there first, and stays there for a while.
"""

import dataclasses
import functools
import os
import signal
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from experiments import cli
from rnnjax import training
from rnnjax.training import atomic_files

ROWS, STEPS, SIZE = 4, 6, 8
CONFIG_FIELDS = {field.name for field in dataclasses.fields(training.TrainingConfig)}
MOMENTS = ("compiling", "compiling long", "stepping", "evaluating", "saving")


def reach(moment):
    """Is called when a moment is reached."""


class Batches:
    """Batch i is drawn from seed i; `limit` batches in all."""

    time_major = ("inputs", "targets")

    def __init__(self, limit=10**9, nan_at=None):
        self.index = 0
        self.limit = limit
        self.nan_at = nan_at

    def __iter__(self):
        return self

    def __next__(self):
        if self.index >= self.limit:
            raise StopIteration
        if self.index % 5 == 3:
            reach("stepping")
        draw = np.random.default_rng(self.index)
        self.index += 1
        inputs = draw.standard_normal((STEPS, ROWS, 3)).astype(np.float32)
        if self.index == self.nan_at:
            inputs[0, 0, 0] = np.nan
        return {"inputs": inputs, "targets": inputs.sum(-1, keepdims=True)}

    def get_state(self):
        return {"index": self.index}

    def set_state(self, state):
        self.index = state["index"]


def init_params(seed=0):
    draw = np.random.default_rng(seed)
    shapes = {"w_h": (SIZE, SIZE), "w_x": (3, SIZE), "w_y": (SIZE, 1)}
    return {
        name: 0.3 * draw.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()
    }


def loss_fn(params, carry, batch, key):
    """Squared error; with a key a quarter of the hidden units is dropped."""
    reach("compiling")
    keep = jnp.ones(SIZE) if key is None else jax.random.bernoulli(key, 0.75, (SIZE,)) / 0.75

    def cell(h_tm1, x_t):
        h_t = jnp.tanh(h_tm1 @ params["w_h"] + x_t @ params["w_x"])
        return h_t, (h_t * keep) @ params["w_y"]

    carry, predictions = jax.lax.scan(cell, carry, batch["inputs"])
    error = predictions - batch["targets"]
    count = jnp.asarray(error.size)
    return training.Loss(jnp.sum(error**2), count, carry, {"absolute": jnp.sum(jnp.abs(error))})


@functools.cache
def step_and_state(**settings):
    """The training step, and `(params, carry) -> state`."""
    given = {"learning_rate": 0.01, "schedule": "constant", "warmup_steps": 0, "momentum": 0.0,
             "average_decay": 0.9, "seed": 3} | settings  # fmt: skip
    return training.make_training(training.TrainingConfig(**given), loss_fn)


def setup(**settings):
    """The training step and the initial state."""
    step, new_state = step_and_state(**settings)
    return step, new_state(init_params(), np.zeros((ROWS, SIZE), np.float32))


eval_step = training.make_eval_step(loss_fn)


def evaluate(params):
    reach("evaluating")
    held_out = Batches(limit=1003)
    held_out.set_state({"index": 1000})
    return training.evaluate(eval_step, params, np.zeros((ROWS, SIZE), np.float32), held_out)


def train(path, num_steps, *, step=None, state=None, batches=None, **options):
    """`training.train` of the toy; `options`: of it, and fields of the config and the measures."""
    own_step, own_state = setup()
    fields, measures = (
        {name: options.pop(name) for name in names & options.keys()}
        for names in (CONFIG_FIELDS, {*training.Measures._fields})
    )
    if not isinstance(path, training.Workdir):
        path = training.open_workdir(path, name="toy")
    return training.train(
        step or own_step,
        own_state if state is None else state,
        batches or Batches(),
        config=training.TrainingConfig(num_steps=num_steps, **fields),
        workdir=path,
        measures=training.Measures(**measures),
        **options,
    )


def run(path, num_steps=20, config=None, may_change=("num_steps",), **options):
    """The same with frequent evaluations and checkpoints, and a stored config."""
    workdir = training.open_workdir(
        path, name="toy", config=config or {"num_steps": num_steps}, may_change=may_change
    )
    given = {"log_every": 4, "eval_every": 6, "checkpoint_every": 5, "evaluate": evaluate}
    return train(workdir, num_steps, **given | options)


def metrics():
    """Those of a step that is done, with a loss of 2 and work of 7."""
    return {
        "sums": {"loss": (np.float32(6), np.int32(3))},
        "work": np.int32(7),
        "grad_norm": jnp.ones(()),
        "clipped": np.bool_(False),
        "finite": np.bool_(True),
    }


def assert_same(ours, theirs):
    """Two trees are equal, bit for bit."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


def steps_saved(path):
    return sorted(int(p.name[5:]) for p in (path / "checkpoints").glob("step_*"))


def rows(path, split):
    return [row for row in training.read_metrics(path) if row["split"] == split]


def _die_at(operation):
    """Kills this process when it is about to sync, rename or replace for the n-th time."""
    left = [operation]
    for name in ("fsync", "rename", "replace"):
        original = getattr(os, name)

        def deadly(*args, original=original):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args)

        setattr(os, name, deadly)


def _linger_at(awaited):
    """Tells when a moment is reached for the first time, and makes it last."""
    kind, *long = awaited.split()
    missing = [kind]

    def linger(moment):
        if moment not in missing:
            return
        missing.clear()
        slow = jax.jit(_slow_to_compile, static_argnums=1).lower(1.0, 600 if long else 60)
        print(awaited, flush=True)
        if moment == "compiling":
            slow.compile()  # no instruction of Python's is carried out meanwhile
        else:
            time.sleep(0.5)

    seal = atomic_files.seal

    def seal_slowly(folder):
        reach("saving")
        seal(folder)

    globals()["reach"], atomic_files.seal = linger, seal_slowly


def _slow_to_compile(x, num_operations):
    x = x * jnp.ones((8, 8))
    for n in range(num_operations):
        x = jnp.tanh(x @ x.T + n) + jnp.sort(x, axis=n % 2)
    return x


def main(workdir, num_steps, result, how=None):
    if how in MOMENTS:
        _linger_at(how)
    elif how:
        _die_at(int(how))
    ended = run(workdir, int(num_steps), log_every=3, eval_every=7, checkpoint_every=2)
    state = {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(ended.state)
    }
    temporary = Path(result + ".tmp.npz")
    np.savez(temporary, **state)
    temporary.rename(result)


if __name__ == "__main__":
    with cli.plain_errors():
        main(*sys.argv[1:])
