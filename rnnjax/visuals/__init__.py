"""HTML pages and pictures, which need no network to open."""

from rnnjax.visuals.attention import draw_attention_over_image, draw_mean_maps
from rnnjax.visuals.page import Section, coloured_text, render_page, signed_colour, surprise_colour
from rnnjax.visuals.pictures import (
    draw_activations,
    draw_confusion,
    draw_gradient_norms,
    draw_lines,
    draw_saturation,
    draw_transitions,
)

__all__ = [
    "Section", "coloured_text", "draw_activations", "draw_attention_over_image",
    "draw_confusion", "draw_gradient_norms", "draw_lines", "draw_mean_maps", "draw_saturation",
    "draw_transitions", "render_page", "signed_colour", "surprise_colour",
]  # fmt: skip
