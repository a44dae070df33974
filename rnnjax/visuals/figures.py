"""Figures of matplotlib, which takes long to import: only what draws one waits for it."""

import io
import textwrap
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float, dpi: int = 110) -> "Figure":
    """An empty figure; width and height in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=dpi, layout="constrained")


def as_png(figure: "Figure", key: str = "") -> bytes:
    """The bytes of a figure as a PNG file; `key`, what shades and marks mean, stands below it."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    if key:
        width, height = figure.get_size_inches()
        lines = textwrap.wrap(key, max(20, int(13 * width)))
        figure.set_size_inches(width, height + 0.2 * len(lines))
        figure.supxlabel("\n".join(lines), fontsize=9, color="#4a5568")
    FigureCanvasAgg(figure)
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # Shown as a box.
        if key:  # The first layout cuts labels off: it does not know the size of square cells.
            figure.draw_without_rendering()
        figure.savefig(png, format="png")
    return png.getvalue()
