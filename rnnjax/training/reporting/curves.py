"""Learning curves as a PNG picture."""

import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from rnnjax.training.reporting.progress import Measures
from rnnjax.visuals.figures import as_png, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

BLUE, ORANGE, GREY = "#2b6cb0", "#dd6b20", "#718096"
Series = tuple[list[int], list[float]]


SMALL = {
    "grad_norm": "gradient norm",
    "clip_rate": "clipped",
    "learning_rate": "learning rate",
    "units_per_second": "{}/s",
}
"""Metrics of training with a small panel each, and what it says of them."""


def draw_curves(rows: list[dict[str, Any]], measures: Measures = Measures()) -> bytes:  # noqa: B008
    """Draws the logged metrics against the step: the loss, the metric, and those of `SMALL`.

    The training loss is drawn beside the validation loss, or its part `nats` where it is more than
    a likelihood. Training that logs a `reward` has a curve of the reward instead.

    Args:
        rows: see `read_metrics`.
        measures: what they count. Where the loss is in nats it also has an axis in bits; a score
            that decides has a curve of its own, if there are two evaluations at least.

    Returns:
        The bytes of a PNG file.
    """

    def of(split: str, name: str) -> Series:
        chosen = [row for row in rows if row["split"] == split and name in row]
        return [row["step"] for row in chosen], [row[name] for row in chosen]

    unit, metric = measures.counted, measures.metric
    reward, deciding = of("train", "reward"), of("valid", metric)
    heights = {"loss": 3.0}
    if reward[0]:
        heights["reward"] = 2.0
    if metric != "loss" and len(deciding[0]) > 1:
        heights["metric"] = 2.0
    heights |= {name: 0.8 for name in SMALL if of("train", name)[0]}
    figure = new_figure(9, 1.6 * sum(heights.values()))
    column = figure.subplots(
        len(heights), 1, height_ratios=[*heights.values()], sharex=True, squeeze=False
    )[:, 0]
    panels = dict(zip(heights, column, strict=True))
    for axes in column:
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    train_loss = of("train", "nats" if of("train", "nats")[0] else "loss")
    _draw_loss(panels["loss"], ([], []) if reward[0] else train_loss, of("valid", "loss"), unit)
    if "reward" in panels:
        _plot(panels["reward"], reward, BLUE, "train", "reward in training")
    if "metric" in panels:
        label = f"{metric} ({measures.scale})"
        _plot(panels["metric"], deciding, ORANGE, "valid", label)
        step, value = max(zip(*deciding, strict=True), key=lambda point: point[1])
        _mark_best(panels["metric"], f"best validation {metric}", step, value)
    for name in SMALL.keys() & panels:
        label = SMALL[name].format(measures.speed_unit or unit or "unit").replace(" ", "\n")
        _plot(panels[name], of("train", name), GREY, "train", label)
    column[-1].set_xlabel("step")
    return as_png(figure)


def _draw_loss(axes: "Axes", train: Series, valid: Series, unit: str) -> None:
    label = f"loss (nats/{unit})" if unit else "loss"
    _plot(axes, train, BLUE, "train", label)
    _plot(axes, valid, ORANGE, "valid", label)
    if valid[0]:
        step, value = min(zip(*valid, strict=True), key=lambda point: point[1])
        _mark_best(axes, "lowest validation loss", step, value)
    if unit:
        to_bits = functools.partial(np.multiply, 1 / math.log(2))
        to_nats = functools.partial(np.multiply, math.log(2))
        axes.secondary_yaxis("right", functions=(to_bits, to_nats)).set_ylabel(f"bits/{unit}")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _plot(axes: "Axes", series: Series, colour: str, split: str, label: str) -> None:
    """A line, with a point for each of not too many evaluations."""
    steps, values = series
    few = split == "valid" and len(steps) < 200
    if steps:
        axes.plot(steps, values, "o-" if few else "-", color=colour, label=split, ms=3, lw=1.4)
    axes.set_ylabel(label)


def _mark_best(axes: "Axes", name: str, step: int, value: float) -> None:
    axes.axhline(value, color=ORANGE, lw=0.7, ls=":")
    axes.set_title(f"{name} {value:.4f} at step {step}", fontsize=10)
