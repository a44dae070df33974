"""Sequence tagging: sentences in, entities out."""

from rnnjax.tasks.tagging.config import TaggerConfig, TaggingConfig
from rnnjax.tasks.tagging.predictions import TaggedSentence
from rnnjax.tasks.tagging.preparation import load_corpus, prepare
from rnnjax.tasks.tagging.tagger import Tagger, make_tagger
from rnnjax.tasks.tagging.text_tagger import TextTagger

__all__ = [
    "TaggedSentence",
    "Tagger",
    "TaggerConfig",
    "TaggingConfig",
    "TextTagger",
    "load_corpus",
    "make_tagger",
    "prepare",
]
