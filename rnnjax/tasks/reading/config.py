"""The settings of a reader of stories, of its data and of its training."""

import dataclasses
from typing import Annotated

from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Limits, NetworkConfig, Positive, Rate, Weight
from rnnjax.training.length_limit import LengthLimit


@dataclasses.dataclass(frozen=True, kw_only=True)
class ReadingConfig(TrainingConfig, LengthLimit, NetworkConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting(
        "embedded", "embedded, a file of bAbI, a table (.tsv, .csv, .jsonl) or a folder."
    )
    encoding: str = setting("utf-8", "Encoding of the files.")
    max_length: Annotated[int | None, Limits(1)] = setting(
        None, "Sentences of a story, the latest ones; default: no limit."
    )
    num_buckets: Positive = setting(4, "Numbers of sentences that stories are padded to.")
    vectors: str | None = setting(None, "A file of word vectors: GloVe, word2vec or fastText text.")
    cell: str = setting("gru", "Any cell, by its name or as MODULE:FACTORY; see README.")
    embed_size: Positive = setting(32, "D, numbers that a word is turned into.")
    hidden_size: Positive = setting(64, "H, units that read a sentence, and a question.")
    hops: Annotated[int, Limits(0, 10)] = setting(
        3, "How often the story is attended to; 1: the attentive reader; 0: a plain network."
    )
    dropout: Rate = setting(0.1, "On words' vectors and before the answer, a mask a sentence.")
    supervise_attention: Weight = setting(
        0.0, "Weight of a loss that shows which sentences are the facts; 0: answers alone."
    )
