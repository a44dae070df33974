"""Text and tagged sentences in, batches of numbers out."""

from rnnjax.data.batches import EvaluationBatches, TrainingBatches, in_order, padding_share
from rnnjax.data.buckets import bucket_lengths
from rnnjax.data.conll import read_tokens
from rnnjax.data.corpus import Corpus
from rnnjax.data.files import read_text
from rnnjax.data.predictions import TaggedSentence, as_conll, as_jsonl
from rnnjax.data.sentences import Sentence, TaggedCorpus
from rnnjax.data.spelling import CASES
from rnnjax.data.streams import Batch, EvaluationWindows, Stream, TrainingWindows, iterator
from rnnjax.data.swapping import entity_inventory, swap_entities
from rnnjax.data.tagged import load_tagged
from rnnjax.data.text import from_texts, load
from rnnjax.data.tokens import tokenize
from rnnjax.data.vectors import Vectors, read_vectors
from rnnjax.data.vocabulary import UNKNOWN, Level, Vocabulary
from rnnjax.data.words import FIRST_ID, TaggingVocabulary

__all__ = [
    "CASES",
    "FIRST_ID",
    "UNKNOWN",
    "Batch",
    "Corpus",
    "EvaluationBatches",
    "EvaluationWindows",
    "Level",
    "Sentence",
    "Stream",
    "TaggedCorpus",
    "TaggedSentence",
    "TaggingVocabulary",
    "TrainingBatches",
    "TrainingWindows",
    "Vectors",
    "Vocabulary",
    "as_conll",
    "as_jsonl",
    "bucket_lengths",
    "entity_inventory",
    "from_texts",
    "in_order",
    "iterator",
    "load",
    "load_tagged",
    "padding_share",
    "read_text",
    "read_tokens",
    "read_vectors",
    "swap_entities",
    "tokenize",
]
