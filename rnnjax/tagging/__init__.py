"""A tagger together with its vocabulary: sentences in, entities out."""

from rnnjax.tagging.assembly import make_tagger
from rnnjax.tagging.config import TaggerConfig, TaggingConfig
from rnnjax.tagging.configured import load_corpus, prepare_corpus
from rnnjax.tagging.evaluation import make_evaluation, make_loss
from rnnjax.tagging.inputs import sentences_of_file, sentences_of_texts
from rnnjax.tagging.preparation import Prepared, prepare
from rnnjax.tagging.reports import (
    check_output,
    report_inspection,
    report_predictions,
    report_scores,
    score_sections,
)
from rnnjax.tagging.text_tagger import TextTagger

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
    "prepare_corpus",
    "report_inspection",
    "report_predictions",
    "report_scores",
    "score_sections",
    "sentences_of_file",
    "sentences_of_texts",
]
