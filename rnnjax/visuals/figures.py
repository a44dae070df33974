"""Figures of matplotlib, which takes long to import: only what draws one waits for it."""

import io
import warnings
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(
    width: float,
    height: float,
    dpi: int = 110,
    layout: Literal["constrained"] | None = "constrained",
) -> "Figure":
    """An empty figure; width and height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, layout=layout)


def as_png(figure: "Figure") -> bytes:
    """The bytes of a figure as a PNG file."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # Shown as a box.
        figure.savefig(png, format="png")
    return png.getvalue()
