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
from rnnjax.visuals.figures import as_png, new_figure

LONGEST = 400
"""Rows of a picture, at most."""


def naive_forecasts(
    past: np.ndarray, starts: np.ndarray, horizon: int, season: int = 1
) -> np.ndarray:
    """The value of the last known season, `[N, horizon]`; with season 1 the last value. ::

        forecast[t + k] = past[t + k - season * ceil((k + 1) / season)]

    Args:
        past: `[T]`, a series without missing values.
        starts: `[N]`, the first row t of each forecast.
    """
    ahead = np.arange(horizon)
    return past[starts[:, None] + ahead % season - season]


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
    found = {"model": forecasts}
    seasons = {"last value": 1, "last season": config.season_length}
    for name, season in seasons.items():
        if season:
            found[name] = np.empty_like(forecasts)
            for n, series in enumerate(every):
                past = carried_forward(series.values[:, [at]], scaling.mean[at])[:, 0]
                its = starts[:, 0] == n
                found[name][its] = naive_forecasts(past, starts[its, 1], config.horizon, season)
    table = [("forecast", "MAE", "RMSE")]
    for name, values in found.items():
        error = (values - truth)[~np.isnan(truth)]
        mae, rmse = np.abs(error).mean(), np.sqrt((error**2).mean())
        table.append((name, f"{mae:.4g}", f"{rmse:.4g}"))
    title = f"{split}: {scaling.target}, {len(truth):,} forecasts of {config.horizon} ahead"
    text = f"{title}; errors in its own unit\n{aligned(table, numbers=(1, 2))}"
    one = starts[:, 0] == starts[0, 0]
    picture = draw_forecast(
        every[starts[0, 0]].values[:, at], starts[one, 1], forecasts[one], scaling.target
    )
    return text, [
        training.Section(title, table=text),
        training.Section(f"Forecast, {split}", png=picture),
    ]


def draw_forecast(truth: np.ndarray, starts: np.ndarray, forecasts: np.ndarray, name: str) -> bytes:
    """Draws a series and its forecasts, each `horizon` rows after the one before, as a PNG file.

    Args:
        truth: `[T]`.
        starts: `[N]`, ascending, the first row of each forecast.
        forecasts: `[N, horizon]`.
    """
    horizon = forecasts.shape[1]
    chosen = slice(None, max(LONGEST // horizon, 1) * horizon, horizon)
    rows = (starts[chosen, None] + np.arange(horizon)).ravel()
    figure = new_figure(9, 3.6, dpi=90)
    axes = figure.subplots()
    axes.plot(rows, truth[rows], color="#4a5568", lw=1.4, label="truth")
    axes.plot(rows, forecasts[chosen].ravel(), color="#dd6b20", lw=1.4, label="forecast")
    axes.set_xlabel("row")
    axes.set_ylabel(name, parse_math=False)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return as_png(figure)


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
        for series, row in zip(every, model.probabilities(every), strict=True):
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
    found = model.probabilities(every).argmax(axis=-1)
    counts = confusions(labels, found, range(len(classes)))
    most = counts.sum(axis=1).max() / len(labels)
    text = (
        f"{split}: {np.mean(labels == found):.2%} of {len(labels):,} series right; "
        f"the most frequent class alone: {most:.2%}"
    )
    return text, [training.Section(text, png=visuals.draw_confusion(classes, counts))]
