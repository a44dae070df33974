"""A language model together with its vocabulary: text in, text out."""

from rnnjax.language.inspection import report_inspection
from rnnjax.language.scores import report_scores, texts_of_file
from rnnjax.language.text_model import TextModel, longest_document, opening_of, step_scores

__all__ = [
    "TextModel",
    "longest_document",
    "opening_of",
    "report_inspection",
    "report_scores",
    "step_scores",
    "texts_of_file",
]
