"""Data of every task: text corpora, examples from files, vocabularies and batches."""

from rnnjax.data.batch_iterator import Batch, BatchIterator
from rnnjax.data.buckets import bucket_lengths
from rnnjax.data.corpus import Corpus, told_unknown
from rnnjax.data.examples import Example, read_examples, read_parallel
from rnnjax.data.files import read_text
from rnnjax.data.images import ResizePolicy
from rnnjax.data.streams import EvaluationWindows, Stream, TrainingWindows, VaryingWindows
from rnnjax.data.text import from_texts, load
from rnnjax.data.tokens import tokenize
from rnnjax.data.vectors import Vectors, read_vectors
from rnnjax.data.vocabulary import UNKNOWN, Level, Vocabulary
from rnnjax.data.word_vocabulary import WordVocabulary

__all__ = [
    "UNKNOWN", "Batch", "BatchIterator", "Corpus", "EvaluationWindows", "Example", "Level",
    "ResizePolicy", "Stream", "TrainingWindows", "VaryingWindows", "Vectors", "Vocabulary",
    "WordVocabulary", "bucket_lengths", "from_texts", "load", "read_examples", "read_parallel",
    "read_text", "read_vectors", "tokenize", "told_unknown",
]  # fmt: skip
