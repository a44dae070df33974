"""Scores and pictures of forecasts and classes, and predictions as CSV."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from rnnjax import training, visuals
from rnnjax.errors import UserError
from rnnjax.metrics.classes import confusions
from rnnjax.tasks.series.scaling import carried_forward
from rnnjax.tasks.series.series_model import SeriesModel
from rnnjax.tasks.series.sources import Series, check_order, series_of
from rnnjax.tasks.series.tables import read_table
from rnnjax.training.reporting.progress import aligned

LONGEST = 400
"""Rows of a picture, at most."""


def report_scores(
    model: SeriesModel, splits: Mapping[str, Sequence[Series]], split: str, folder: Path
) -> tuple[str, list[training.Section]]:
    """The score of a split in words and numbers, and a picture of it, which `SPLIT.png` holds."""
    score = _score_classes if model.scaling.classes else _score_forecasts
    text, sections = score(model, splits[split], split)
    picture = training.write_results(folder, {f"{split}.png": sections[-1].png})
    return f"{text}\nPicture: {picture}", sections


def _score_forecasts(
    model: SeriesModel, every: Sequence[Series], split: str
) -> tuple[str, list[training.Section]]:
    scaling, config, at = model.scaling, model.config, model.scaling.target_column
    starts, forecasts = model.forecasts(every, split)
    rows = starts[:, 1, None] + np.arange(config.horizon)
    truth = np.stack([every[n].values[row, at] for n, row in zip(starts[:, 0], rows, strict=True)])
    filled = [carried_forward(one.values[:, [at]], scaling.mean[at])[:, 0] for one in every]
    last = np.array([filled[n][row - 1] for n, row in starts.tolist()])
    found = {"model": forecasts, "last value": last[:, None]}
    table = [("forecast", "MAE", "RMSE")]
    for name, values in found.items():
        error = (values - truth)[~np.isnan(truth)]
        mae, rmse = np.abs(error).mean(), np.sqrt((error**2).mean())
        table.append((name, f"{mae:.4g}", f"{rmse:.4g}"))
    title = f"{split}: {scaling.target}, {len(truth):,} forecasts of {config.horizon} ahead"
    text = f"{title}; errors in its own unit\n{aligned(table, numbers=(1, 2))}"
    chosen = np.flatnonzero(starts[:, 0] == starts[0, 0])[:: config.horizon]
    chosen = chosen[: max(LONGEST // config.horizon, 1)]
    lines = {"truth": truth, "forecast": forecasts}
    shown = {name: (rows[chosen].ravel(), its[chosen].ravel()) for name, its in lines.items()}
    picture = visuals.draw_lines({scaling.target: shown}, "row", "value")
    return text, [
        training.Section(title, table=text),
        training.Section(f"Forecast, {split}", png=picture),
    ]


def predict_file(model: SeriesModel, path: str) -> str:
    """The forecast or the class of each series of a file, as CSV.

    Raises:
        UserError: the file cannot be used, or a series is too short.
    """
    scaling, config = model.scaling, model.config
    table = read_table(path, encoding=config.encoding)
    check_order(table, config, scaling.target)
    every = series_of(table, scaling.inputs, config.series)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if scaling.classes:
        writer.writerow(["series", config.label, "probability"])
        for series, row in zip(every, model.classify(every), strict=True):
            writer.writerow([series.name, scaling.classes[row.argmax()], f"{row.max():.4f}"])
        return text.getvalue()
    writer.writerow(["series", "ahead", scaling.target])
    for series in every:
        try:
            values = model.forecast(series.values)
        except UserError as error:
            raise UserError(f"{series.place}: the series {series.name!r}: {error}") from error
        for ahead, value in enumerate(values.tolist(), 1):
            writer.writerow([series.name, ahead, f"{value:.6g}"])
    return text.getvalue()


def _score_classes(
    model: SeriesModel, every: Sequence[Series], split: str
) -> tuple[str, list[training.Section]]:
    classes = model.scaling.classes
    labels = np.array([classes.index(series.label) for series in every])
    found = model.classify(every).argmax(axis=-1)
    counts = confusions(labels, found, range(len(classes)))
    most = counts.sum(axis=1).max() / len(labels)
    text = (
        f"{split}: {np.mean(labels == found):.2%} of {len(labels):,} series right; "
        f"the most frequent class alone: {most:.2%}"
    )
    return text, [training.Section(text, png=visuals.draw_confusion(classes, counts))]
