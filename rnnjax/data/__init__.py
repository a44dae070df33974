"""Text and tagged sentences in, batches of numbers out."""

from rnnjax.data.batch_iterator import iterator
from rnnjax.data.batches import EvaluationBatches, TrainingBatches, in_order, padding_share
from rnnjax.data.buckets import bucket_lengths
from rnnjax.data.caption_batches import (
    CaptionIds,
    Pictures,
    SceneBatches,
    TrainingCaptions,
    TrainingImages,
    padded_captions,
)
from rnnjax.data.caption_vocabulary import (
    END,
    START,
    UNKNOWN_WORD,
    UNSPEAKABLE,
    CaptionLevel,
    CaptionVocabulary,
)
from rnnjax.data.captions import (
    CaptionCorpus,
    CaptionedImage,
    LongCaptions,
    caption_words,
    load_captions,
    read_images,
)
from rnnjax.data.conll import read_tokens
from rnnjax.data.corpus import Corpus
from rnnjax.data.files import read_text
from rnnjax.data.images import ResizePolicy
from rnnjax.data.pictured import images_at
from rnnjax.data.predictions import TaggedSentence, as_conll, as_jsonl
from rnnjax.data.sentences import Sentence, TaggedCorpus
from rnnjax.data.spelling import CASES
from rnnjax.data.streams import Batch, EvaluationWindows, Stream, TrainingWindows
from rnnjax.data.swapping import entity_inventory, swap_entities
from rnnjax.data.tagged import load_tagged
from rnnjax.data.text import from_texts, load
from rnnjax.data.tokens import tokenize
from rnnjax.data.vectors import Vectors, read_vectors
from rnnjax.data.vocabulary import UNKNOWN, Level, Vocabulary
from rnnjax.data.words import FIRST_ID, TaggingVocabulary

__all__ = [
    "CASES",
    "END",
    "FIRST_ID",
    "START",
    "UNKNOWN",
    "UNKNOWN_WORD",
    "UNSPEAKABLE",
    "Batch",
    "CaptionCorpus",
    "CaptionIds",
    "CaptionLevel",
    "CaptionVocabulary",
    "CaptionedImage",
    "Corpus",
    "EvaluationBatches",
    "EvaluationWindows",
    "Level",
    "LongCaptions",
    "Pictures",
    "ResizePolicy",
    "SceneBatches",
    "Sentence",
    "Stream",
    "TaggedCorpus",
    "TaggedSentence",
    "TaggingVocabulary",
    "TrainingBatches",
    "TrainingCaptions",
    "TrainingImages",
    "TrainingWindows",
    "Vectors",
    "Vocabulary",
    "as_conll",
    "as_jsonl",
    "bucket_lengths",
    "caption_words",
    "entity_inventory",
    "from_texts",
    "images_at",
    "in_order",
    "iterator",
    "load",
    "load_captions",
    "load_tagged",
    "padded_captions",
    "padding_share",
    "read_images",
    "read_text",
    "read_tokens",
    "read_vectors",
    "swap_entities",
    "tokenize",
]
