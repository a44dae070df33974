"""The network, its loss, and what a trained one says."""

import functools
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import training
from rnnjax.data.padded_batches import EvaluationBatches, Examples
from rnnjax.errors import UserError
from rnnjax.losses import cross_entropy
from rnnjax.models import SequenceClassifier, classification_loss
from rnnjax.models.recurrent import check_left_to_right
from rnnjax.tasks.long_range.config import LongRangeConfig
from rnnjax.tasks.long_range.preparation import examples_at
from rnnjax.tasks.long_range.problems import COPIED, TOLERANCE
from rnnjax.typing import Array, Batch


def make_model(config: LongRangeConfig) -> SequenceClassifier:
    """The network of a config, with fresh parameters."""
    cell, problem = config.network(), config.task
    check_left_to_right(cell, "long_range")
    return SequenceClassifier(
        problem.outputs,
        cell,
        input_size=2 if problem.vocab_size is None else config.embed_size,
        vocab_size=problem.vocab_size,
        rngs=nnx.Rngs(config.seed),
    )


def outputs_of_steps(
    model: SequenceClassifier, inputs: jax.Array, key: jax.Array | None = None
) -> jax.Array:
    """The outputs after every step, `[T, B, K]`, for inputs `[T, B]` or `[T, B, 2]`."""
    return model.head(model.encoder(inputs, key=key))


def batch_loss(
    problem: str, model: SequenceClassifier, batch: Batch, key: Array | None
) -> training.Loss:
    """The loss of a problem; its metric `accuracy` is how many percent are right.

    adding: the squared error of the sum after the last step; right if the error is below 0.04.
    copy: the cross entropy of the symbol at each step in nats; of the ten last, how many are right.
    agreement: the cross entropy of the verb in nats.
    """
    targets, lengths = batch["targets"], batch["lengths"]
    real = lengths > 0
    if problem == "copy":
        logits = outputs_of_steps(model, batch["inputs"], key)
        total, count = cross_entropy(logits, targets, jnp.broadcast_to(real, targets.shape))
        recalled = logits[-COPIED:].argmax(axis=-1) == targets[-COPIED:]
        right, asked = recalled.sum(where=real), COPIED * real.sum()
    elif problem == "adding":
        error = jnp.where(real, model(batch["inputs"], key=key)[:, 0] - targets, 0)
        total, count = (error**2).sum(), real.sum()
        right, asked = (jnp.abs(error) < TOLERANCE).sum(where=real), count
    else:
        mask = jnp.arange(len(batch["inputs"]))[:, None] < lengths
        logits = model(batch["inputs"], mask, key)
        total, count, right = classification_loss(logits, targets, real)
        asked = count
    return training.Loss(total, count, metrics={"accuracy": (100 * right, asked)})


@functools.cache
def _eval_step(graph: nnx.GraphDef, problem: str):
    """One for all scores of a network, so that each length is compiled once."""
    loss_fn = functools.partial(batch_loss, problem)
    return training.make_eval_step(training.loss_of_params(graph, loss_fn))


class MemoryModel(NamedTuple):
    """A trained network."""

    model: SequenceClassifier
    config: LongRangeConfig

    def scores(self, examples: Examples) -> dict[str, float]:
        """The mean `loss` and the `accuracy` in percent; see `batch_loss`."""
        graph, params = nnx.split(self.model, nnx.Param)
        step = _eval_step(graph, self.config.problem)
        return training.evaluate(step, params, None, EvaluationBatches(examples, batch_size=100))

    def scores_at(self, distance: int) -> dict[str, float]:
        """The scores on test examples of a distance, which may be longer than those of training.

        Raises:
            UserError: the problem has no such distance.
        """
        if distance < self.config.task.least_length:
            raise UserError(
                f"a distance of {self.config.problem} is {self.config.task.least_length} or more; "
                f"got {distance}"
            )
        return self.scores(examples_at(self.config, distance))

    def outputs(self, inputs: np.ndarray) -> np.ndarray:
        """The outputs after every step `[t, K]` of one example, `[t]` or `[t, 2]`."""
        return np.asarray(outputs_of_steps(self.model, jnp.asarray(inputs)[:, None])[:, 0])

    def answer(self, text: str) -> str:
        """The answer to an example in words.

        Args:
            text: adding: numbers from 0 to 1 with blanks between them, a star after two of them.
                copy: ten digits from 1 to 8. agreement: the words before the verb.

        Raises:
            UserError: it is written in another way.
        """
        problem = self.config.task
        return problem.tell(self.outputs(problem.read(text, self.config.length)))


def load(workdir: str | Path, config: LongRangeConfig | None = None) -> MemoryModel:
    """The trained network of a run, best checkpoint; see `training.read_run`."""
    settings, _ = training.read_run(workdir, LongRangeConfig, config)
    return MemoryModel(training.restore_model(workdir, make_model, settings), settings)
