"""Pages and pictures that open without a network."""

from rnnjax.visuals.attention import (
    WordEntropy,
    draw_mean_maps,
    draw_word_entropies,
    mean_maps,
    word_entropies,
)
from rnnjax.visuals.caption_page import (
    attention_sections,
    caption_page,
    caption_scores_section,
    gallery_section,
)
from rnnjax.visuals.captioning import Captioned, attention_overlay
from rnnjax.visuals.language import (
    inspection_page,
    inspection_pictures,
    score_page,
    score_table,
    step_table,
)
from rnnjax.visuals.matrices import draw_confusion, draw_transitions
from rnnjax.visuals.page import Section, render_page
from rnnjax.visuals.pictures import draw_activations, draw_gradient_norms, draw_saturation
from rnnjax.visuals.tagging import errors_section, scores_section, spans_page
from rnnjax.visuals.text import coloured_text, signed_colour, surprise_colour

__all__ = [
    "Captioned",
    "Section",
    "WordEntropy",
    "attention_overlay",
    "attention_sections",
    "caption_page",
    "caption_scores_section",
    "coloured_text",
    "draw_activations",
    "draw_confusion",
    "draw_gradient_norms",
    "draw_mean_maps",
    "draw_saturation",
    "draw_transitions",
    "draw_word_entropies",
    "errors_section",
    "gallery_section",
    "inspection_page",
    "inspection_pictures",
    "mean_maps",
    "render_page",
    "score_page",
    "score_table",
    "scores_section",
    "signed_colour",
    "spans_page",
    "step_table",
    "surprise_colour",
    "word_entropies",
]
