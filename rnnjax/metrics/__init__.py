"""Scores that tell how good a model is."""

from rnnjax.metrics.attention import Pointing, entropy, pointing_accuracy
from rnnjax.metrics.captions import (
    CaptionScores,
    caption_scores,
    caption_table,
    caption_tokens,
)
from rnnjax.metrics.entities import (
    Confusion,
    EntityScores,
    Tags,
    TypeScore,
    confusion,
    entity_scores,
    score_table,
)
from rnnjax.metrics.span_errors import ErrorKind, SpanError, span_errors
from rnnjax.metrics.text import TextScore, perplexity, score_of_text

__all__ = [
    "CaptionScores",
    "Confusion",
    "EntityScores",
    "ErrorKind",
    "Pointing",
    "SpanError",
    "Tags",
    "TextScore",
    "TypeScore",
    "caption_scores",
    "caption_table",
    "caption_tokens",
    "confusion",
    "entity_scores",
    "entropy",
    "perplexity",
    "pointing_accuracy",
    "score_of_text",
    "score_table",
    "span_errors",
]
