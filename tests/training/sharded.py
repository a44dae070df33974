"""A language model trained on a mesh: what the tests of meshes and processes run.

    python -m tests.training.sharded '{"workdir": ..., "mesh": ..., ...}'

trains, and stores the final state as WORKDIR/RESULT.npz. Several JSON objects are several runs, one
after the other.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
from flax import nnx

import rnnjax
from experiments import cli
from rnnjax import data, training
from rnnjax.models import LanguageModel, window_loss
from tests.training import toy

B, T, V, H = 8, 5, 64, 32
NUM_STEPS = 12


def stream(size=2400):
    """A text in which the next symbol mostly follows from the last."""
    draw = np.random.default_rng(7)
    ids = np.cumsum(draw.choice([1, 2, 5], size, p=[0.7, 0.2, 0.1])) % V
    return data.Stream(ids.astype(np.uint8), np.array([0, 900, 1500]))


def run(
    workdir,
    *,
    mesh=None,
    num_steps=NUM_STEPS,
    batch_size=B,
    kill_at=0,
    kill_by="SIGKILL",
    join=None,
    result="final",
):
    if join:
        training.processes.join(*join, timeout=60, heartbeat=10)
    config = training.TrainingConfig(
        batch_size=batch_size,
        num_steps=num_steps,
        schedule="constant",
        warmup_steps=0,
        learning_rate=1e-2,
        log_every=1,
        eval_every=6,
        checkpoint_every=4,
    )
    placement = training.choose_placement(mesh, batch_size)
    cell = rnnjax.stack(
        [rnnjax.dropout(0.2), rnnjax.lstm(H), rnnjax.zoneout(rnnjax.gru(H, reset="before"), 0.1)]
    )
    model = LanguageModel(V, cell, embed_size=2 * H, rngs=nnx.Rngs(0))
    graph, params = nnx.split(model, nnx.Param)

    def loss_fn(params, carry, batch, key):
        return training.Loss(*window_loss(nnx.merge(graph, params), carry, batch, key))

    windows = data.TrainingWindows(stream(), batch_size=batch_size, window=T)
    held_out = data.EvaluationWindows(stream(700), batch_size=batch_size, window=T)
    carry = model.initial_carry(batch_size)
    eval_step = training.make_eval_step(loss_fn, placement)

    def evaluate(params):
        return training.evaluate(eval_step, params, carry, held_out, placement)

    batches = Deadly(windows, placement.rows)
    batches.left, batches.number = kill_at, signal.Signals[kill_by]
    step, new_state = training.make_training(config, loss_fn, placement)
    trained = training.train(
        step,
        new_state(params, carry),
        batches,
        config=config,
        measures=training.Measures(),
        workdir=training.open_workdir(
            workdir,
            name="sharded",
            config={"batch_size": batch_size, "num_steps": num_steps},
            may_change=training.MAY_CHANGE,
        ),
        evaluate=evaluate,
        placement=placement,
    )
    training.processes.leave()
    if join and join[2] != 0:
        return
    params = {
        jax.tree_util.keystr(path): np.asarray(leaf)
        for path, leaf in jax.tree_util.tree_leaves_with_path(trained.state)
    }
    np.savez(Path(workdir) / f"{result}.npz", **params)


def start(devices, *runs, module="tests.training.sharded"):
    """A process of that many devices, on its way."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        [sys.executable, "-m", module, *map(json.dumps, runs)],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """What a process said until its end, which is a good one."""
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said[-3000:]
    return said


def losses(workdir, split="train"):
    return [row["loss"] for row in toy.rows(workdir, split)]


def final(workdir, result="final"):
    with np.load(workdir / f"{result}.npz") as arrays:
        return dict(arrays)


class Deadly(data.BatchIterator):
    """An iterator that sends its process a signal at the n-th batch; 0: never."""

    left, number = 0, signal.SIGKILL

    def __next__(self):
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), self.number)
        return super().__next__()


if __name__ == "__main__":
    with cli.plain_errors():
        for text in sys.argv[1:]:
            run(**json.loads(text))
