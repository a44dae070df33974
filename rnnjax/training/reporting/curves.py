"""Learning curves as a PNG picture."""

import functools
import io
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#2b6cb0", "#dd6b20", "#718096"
NAMES = {"grad_norm": "gradient norm", "reward": "reward in training"}


def draw_curves(rows: list[dict[str, Any]], unit: str = "", metric: str = "loss") -> bytes:
    """Draws what a run has logged against the step, from the loss down to the gradient norm.

    Beside the validation loss stands the training loss, or its part `nats` where it is more than a
    likelihood. Training that logs a `reward` has a curve of that in its place.

    Args:
        rows: see `read_metrics`.
        unit: what the loss counts: with it the loss also has an axis in bits.
        metric: which validation metric decides; one other than the loss, of which more is better,
            has a curve of its own.

    Returns:
        The bytes of a PNG file.
    """
    rewarded = bool(_series(rows, "train", "reward")[0])
    panels: list[tuple[float, Callable[[Axes], None]]] = [
        (3.0, functools.partial(_draw_loss, rows, unit, train=not rewarded))
    ]
    if rewarded:
        panels.append((2.0, functools.partial(_draw, rows, "train", "reward", BLUE)))
    if metric != "loss" and _series(rows, "valid", metric)[0]:
        panels.append((2.0, functools.partial(_draw_metric, rows, metric)))
    panels.append((1.0, functools.partial(_draw, rows, "train", "grad_norm", GREY)))
    heights = [height for height, _ in panels]
    figure = Figure(figsize=(9, 1.6 * sum(heights)), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    column = figure.subplots(len(panels), 1, height_ratios=heights, sharex=True)
    for axes, (_, draw) in zip(column, panels, strict=True):
        draw(axes)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    column[-1].set_xlabel("step")
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _draw_loss(rows: list[dict[str, Any]], unit: str, axes: Axes, *, train: bool) -> None:
    if train:
        name = "nats" if _series(rows, "train", "nats")[0] else "loss"
        _plot(axes, _series(rows, "train", name), BLUE, "train")
    steps, losses = _series(rows, "valid", "loss")
    if steps:
        _plot(axes, (steps, losses), ORANGE, "valid")
        _mark_best(axes, "loss", "lowest", *min(zip(losses, steps, strict=True)))
    axes.set_ylabel(f"loss (nats/{unit})" if unit else "loss")
    if unit:
        to_bits = functools.partial(np.multiply, 1 / math.log(2))
        to_nats = functools.partial(np.multiply, math.log(2))
        bits = axes.secondary_yaxis("right", functions=(to_bits, to_nats))
        bits.set_ylabel(f"bits/{unit}")
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)


def _draw_metric(rows: list[dict[str, Any]], metric: str, axes: Axes) -> None:
    _draw(rows, "valid", metric, ORANGE, axes)
    steps, values = _series(rows, "valid", metric)
    best = max(values)
    _mark_best(axes, metric, "best", best, steps[values.index(best)])


def _draw(rows: list[dict[str, Any]], split: str, name: str, colour: str, axes: Axes) -> None:
    _plot(axes, _series(rows, split, name), colour, split)
    axes.set_ylabel(NAMES.get(name, name))


def _plot(axes: Axes, series: tuple[list[int], list[float]], colour: str, split: str) -> None:
    """A line, with a point for each of not too many evaluations."""
    steps, values = series
    few = split == "valid" and len(steps) < 200
    if steps:
        axes.plot(steps, values, "o-" if few else "-", color=colour, label=split, ms=3, lw=1.4)


def _mark_best(axes: Axes, name: str, extreme: str, value: float, step: int) -> None:
    axes.axhline(value, color=ORANGE, lw=0.7, ls=":")
    axes.set_title(f"{extreme} validation {name} {value:.4f} at step {step}", fontsize=10)


def _series(rows: list[dict[str, Any]], split: str, name: str) -> tuple[list[int], list[float]]:
    chosen = [row for row in rows if row["split"] == split and name in row]
    return [row["step"] for row in chosen], [row[name] for row in chosen]
