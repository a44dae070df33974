"""Text in, batches of numbers out."""

from rnnjax.data.corpus import Corpus
from rnnjax.data.streams import EvaluationWindows, Stream, TrainingWindows, iterator
from rnnjax.data.text import from_texts, load
from rnnjax.data.vocabulary import UNKNOWN, Level, Vocabulary

__all__ = [
    "UNKNOWN",
    "Corpus",
    "EvaluationWindows",
    "Level",
    "Stream",
    "TrainingWindows",
    "Vocabulary",
    "from_texts",
    "iterator",
    "load",
]
