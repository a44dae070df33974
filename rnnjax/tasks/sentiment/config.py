"""The settings of a classifier of texts, of its data and of its training."""

import dataclasses
from typing import Annotated, get_args

from rnnjax.data.labelled import FOLDS
from rnnjax.models.sequence_classifier import Pooling
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Limits, NetworkConfig, Positive, Rate
from rnnjax.training.length_limit import LengthLimit


@dataclasses.dataclass(frozen=True, kw_only=True)
class SentimentConfig(TrainingConfig, LengthLimit, NetworkConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting("embedded", "embedded, a folder with named splits, a file, or tfds:NAME.")
    text_column: str = setting("text", "TSV, CSV, JSONL: column of the texts, or its number.")
    label_column: str = setting("label", "TSV, CSV, JSONL: column of the labels, or its number.")
    fold: Annotated[int, Limits(0, FOLDS - 1)] = setting(
        0, f"One file: which of {FOLDS} folds is for the test, from 0."
    )
    encoding: str = setting("utf-8", "Encoding of the files.")
    min_count: Positive = setting(2, "Words that are rarer in the training texts are unknown.")
    max_length: Annotated[int | None, Limits(1)] = setting(
        None, "Words of a text, those of its beginning; default: no limit."
    )
    num_buckets: Positive = setting(4, "Lengths that texts are padded to.")
    vectors: str | None = setting(None, "A file of word vectors: GloVe, word2vec or fastText text.")
    embed_size: Positive = setting(64, "D, numbers that a word is turned into.")
    hidden_size: Positive = setting(64, "H, units of a layer in each direction.")
    bidirectional: bool = setting(True, "Read from left to right and from right to left.")
    pooling: Pooling = setting(
        "attention", f"One vector of a text: {', '.join(get_args(Pooling))}."
    )
    dropout: Rate = setting(0.5, "On words' vectors and on the vector of a text, a mask a text.")
    word_dropout: Rate = setting(0.1, "Words taken for unknown at this rate, in training.")
