"""A tagger together with its vocabulary: sentences in, entities out."""

from rnnjax.tasks.tagging.assembly import make_tagger
from rnnjax.tasks.tagging.config import TaggerConfig, TaggingConfig
from rnnjax.tasks.tagging.evaluation import make_evaluation, make_loss
from rnnjax.tasks.tagging.inputs import sentences_of_file, sentences_of_texts
from rnnjax.tasks.tagging.preparation import Prepared, load_corpus, prepare
from rnnjax.tasks.tagging.reports import (
    check_output,
    report_inspection,
    report_predictions,
    report_scores,
    score_sections,
)
from rnnjax.tasks.tagging.text_tagger import TextTagger

__all__ = [
    "Prepared",
    "TaggerConfig",
    "TaggingConfig",
    "TextTagger",
    "check_output",
    "load_corpus",
    "make_evaluation",
    "make_loss",
    "make_tagger",
    "prepare",
    "report_inspection",
    "report_predictions",
    "report_scores",
    "score_sections",
    "sentences_of_file",
    "sentences_of_texts",
]
