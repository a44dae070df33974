"""From the series of a source to batches: windows to forecast, or whole series to classify."""

import hashlib
from collections.abc import Sequence

import numpy as np

from rnnjax import data
from rnnjax.data.padded_batches import EvaluationBatches, Examples, Ragged, TrainingBatches
from rnnjax.data.prepared import Prepared
from rnnjax.errors import UserError
from rnnjax.tasks.series.config import SeriesConfig
from rnnjax.tasks.series.scaling import Scaling
from rnnjax.tasks.series.sources import Series, Source, load_source


def prepare(config: SeriesConfig, scaling: Scaling | None = None) -> Prepared:
    """Loads the source of a config and makes its batches.

    A batch holds `values` float32 `[T, B, D]` and `lengths` int32 `[B]`, 0 in a filler row;
    further `target` float32 `[B, horizon]`, scaled and NaN where it is missing, or `label` int32
    `[B]`.

    Args:
        scaling: the one that a model was trained with; None: that of the training split.

    Raises:
        UserError: the source cannot be used.
    """
    source = load_for(config, scaling)
    scaling = scaling or Scaling.of(source)
    examples = {
        split: examples_of(its, scaling, config, split) for split, its in source.splits.items()
    }
    batches = TrainingBatches(examples["train"], batch_size=config.batch_size, seed=config.seed)
    validation = EvaluationBatches(examples["validation"], batch_size=config.batch_size)
    digest = hashlib.sha256()
    for split in ("train", "validation"):
        for series in source.splits[split]:
            digest.update(series.values[: series.end].tobytes() + series.label.encode() + b"\0")
    sizes = ", ".join(f"{split} {its.size:,}" for split, its in examples.items())
    whole = {id(one.values): one.values for its in source.splits.values() for one in its}
    filled = sum(int(np.isnan(values).sum()) for values in whole.values())
    noun = "series" if config.label else "windows"
    lines = f"{source.note}.\n{noun}: {sizes}; {filled:,} missing values filled."
    return Prepared(batches, validation, lines, source.splits, digest.hexdigest(), scaling)


def load_for(config: SeriesConfig, scaling: Scaling | None) -> Source:
    """The source of a config, with the columns and classes that a model was trained with, if any.

    Raises:
        UserError: the source cannot be used, or it has other columns or classes.
    """
    if scaling is None:
        return load_source(config)
    source = load_source(config, scaling.inputs, scaling.target)
    labels = {series.label for its in source.splits.values() for series in its} - {""}
    for what, had, got in (
        ("inputs", scaling.inputs, source.inputs),
        ("target", scaling.target, source.target),
        ("classes", scaling.classes, tuple(sorted({*scaling.classes, *labels}))),
    ):
        if had != got:
            raise UserError(f"the run was trained with the {what} {had}; the data have {got}")
    return source


def examples_of(
    every: Sequence[Series], scaling: Scaling, config: SeriesConfig, split: str
) -> Examples:
    """The windows of a split, or its series where the model classifies."""
    if scaling.classes:
        return labelled_series(every, scaling, config.num_buckets, config.batch_size)
    return windows(every, scaling, config.window, config.horizon, split)


def window_starts(every: Sequence[Series], window: int, horizon: int) -> np.ndarray:
    """`[N, 2]`, which series and its first row to forecast, of each window of a split.

    A window has its `window` rows of the past in the series, and its `horizon` rows to forecast in
    the split.
    """
    return np.array(
        [
            (n, row)
            for n, series in enumerate(every)
            for row in range(max(series.first, window), series.end - horizon + 1)
        ],
        np.int64,
    ).reshape(-1, 2)


def windows(
    every: Sequence[Series], scaling: Scaling, window: int, horizon: int, split: str
) -> Examples:
    """The windows of a split as examples: `values` and `target`.

    Raises:
        UserError: there is none, or no value of the target in them.
    """
    starts = window_starts(every, window, horizon)
    if not len(starts):
        longest = max(every, key=lambda series: series.end - series.first)
        path = longest.place.rpartition(":")[0]
        raise UserError(
            f"{path} is too short: {longest.end - longest.first} of {len(longest.values)} rows are "
            f"for the {split} split; expected {window} rows of the past (--config.window) and "
            f"{horizon} to forecast (--config.horizon)"
        )
    inputs = [scaling.read(series.values) for series in every]
    at = scaling.target_column
    targets = [scaling.scaled(series.values)[:, at] for series in every]
    if all(np.isnan(targets[n][row : row + horizon]).all() for n, row in starts.tolist()):
        raise UserError(f"the {split} split has no value to forecast in {scaling.target!r}")

    def get(index: int) -> dict[str, np.ndarray]:
        n, row = starts[index].tolist()
        return {"values": inputs[n][row - window : row], "target": targets[n][row : row + horizon]}

    lengths = np.full(len(starts), window)
    return Examples(get, len(starts), {"lengths": Ragged(("values",), lengths)}, noun="window")


def labelled_series(
    every: Sequence[Series], scaling: Scaling, num_buckets: int, batch_size: int
) -> Examples:
    """Whole series as examples: `values` and `label`, 0 where a series has none."""
    lengths = np.array([len(series.values) for series in every])
    buckets = data.bucket_lengths(lengths, num_buckets, batch_size=batch_size)
    number_of = {name: n for n, name in enumerate(scaling.classes)}

    def get(index: int) -> dict[str, np.ndarray]:
        series = every[index]
        label = np.int32(number_of.get(series.label, 0))
        return {"values": scaling.read(series.values), "label": np.asarray(label)}

    return Examples(
        get,
        len(every),
        {"lengths": Ragged(("values",), lengths, buckets)},
        noun="sequence",
        name_of=lambda n: every[n].place,
    )
