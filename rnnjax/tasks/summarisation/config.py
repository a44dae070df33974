"""The settings of a summarizer, of its data and of its training."""

import dataclasses
from typing import Annotated, get_args

from rnnjax.data.text_pairs import Columns
from rnnjax.data.word_vocabulary import WordLevel
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import Limits, NetworkConfig, Positive, Rate, Weight
from rnnjax.training.length_limit import LengthLimit


@dataclasses.dataclass(frozen=True, kw_only=True)
class SummarizerConfig(NetworkConfig):
    """The settings of the model; see `make_summarizer`."""

    copy: bool = setting(True, "Words of the text can be copied: a pointer-generator.")
    coverage: Weight = setting(
        0.0, "Weight of the coverage loss; 0: attention does not know where it has been."
    )
    hidden_size: Positive = setting(
        128, "H, units of a layer of decoder and encoder, each direction."
    )
    embed_size: Positive = setting(128, "D, numbers that a symbol is turned into.")
    attention_size: Positive = setting(64, "A, the hidden layer of the attention.")
    dropout: Rate = setting(
        0.3, "On symbols' vectors, the encoder's outputs and before the scores of symbols."
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class SummarisationConfig(TrainingConfig, LengthLimit, SummarizerConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded (docstrings of Python), a folder of parallel files, tables or mails (.subject), "
        "a table (.tsv, .csv, .jsonl), train=PATH,validation=PATH,test=PATH, or tfds:NAME.",
    )
    source: str = setting("", "Ending of the files, or name of the column, of the texts.")
    target: str = setting("", "Ending of the files, or name of the column, of the summaries.")
    encoding: str = setting("utf-8", "Encoding of the files, of those of vectors too.")
    vectors: str | None = setting(None, "A file of word vectors: GloVe, word2vec or fastText text.")
    level: WordLevel = setting("word", f"Symbols, one of {', '.join(get_args(WordLevel))}.")
    min_count: Positive = setting(
        3, "Level word: words that are rarer are unknown, but for copies."
    )
    num_subwords: int = setting(4000, "Level subword: symbols at most.")
    max_length: Annotated[int, Limits(2)] = setting(100, "Symbols of a text, its end included.")
    max_summary: Annotated[int, Limits(2)] = setting(
        30, "Training leaves out pairs with a longer summary."
    )
    num_buckets: Positive = setting(5, "Lengths that texts, and summaries, are padded to.")
    pool: Positive = setting(
        1, "Batches whose pairs are sorted by the length of the side that varies less; 1: none."
    )

    @property
    def columns(self) -> Columns:
        """Names of the texts and the summaries, and the encoding of files."""
        return Columns(self.source, self.target, self.encoding)

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.columns.check()
