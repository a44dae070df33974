"""Learning curves as a PNG picture."""

import io
import math
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

BLUE, ORANGE, GREY = "#2b6cb0", "#dd6b20", "#718096"


def draw_curves(rows: list[dict[str, Any]], unit: str = "") -> bytes:
    """Draws the training and validation loss, and the gradient norm, against the step.

    Args:
        rows: see `read_metrics`.
        unit: what the loss counts: with it the loss also has an axis in bits.

    Returns:
        The bytes of a PNG file.
    """
    figure = Figure(figsize=(9, 6.5), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, height_ratios=(3, 1), sharex=True)
    for split, colour, style in (("train", BLUE, "-"), ("valid", ORANGE, "o-")):
        steps, losses = _series(rows, split, "loss")
        if steps:
            size = 3 if len(steps) < 200 else 0
            above.plot(steps, losses, style, color=colour, label=split, markersize=size, lw=1.4)
    steps, losses = _series(rows, "valid", "loss")
    if steps:
        loss, step = min(zip(losses, steps, strict=True))
        above.axhline(loss, color=ORANGE, lw=0.7, ls=":")
        above.set_title(f"lowest validation loss {loss:.4f} at step {step}", fontsize=10)
    above.set_ylabel(f"loss (nats/{unit})" if unit else "loss")
    if unit:
        bits = above.secondary_yaxis(
            "right", functions=(lambda nats: nats / math.log(2), lambda b: b * math.log(2))
        )
        bits.set_ylabel(f"bits/{unit}")
    if above.get_legend_handles_labels()[0]:
        above.legend(frameon=False)
    below.plot(*_series(rows, "train", "grad_norm"), color=GREY, lw=1)
    below.set_ylabel("gradient norm")
    below.set_xlabel("step")
    for axes in (above, below):
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    png = io.BytesIO()
    figure.savefig(png, format="png")
    return png.getvalue()


def _series(rows: list[dict[str, Any]], split: str, name: str) -> tuple[list[int], list[float]]:
    chosen = [row for row in rows if row["split"] == split and name in row]
    return [row["step"] for row in chosen], [row[name] for row in chosen]
