"""A language model together with its vocabulary: text in, text out."""

from rnnjax.tasks.language.inspection import report_inspection
from rnnjax.tasks.language.score_report import report_scores
from rnnjax.tasks.language.text_model import TextModel, longest_document, opening_of, step_scores

__all__ = [
    "TextModel",
    "longest_document",
    "opening_of",
    "report_inspection",
    "report_scores",
    "step_scores",
]
