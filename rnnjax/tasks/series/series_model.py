"""The model of series: its loss, its forecasts and its classes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import training
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, in_order
from rnnjax.errors import UserError
from rnnjax.models import SequenceClassifier, classification_loss
from rnnjax.tasks.series.config import SeriesConfig
from rnnjax.tasks.series.preparation import labelled_series, window_starts, windows
from rnnjax.tasks.series.scaling import Scaling
from rnnjax.tasks.series.sources import Series
from rnnjax.typing import Array, Batch


def make_model(config: SeriesConfig, scaling: Scaling) -> SequenceClassifier:
    """The network of a config, with fresh parameters: a score a class, or a number a row ahead."""
    outputs = len(scaling.classes) or config.horizon
    rngs = nnx.Rngs(config.seed)
    return SequenceClassifier(outputs, config.network(), input_size=len(scaling.inputs), rngs=rngs)


def outputs_of(
    model: SequenceClassifier, scaling: Scaling, batch: Any, key: jax.Array | None = None
) -> jax.Array:
    """The outputs of the network for a batch.

    To forecast, it adds the change from the last known value of the target, if the target is one of
    the inputs: a series may go on at a level that the training split does not have.

    Returns:
        The scores of the classes, `[B, K]`; or the scaled forecast, `[B, horizon]`.
    """
    values, lengths = batch["values"], batch["lengths"]
    if scaling.classes:
        return model(values, jnp.arange(len(values))[:, None] < lengths, key)
    outputs = model(values, key=key)
    if scaling.target not in scaling.inputs:
        return outputs
    return outputs + values[-1, :, scaling.target_column, None]


def batch_loss(
    scaling: Scaling, model: SequenceClassifier, batch: Batch, key: Array | None
) -> training.Loss:
    """The mean squared error of the scaled target, or the cross entropy of the class in nats.

    Its metrics are `mae`, the mean absolute error in the unit of the target, or
    `accuracy` in percent.
    """
    outputs = outputs_of(model, scaling, batch, key)
    real = batch["lengths"] > 0
    if scaling.classes:
        total, count, right = classification_loss(outputs, batch["label"], real)
        return training.Loss(total, count, metrics={"accuracy": 100 * right})
    known = real[:, None] & ~jnp.isnan(batch["target"])
    error = jnp.where(known, outputs - batch["target"], 0)
    in_units = jnp.abs(error).sum() * scaling.std[scaling.target_column]
    return training.Loss((error**2).sum(), known.sum(), metrics={"mae": in_units})


class SeriesModel(NamedTuple):
    """A trained model with its columns and units."""

    model: SequenceClassifier
    scaling: Scaling
    config: SeriesConfig

    def forecast(self, values: Any) -> np.ndarray:
        """The forecast after a series, `[horizon]`, in the unit of the target.

        Args:
            values: `[T, D]`, the columns `scaling.inputs` in their own units, or `[T]` where there
                is one; at least `config.window` rows. NaN: missing.

        Raises:
            UserError: the values have another shape, or the model classifies.
        """
        if self.scaling.classes:
            raise UserError("this model was trained to classify: use classify")
        series, window = self._series("values", values), self.config.window
        if len(series.values) < window:
            raise UserError(
                f"{series.place} has {len(series.values)} rows: expected {window} or more "
                "(--config.window of the training)"
            )
        last = self.scaling.read(series.values)[-window:]
        lengths = {"lengths": Ragged(("values",), np.array([window]))}
        one = Examples(lambda n: {"values": last}, 1, lengths)
        return self.scaling.in_units(self._run(one)[0].astype(np.float64))

    def classify(self, series: Sequence[Any]) -> np.ndarray:
        """The probability of each class for each series, `[N, K]`; names: `scaling.classes`.

        Args:
            series: N `Series`, or arrays `[T, D]` or, where D is 1, `[T]`, as in `forecast`; T may
                differ.

        Raises:
            UserError: the values have another shape, or the model forecasts.
        """
        if not self.scaling.classes:
            raise UserError("this model was trained to forecast: use forecast")
        every = [
            one if isinstance(one, Series) else self._series(f"series {n}", one)
            for n, one in enumerate(series)
        ]
        buckets, rows = self.config.num_buckets, self.config.batch_size
        scores = self._run(labelled_series(every, self.scaling, buckets, rows))
        return np.asarray(jax.nn.softmax(scores))

    def forecasts(self, every: Sequence[Series], split: str) -> tuple[np.ndarray, np.ndarray]:
        """All forecasts of a split, in the unit of the target.

        Returns:
            The windows `[N, 2]`, see `window_starts`, and the forecasts `[N, horizon]`.
        """
        window, horizon = self.config.window, self.config.horizon
        scaled = self._run(windows(every, self.scaling, window, horizon, split))
        starts = window_starts(every, window, horizon)
        return starts, self.scaling.in_units(scaled.astype(np.float64))

    def _run(self, examples: Examples) -> np.ndarray:
        batches = EvaluationBatches(examples, batch_size=min(self.config.batch_size, examples.size))
        found = training.results_of(outputs_of, self.model, batches, self.scaling)
        return np.array(in_order(found, lengths=None))

    def _series(self, name: str, values: Any) -> Series:
        array = np.asarray(values, np.float64)
        array = array[:, None] if array.ndim == 1 else array
        width = len(self.scaling.inputs)
        if array.ndim != 2 or array.shape[1] != width or not len(array):
            raise UserError(
                f"{name}: expected numbers of shape [T, {width}] "
                f"({', '.join(self.scaling.inputs)}); got {list(np.shape(values))}"
            )
        if np.isinf(array).any():
            raise UserError(f"{name}: a value is infinite")
        return Series(name, name, array, 0, len(array))


def load(workdir: str | Path, config: SeriesConfig | None = None) -> SeriesModel:
    """The trained model of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, SeriesConfig, config)
    scaling = Scaling.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_model, settings, scaling)
    return SeriesModel(model, scaling, settings)
