"""The settings of a translator, of its data and of its training."""

import dataclasses
from typing import Literal, get_args

from rnnjax.data.text_pairs import Columns
from rnnjax.data.word_vocabulary import WordLevel
from rnnjax.errors import UserError
from rnnjax.training import TrainingConfig, setting
from rnnjax.training.config import NetworkConfig, Positive, Rate

Reading = Literal["initial", "every_step", "soft"]
"""How the decoder reads the source; see `rnnjax.models.Decoder`."""

Scorer = Literal["additive", "dot", "general"]
"""Of the attention; see `rnnjax.heads.attention`."""

EMBEDDED = ("embedded", "dates")
"""Sources that are generated; their translations are right or wrong."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranslatorConfig(NetworkConfig):
    """The settings of the model; see `make_translator`."""

    context: Reading = setting("soft", f"How the source is read: {', '.join(get_args(Reading))}.")
    scorer: Scorer = setting("additive", f"Of the attention: {', '.join(get_args(Scorer))}.")
    reverse_source: bool = setting(False, "Read the source from its end to its beginning.")
    input_feeding: bool = setting(
        False, "Context soft: the decoder reads its attentional vector of the step before."
    )
    bidirectional: bool = setting(True, "Read the source in both directions.")
    hidden_size: Positive = setting(
        128, "H, units of a layer of decoder and encoder, each direction."
    )
    embed_size: Positive = setting(64, "D, numbers that a symbol is turned into.")
    attention_size: Positive = setting(64, "A, the hidden layer of scorer additive.")
    dropout: Rate = setting(
        0.0, "On symbols' vectors, the encoder's outputs and before the scores of symbols."
    )

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        if self.input_feeding and self.context != "soft":
            raise UserError(
                f"--config.input_feeding needs --config.context=soft; got {self.context}"
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class TranslationConfig(TrainingConfig, TranslatorConfig):
    """All that decides a run."""

    heading = "Data"

    data: str = setting(
        "embedded",
        "embedded (numbers), dates, a folder of parallel files or tables, a table (.tsv, .csv, "
        ".jsonl), train=PATH,validation=PATH,test=PATH, or tfds:NAME.",
    )
    source: str = setting("", "Ending of the files, or name of the column, of the source.")
    target: str = setting("", "Ending of the files, or name of the column, of the target.")
    encoding: str = setting("utf-8", "Encoding of the files.")
    level: WordLevel = setting("subword", f"Symbols, one of {', '.join(get_args(WordLevel))}.")
    min_count: Positive = setting(2, "Level word: words that are rarer are unknown.")
    num_subwords: int = setting(300, "Level subword: symbols of each language, at most.")
    vectors: str | None = setting(
        None,
        "Level word: SOURCE,TARGET, files of word vectors (GloVe, word2vec or fastText text), or "
        "one of them beside the comma.",
    )
    max_length: Positive = setting(60, "Training leaves out pairs with more symbols on a side.")
    num_buckets: Positive = setting(5, "Lengths that each side is padded to.")
    scheduled_sampling: Rate = setting(
        0.0,
        "Share of the symbols that the decoder reads and has drawn itself: at the end of "
        "training; it grows from 0.",
    )
    label_smoothing: Rate = setting(0.0, "Share of each target that goes to all symbols alike.")
    pool: Positive = setting(
        1, "Batches whose pairs are sorted by the length of the side that varies less; 1: none."
    )

    @property
    def columns(self) -> Columns:
        """Names of the source and the target, and the encoding of files."""
        return Columns(self.source, self.target, self.encoding)

    @property
    def metric(self) -> str:
        """The score that decides: `exact` for generated data, otherwise `bleu`."""
        return "exact" if self.data in EMBEDDED else "bleu"

    def validate(self) -> None:
        """Raises UserError for a value that cannot work."""
        super().validate()
        self.columns.check()
        if self.vectors and (self.level != "word" or self.vectors.count(",") != 1):
            raise UserError(
                "--config.vectors takes --config.level=word and SOURCE,TARGET with one comma; got "
                f"level {self.level} and {self.vectors!r}"
            )
