"""Whole trainings of three tasks, by default presets, beside the same models in other libraries.

The others have the same sizes, dropout, clipping and Adam, at a constant learning rate. Of what a
training of rnnjax does besides they do nothing: its schedule, averaged weights and metrics, and in
the language model the state that is reset where a document ends.
"""

import functools
import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from experiments.benchmark import nnx_models, peers, suites
from experiments.benchmark.report import Row
from experiments.benchmark.suites import Contender
from experiments.run import Run
from rnnjax import data, training
from rnnjax.errors import UserError

TITLE = "updates a second of rnnjax, in those of the others (above 1: more)"
SIZE = "T,B"
MODELS = {"char_lm": "LanguageModel", "ner": "Tagger", "translation": "Translator"}
NUM_UPDATES = 10


class Task(NamedTuple):
    """The task that all libraries train: an experiment, its config, its data and the model."""

    experiment: Any
    config: Any
    prepared: Any
    ours: Any

    def batches(self) -> list[data.Batch]:
        """The first ones in which no row is empty."""
        first = (self.prepared.batches[n] for n in range(2 * NUM_UPDATES))
        return [batch for batch in first if np.all(batch.get("lengths", 1))][:NUM_UPDATES]


def suite(repeats: int, source: str) -> list[Row]:
    """Each task on the data that it has of its own."""
    if source != "embedded":
        raise UserError(f"suite training reads the embedded data of its tasks; got --data={source}")
    rows = []
    for name, task in {name: default_task(name) for name in MODELS}.items():
        batches = task.batches()
        contenders = {
            who: functools.partial(make, task, MODELS[name], batches)
            for who, make in CONTENDERS.items()
        }
        longest = max(len(x) for batch in batches for x in batch.values() if x.ndim > 1)
        row: Row = {"what": name, "size": [longest, task.config.batch_size]}
        rows.append(row | suites.duel(contenders, repeats, updates=NUM_UPDATES))
    return rows


def default_task(name: str, **settings: Any) -> Task:
    """The default preset of an experiment, with fresh parameters."""
    experiment = importlib.import_module(f"experiments.{name}").EXPERIMENT
    config = experiment.presets["default"].config.with_settings(**settings)
    prepared = experiment.prepare(Run(experiment, config, experiment.options, Path("runs")))
    return Task(experiment, config, prepared, experiment.model(config, prepared))


def rnnjax_step(task: Task) -> Callable[[data.Batch], Any]:
    """The step of the experiment, `batch -> metrics`, which keeps the state to itself."""
    experiment, config, prepared, ours = task
    graph, params = nnx.split(ours, nnx.Param)
    params = jax.tree.map(jnp.copy, params)  # the step uses up what it is given
    loss_fn = experiment.loss_fn(config, graph, prepared)
    train_step, new_state = training.make_training(config, loss_fn)
    state = new_state(params, experiment.carry(config, ours))

    def step(batch: data.Batch) -> Any:
        nonlocal state
        state, metrics = train_step(state, batch)
        return metrics

    return step


def trained_by_rnnjax(task: Task, _: str, batches: Sequence[data.Batch]) -> Contender:
    """By the step of the experiment."""
    step = rnnjax_step(task)
    return contender(lambda batch: step(batch)["sums"]["loss"][0], jax.device_put(batches))


def trained_by_nnx(task: Task, model: str, batches: Sequence[data.Batch]) -> Contender:
    """As the documentation of flax.nnx trains."""
    made = getattr(nnx_models, model)(task.config, task.ours, rngs=nnx.Rngs(0))
    return contender(nnx_models.trainer(made, task.config), jax.device_put(batches))


def trained_by_torch(task: Task, model: str, batches: Sequence[data.Batch]) -> Contender:
    """As the documentation of torch trains."""
    from experiments.benchmark import torch_models

    device = peers.torch_device()
    made = getattr(torch_models, model)(task.config, task.ours).to(device)
    placed = [torch_models.tensors(batch, device) for batch in batches]
    return contender(torch_models.trainer(made, task.config), placed)


def contender(step: Callable[[Any], Any], batches: Sequence[Any]) -> Contender:
    """At first one update, then one by each batch."""
    return Contender(
        lambda: float(step(batches[0])), lambda: float([step(batch) for batch in batches][-1])
    )


CONTENDERS = {
    peers.BASELINE: trained_by_nnx, "rnnjax": trained_by_rnnjax, "torch": trained_by_torch
}  # fmt: skip
